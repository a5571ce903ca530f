#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: supervisor_programs
version_added: "0.1.0"
short_description: Keep a set of programs running under a supervisord of its own
description:
  - Writes the configuration of one supervisord, starts it when none answers, and makes it run exactly the given programs.
  - Whether a program is restarted depends on what supervisord has loaded, not on whether a file was just written.
    A run that was cut off is finished by the next one.
  - Needs neither root nor systemd. The programs run as the user that the task runs as, with nothing of that user's environment.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  directory:
    description: Where C(supervisord.conf) is written.
    type: path
    required: true
  runtime_directory:
    description: A folder on tmpfs with a short path, for the socket and the pid file. Made 0700 if it is not there.
    type: path
    required: true
  log_directory:
    description: Where each program's output goes, rotated at 10 MB, three older ones kept.
    type: path
    required: true
  supervisord:
    description: The supervisord program on the host.
    type: path
    required: true
  programs:
    description: What is to run.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the program and of its log.
        type: str
        required: true
      command:
        description: Its argv. No secret belongs here.
        type: list
        elements: str
        required: true
      directory:
        description: Its working directory.
        type: path
        required: true
      environment:
        description: Plain variables. No secret belongs here.
        type: dict
        default: {}
      priority:
        description: Lower ones are started first.
        type: int
        default: 500
      revision:
        description: A label for what it should be running. Another label is a restart. The program sees it as E(MCP_REVISION).
        type: str
        default: ""
      stop_signal:
        description: The signal that ends it.
        type: str
        default: TERM
      stop_wait_seconds:
        description: Seconds before it is killed.
        type: int
        default: 10
      start_seconds:
        description: Seconds that it must live to count as started.
        type: int
        default: 1
  state:
    description: V(started) runs the programs, V(stopped) ends them and their supervisord, V(absent) removes the configuration too.
    type: str
    choices: [started, stopped, absent]
    default: started
  timeout:
    description: Seconds to wait for all programs to run.
    type: int
    default: 120
attributes:
  check_mode:
    support: full
    description: Predicts without changing anything.
  diff_mode:
    support: full
    description: Shows the configuration file before and after.
  idempotent:
    support: full
    description: Programs that run as described are not touched.
requirements:
  - The Python library C(supervisor) in the interpreter that runs the module.
"""

EXAMPLES = r"""
- name: Keep a program running
  mcp.tenancy.supervisor_programs:
    directory: /srv/example/etc
    runtime_directory: /run/example
    log_directory: /srv/example/log
    supervisord: /srv/example/lib/tools/bin/supervisord
    programs:
      - name: clock
        command: [/usr/bin/python3, clock.py]
        directory: /srv/example
        revision: "1"
"""

RETURN = r"""
started:
  description: Names of programs that were (or would be) started.
  returned: success
  type: list
  elements: str
restarted:
  description: Names of programs that were (or would be) restarted, since what ran was not what should run.
  returned: success
  type: list
  elements: str
removed:
  description: Names of programs that were (or would be) ended.
  returned: success
  type: list
  elements: str
supervisor:
  description: What happened to supervisord itself, V(running), V(started), V(restarted) or V(stopped).
  returned: success
  type: str
"""

import traceback
import xmlrpc.client
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mcp.tenancy.plugins.module_utils import _supervisor

try:
    from supervisor.xmlrpc import SupervisorTransport

    HAS_SUPERVISOR, WHY_NOT = SupervisorTransport is not None, None
except ImportError:
    HAS_SUPERVISOR, WHY_NOT = False, traceback.format_exc()

PROGRAM = {
    "name": {"type": "str", "required": True},
    "command": {"type": "list", "elements": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "environment": {"type": "dict", "default": {}},
    "priority": {"type": "int", "default": 500},
    "revision": {"type": "str", "default": ""},
    "stop_signal": {"type": "str", "default": "TERM"},
    "stop_wait_seconds": {"type": "int", "default": 10},
    "start_seconds": {"type": "int", "default": 1},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "runtime_directory": {"type": "path", "required": True},
            "log_directory": {"type": "path", "required": True},
            "supervisord": {"type": "path", "required": True},
            "programs": {"type": "list", "elements": "dict", "default": [], "options": PROGRAM},
            "state": {"type": "str", "choices": ["started", "stopped", "absent"], "default": "started"},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    if not HAS_SUPERVISOR:
        module.fail_json(msg=missing_required_lib("supervisor"), exception=WHY_NOT)
    wanted = module.params
    layout = _supervisor.Layout(Path(wanted["directory"]), Path(wanted["runtime_directory"]), Path(wanted["log_directory"]), wanted["supervisord"])
    try:
        if wanted["state"] == "started":
            outcome = _supervisor.ensure_started(wanted["programs"], layout, module.check_mode, wanted["timeout"])
        else:
            outcome = _supervisor.ensure_stopped(layout, module.check_mode, wanted["state"] == "absent")
    except (_supervisor.SupervisorError, OSError, xmlrpc.client.Error) as error:
        module.fail_json(msg=f"{error}.")
    module.exit_json(
        changed=outcome.changed,
        started=sorted(outcome.started),
        restarted=sorted(outcome.restarted),
        removed=sorted(outcome.removed),
        supervisor=outcome.supervisor,
        diff={"before_header": str(layout.configuration), "after_header": str(layout.configuration), "before": outcome.before, "after": outcome.after},
    )


if __name__ == "__main__":
    main()
