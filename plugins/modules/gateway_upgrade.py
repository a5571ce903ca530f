#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_upgrade
version_added: "0.2.0"
short_description: Have another installation of the gateway take over, or go back
description:
  - V(begin), before anything is placed, keeps how services are started now, and the gateway's database. V(end) waits until the gateway answers and forgets it.
    V(back) brings all of it back and starts what ran before.
  - A run that was cut off in between is continued by the next one, with the database as it was before the first.
  - The copy of the database, C(state/before-upgrade.db), stays until the next upgrade.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  operation:
    description: What to do.
    type: str
    choices: [begin, end, back]
    required: true
  paths:
    description: The team's folders, as the filter P(mcp.tenancy.team_paths#filter) gives them.
    type: dict
    required: true
  installation:
    description: The installation that is to take over; for O(operation=begin).
    type: path
  prefix:
    description: What the names of the team's units begin with; empty under the supervisor.
    type: str
    default: ""
  port:
    description: Where the gateway listens on loopback.
    type: int
    required: true
  timeout:
    description: Seconds that it may take until it answers.
    type: int
    default: 180
attributes:
  check_mode:
    support: none
    description: It is not run in check mode; what a deploy would restart is told by what restarts it.
  diff_mode:
    support: none
    description: There is nothing to compare.
  idempotent:
    support: full
    description: Where the installation that is wanted runs already nothing is done.
"""

EXAMPLES = r"""
- name: See whether another version is to take over
  mcp.tenancy.gateway_upgrade:
    operation: begin
    paths: "{{ team_paths }}"
    installation: /srv/mcp-tenancy/team_a/lib/gateway-663fed28b433
    prefix: mcp-tenancy-team_a-
    port: 4444
  register: upgrade
"""

RETURN = r"""
upgrading:
  description: Whether another installation is to take over.
  returned: for O(operation=begin)
  type: bool
returned_to:
  description: The installation that runs again.
  returned: for O(operation=back)
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mcp.tenancy.plugins.module_utils import _gateway_copy, _supervisor, _systemd, _upgrade


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "operation": {"type": "str", "choices": ["begin", "end", "back"], "required": True},
            "paths": {"type": "dict", "required": True},
            "installation": {"type": "path"},
            "prefix": {"type": "str", "default": ""},
            "port": {"type": "int", "required": True},
            "timeout": {"type": "int", "default": 180},
        },
        required_if=[("operation", "begin", ["installation"])],
    )
    wanted = module.params
    upgrade = _upgrade.Upgrade(wanted["paths"], wanted["prefix"])
    try:
        if wanted["operation"] == "begin":
            module.exit_json(changed=False, upgrading=upgrade.begin(wanted["installation"]))
        if wanted["operation"] == "end":
            upgrade.end(wanted["port"], wanted["timeout"])
            module.exit_json(changed=False)
        module.exit_json(changed=True, returned_to=upgrade.back(wanted["port"], wanted["timeout"]).get("from", ""))
    except (_upgrade.UpgradeError, _gateway_copy.CopyError, _supervisor.SupervisorError, _systemd.SystemdError) as error:
        module.fail_json(msg=f"{error}.")
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}. Next: correct it, then run again.")


if __name__ == "__main__":
    main()
