#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bridge_generations
version_added: "0.2.0"
short_description: Bring bridges to the login, the CA and the client certificate that the host has now
description:
  - Asks each bridge which login it uses. One that uses another than it should is told to read it again; it starts a wrapped server with it beside the
    one that runs, proves it with a real query, and only then sends calls to it. No call is lost.
  - Bridges that use the right login are not touched.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  bridges:
    description: The bridges of this host.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the service.
        type: str
        required: true
      port:
        description: Its port on loopback.
        type: int
        required: true
      mark:
        description: Name of the login that it should use, as RV(mcp.tenancy.host_env#module:marks) has it.
        type: str
        required: true
      reload:
        description: Commands that make it read its login again, each a list of program and arguments.
        type: list
        elements: list
        required: true
      tls:
        description:
          - Name of the CA and client certificate that its connections should be made with, as RV(mcp.tenancy.host_env#module:tls) has it. Empty where that
            is not looked at.
        type: str
        default: ""
      token:
        description: Its bearer. With it the bridge is also asked for its tools, as a client would, until it has them.
        type: str
        default: ""
      bearers:
        description:
          - Labels of the bearers that it should accept, as RV(mcp.tenancy.host_env#module:bearers) has them. A bridge that accepts others is told to
            read them again.
          - Nobody asks about bearers when it is not set.
        type: list
        elements: str
        version_added: "0.4.0"
  drained:
    description: Also wait until no call is left on the login before.
    type: bool
    default: false
  tolerate:
    description: Tell what went wrong in RV(bridges) and do not fail. For whoever goes back then.
    type: bool
    default: false
  timeout:
    description: Seconds that all bridges together may take.
    type: float
    default: 120
attributes:
  check_mode:
    support: full
    description: Says which bridges would take another login.
  diff_mode:
    support: none
    description: There is nothing to show that is not a secret.
  idempotent:
    support: full
    description: A bridge that uses the right login is not touched.
"""

EXAMPLES = r"""
- name: Take the logins of now
  mcp.tenancy.bridge_generations:
    bridges:
      - name: postgres-dev
        port: 21234
        mark: 4.5f0c21aa
        reload:
          - [systemctl, reload, mcp-tenancy-team_a-postgres-dev.service]
"""

RETURN = r"""
bridges:
  description: Of each bridge C(credential), the name of the login that it uses now, C(changed), and C(error), what went wrong.
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mcp.tenancy.plugins.module_utils import _bridges


def main() -> None:
    bridge = {
        "name": {"type": "str", "required": True},
        "port": {"type": "int", "required": True},
        "mark": {"type": "str", "required": True},
        "reload": {"type": "list", "elements": "list", "required": True},
        "token": {"type": "str", "default": "", "no_log": True},
        "tls": {"type": "str", "default": ""},
        "bearers": {"type": "list", "elements": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "bridges": {"type": "list", "elements": "dict", "required": True, "options": bridge},
            "drained": {"type": "bool", "default": False},
            "tolerate": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 120},
        },
        supports_check_mode=True,
    )

    def reload(commands: list[list[str]]) -> str:
        for command in commands:
            code, out, error = module.run_command(command)
            if code:
                return f"{command[0]} ended with {code}: {(error or out).strip()[-300:]}. Next: run deploy.yml, then again"
        return ""

    bridges = [_bridges.Bridge(**given) for given in module.params["bridges"]]
    found = _bridges.bring(bridges, module.params["timeout"], reload, drained=module.params["drained"], check=module.check_mode)
    wrong = [f"{name}: {state['error']}" for name, state in found.items() if state["error"]]
    changed = any(state["changed"] for state in found.values())
    if wrong and not module.params["tolerate"]:
        module.fail_json(msg="; ".join(wrong), bridges=found, changed=changed)
    module.exit_json(changed=changed, bridges=found)


if __name__ == "__main__":
    main()
