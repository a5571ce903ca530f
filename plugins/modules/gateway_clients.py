#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_clients
version_added: "0.3.0"
short_description: Tokens of people's own clients at an MCP gateway
description:
  - Makes, ends and lists tokens of one person at an IBM ContextForge gateway, beside those that M(mcp.tenancy.gateway_registry) keeps in a file on the host.
  - New tokens leave the host encrypted with O(seal_key) and in no other form. M(mcp.tenancy.team_clients) calls this module and writes the file.
  - Runs on the gateway's host with the Python of the gateway's own virtual environment, which has what it needs.
author: the mcp.tenancy authors (@mcp-tenancy)
requirements:
  - cryptography
extends_documentation_fragment: mcp.tenancy.gateway
options:
  operation:
    description:
      - V(issue) sees that each of O(clients) has a token that works; V(end) revokes O(ids); V(revoke) revokes what the person has at O(places);
        V(list) tells how tokens stand.
    type: str
    choices: [issue, end, revoke, list]
    required: true
  user:
    description: The person's address. Of V(list), empty for everybody.
    type: str
    default: ""
  clients:
    description: Entries of the file, as M(mcp.tenancy.gateway_registry) has them.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The entry's name.
        type: str
        required: true
      user:
        description: The person's address, in lower case.
        type: str
        required: true
      team:
        description: The team at the gateway.
        type: str
        required: true
      server:
        description: The virtual server.
        type: str
        required: true
      expires_in_days:
        description: How long a new token lives.
        type: int
        default: 30
      renew_within_days:
        description: A token with less than this to live is replaced.
        type: int
        default: 10
  places:
    description: Virtual servers, each with C(environment), C(team), C(server) and C(members).
    type: list
    elements: dict
    default: []
  held:
    description: Entry to token that is in the file now.
    type: dict
    default: {}
  file:
    description: The place of the file, as it is remembered at the gateway.
    type: str
    default: ""
  of_file:
    description: Of V(revoke), only tokens of O(file).
    type: bool
    default: false
  renew:
    description: Of V(issue), replace tokens that have long to live too.
    type: bool
    default: false
  overlap:
    description: Of V(issue), seconds for which a token that is replaced stays good.
    type: int
    default: 86400
  ids:
    description: Of V(end), tokens to revoke.
    type: list
    elements: str
    default: []
  seal_key:
    description: A Fernet key for this one answer.
    type: str
attributes:
  check_mode:
    support: full
    description: Reads and plans as always, and changes nothing.
  diff_mode:
    support: none
    description: What differs is in the file, which the control node has.
  idempotent:
    support: full
    description: An entry whose token works and is not about to expire stays.
"""

EXAMPLES = r"""
- name: How tokens stand
  mcp.tenancy.gateway_clients:
    url: http://127.0.0.1:4444
    admin_email: admin@team-a.example
    jwt_secret_key: "{{ jwt_secret_key }}"
    operation: list
    places: [{environment: dev, team: team-a-dev, server: team-a-dev, members: [alice@team-a.example]}]
"""

RETURN = r"""
entries:
  description: Of V(issue), an element for each entry with C(name), C(server_id), C(reason) (why it has a new token, or null), C(expires_at), C(until), C(over).
  returned: for O(operation=issue)
  type: list
  elements: dict
sealed:
  description: New tokens, encrypted.
  returned: for O(operation=issue)
  type: str
ended:
  description: Names of tokens that were revoked.
  returned: for O(operation=end), O(operation=revoke)
  type: list
  elements: str
dead:
  description: Entries of the file whose tokens are refused.
  returned: for O(operation=revoke)
  type: list
  elements: str
rows:
  description: A row for each token.
  returned: for O(operation=list)
  type: list
  elements: dict
servers:
  description: The virtual servers at O(places), C(server) and C(server_id); the id of one that does not exist is null.
  returned: for O(operation=list)
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mcp.tenancy.plugins.module_utils import _clients as engine
from ansible_collections.mcp.tenancy.plugins.module_utils import _contextforge as contextforge
from ansible_collections.mcp.tenancy.plugins.module_utils import _sealed as sealed
from ansible_collections.mcp.tenancy.plugins.module_utils._registry import CannotConverge, reach

REQUIRED = {"type": "str", "required": True}
ARGUMENTS = {
    **contextforge.CONNECTION,
    "operation": {"type": "str", "choices": ["issue", "end", "revoke", "list"], "required": True},
    "user": {"type": "str", "default": ""},
    "clients": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": REQUIRED,
            "user": REQUIRED,
            "team": REQUIRED,
            "server": REQUIRED,
            "expires_in_days": {"type": "int", "default": 30},
            "renew_within_days": {"type": "int", "default": 10},
        },
    },
    "places": {"type": "list", "elements": "dict", "default": []},
    "held": {"type": "dict", "default": {}, "no_log": True},
    "file": {"type": "str", "default": ""},
    "of_file": {"type": "bool", "default": False},
    "renew": {"type": "bool", "default": False},
    "overlap": {"type": "int", "default": 86400},
    "ids": {"type": "list", "elements": "str", "default": []},
    "seal_key": {"type": "str", "no_log": True},
}


def answer(clients: engine.Clients, params: dict) -> dict:
    """What was asked for, done. Raises GatewayError."""
    operation = params["operation"]
    if operation == "issue":
        entries = clients.issue(params["clients"], params["held"], params["file"], params["renew"], params["overlap"])
        changed = any(entry["reason"] for entry in entries)
        return {"changed": changed, "entries": entries, "sealed": sealed.seal(params["seal_key"], clients.made)}
    if operation == "end":
        ended = clients.end(params["ids"])
        return {"changed": bool(ended), "ended": ended}
    if operation == "revoke":
        ended, dead = clients.revoke(params["user"], params["places"], params["held"], params["file"], params["of_file"])
        return {"changed": bool(ended), "ended": ended, "dead": dead}
    return {"changed": False, "rows": clients.rows(params["places"], params["user"]), "servers": clients.servers(params["places"])}


def main() -> None:
    required = [("operation", "issue", ("seal_key",))]
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True, required_if=required)
    params = module.params
    for there, libraries, error in (
        (contextforge.HAS_LIBRARIES, "httpx and PyJWT", contextforge.IMPORT_ERROR),
        (sealed.HAS_LIBRARY, "cryptography", sealed.IMPORT_ERROR),
    ):
        if not there:
            module.fail_json(msg=missing_required_lib(libraries), exception=error)
    with contextforge.client_of(params) as client:
        try:
            reach(client, params, 0)
            clients = engine.Clients(client, module.check_mode)
            result = answer(clients, params)
        except (CannotConverge, contextforge.GatewayError) as error:
            module.fail_json(msg=f"{error} Next: see the gateway's log, then run again." if isinstance(error, contextforge.GatewayError) else str(error))
    for token in clients.made.values():
        module.no_log_values.add(token)
    if clients.failures:  # what was made goes along: it is written to the file
        module.fail_json(msg="\n".join(clients.failures), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
