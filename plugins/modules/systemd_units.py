#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: systemd_units
version_added: "0.1.0"
short_description: Keep a team's set of systemd units on a host
description:
  - Writes exactly the given units, enables and starts them, and removes those of the same prefix that are not given any more.
  - Whether a unit is restarted depends on what was started, not on whether a file was just written. A run that was cut off is finished by the next one.
  - Drop-ins (C(UNIT.d/*.conf)) are the administrator's own and are not touched.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  prefix:
    description: What the names of all units of the set begin with, and of no others.
    type: str
    required: true
  revisions_directory:
    description: Folder on tmpfs in which each unit with a O(units[].revision) leaves it when it starts, in a file of its name without prefix and C(.service).
    type: path
    required: true
  units:
    description: What is to be there.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The unit's whole name.
        type: str
        required: true
      content:
        description: The unit file. No secret belongs here.
        type: str
        required: true
      revision:
        description: A label for what it should be running. Another label than the one that it left is a restart.
        type: str
        default: ""
      reload:
        description: Reload it where others are restarted; not when what stands before a dot in O(units[].revision) is another one, which takes a restart.
        type: bool
        default: false
  state:
    description: V(started) runs the units, V(absent) stops and removes all of the prefix.
    type: str
    choices: [started, absent]
    default: started
attributes:
  check_mode:
    support: full
    description: Predicts without changing anything.
  diff_mode:
    support: full
    description: Shows unit files before and after.
  idempotent:
    support: full
    description: Units that run as described are not touched.
requirements:
  - systemd 254 or later, and root.
"""

EXAMPLES = r"""
- name: Keep a clock running
  mcp.tenancy.systemd_units:
    prefix: example-
    revisions_directory: /run/example/.revisions
    units:
      - name: example-clock.service
        content: |
          [Service]
          ExecStart=/usr/bin/sleep infinity
          [Install]
          WantedBy=multi-user.target
"""

RETURN = r"""
started:
  description: Names of units that were (or would be) started.
  returned: success
  type: list
  elements: str
restarted:
  description: Names of units that were (or would be) restarted, since what ran was not what should run.
  returned: success
  type: list
  elements: str
removed:
  description: Names of units that were (or would be) stopped and removed.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mcp.tenancy.plugins.module_utils import _systemd

UNIT = {
    "name": {"type": "str", "required": True},
    "content": {"type": "str", "required": True},
    "revision": {"type": "str", "default": ""},
    "reload": {"type": "bool", "default": False},
}


def differences(found: _systemd.Found, units: list[dict], planned: _systemd.Plan) -> list[dict]:
    """Unit files before and after, in the form of Ansible's diff."""
    contents = {unit["name"]: unit["content"] for unit in units}
    names = [*planned.write, *planned.remove]
    return [{"before_header": name, "after_header": name, "before": found.files.get(name, ""), "after": contents.get(name, "")} for name in names]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "prefix": {"type": "str", "required": True},
            "revisions_directory": {"type": "path", "required": True},
            "units": {"type": "list", "elements": "dict", "default": [], "options": UNIT},
            "state": {"type": "str", "choices": ["started", "absent"], "default": "started"},
        },
        supports_check_mode=True,
    )
    units = module.params["units"] if module.params["state"] == "started" else []
    if strangers := [unit["name"] for unit in units if not unit["name"].startswith(module.params["prefix"])]:
        module.fail_json(msg=f"units: {', '.join(strangers)} does not begin with {module.params['prefix']}.")
    host = _systemd.Host(module.params["prefix"], module.params["revisions_directory"])
    try:
        found = host.found([unit["name"] for unit in units])
        planned = _systemd.plan(units, found)
        if planned and not module.check_mode:
            host.apply(units, planned)
    except (_systemd.SystemdError, OSError) as error:
        module.fail_json(msg=f"{error}.")
    module.exit_json(
        changed=bool(planned),
        started=planned.start,
        restarted=[*planned.restart, *planned.reload],
        removed=planned.remove,
        diff=differences(found, units, planned),
    )


if __name__ == "__main__":
    main()
