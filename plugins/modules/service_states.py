#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: service_states
version_added: "0.2.0"
short_description: What the gateway and the bridges of a host say of themselves
description:
  - Asks each service on loopback whether it is ready; a bridge answers after a real question to its database.
author: the mcp.tenancy authors (@mcp-tenancy)
extends_documentation_fragment: mcp.tenancy.attributes.only_reads
options:
  manifest:
    description: The host's manifest, C(etc/services.json) in the team's folder.
    type: path
    required: true
  timeout:
    description: Seconds that each service may take.
    type: float
    default: 20
  team_token:
    description: The team's C(MCP_BRIDGE_TOKEN); with it services of people tell whose logins are in use.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Ask the services
  mcp.tenancy.service_states:
    manifest: /srv/mcp-tenancy/team_a/etc/services.json
"""

RETURN = r"""
states:
  description:
    - Of each service C(ready), C(why) (why not), and for a bridge C(credential) (the name of the login that it uses), C(restarts) and C(reloads).
    - Of a service of people C(users), how many processes there are, and with O(team_token) C(people), the logins that are in use.
  returned: success
  type: dict
"""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration

SHOWN = ("credential", "restarts", "reloads", "users")


def state(name: str, service: dict, seconds: float, token: str = "") -> dict:
    """What one service says of itself; with the team's ``token``, of people with logins of their own who use it too."""
    path = "/readyz" if "bridge" in service else "/ready"
    port = service["listen"]["port"]
    try:
        status, said = asked(port, path, {}, seconds)
        people = None
        if token and "users" in service.get("bridge", {}):
            bearer = _declaration.bridge_token(token, name)
            people = asked(port, "/users", {"Authorization": f"Bearer {bearer}"}, seconds)[1]
    except (OSError, ValueError, http.client.HTTPException) as error:
        return {"ready": False, "why": f"{name} does not answer ({type(error).__name__})"}
    found = {"ready": status == 200, "why": said.get("why") or said.get("trouble") or "", **{key: said[key] for key in SHOWN if key in said}}
    return found if people is None else {**found, "people": people}


def asked(port: int, path: str, headers: dict[str, str], seconds: float) -> tuple[int, object]:
    """Status and answer of one door."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "manifest": {"type": "path", "required": True},
            "timeout": {"type": "float", "default": 20},
            "team_token": {"type": "str", "default": "", "no_log": True},
        },
        supports_check_mode=True,
    )
    try:
        services = json.loads(Path(module.params["manifest"]).read_text())["services"]
    except (OSError, ValueError, KeyError) as error:
        module.fail_json(msg=f"{module.params['manifest']} cannot be read ({type(error).__name__}). Next: run deploy.yml.")
    with ThreadPoolExecutor(8) as threads:
        found = threads.map(lambda name: state(name, services[name], module.params["timeout"], module.params["team_token"]), services)
        module.exit_json(changed=False, states=dict(zip(services, found, strict=True)))


if __name__ == "__main__":
    main()
