#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_registry_info
version_added: "0.4.0"
short_description: What an MCP gateway knows, and who made it
description:
  - Lists users, roles, teams, gateways, tools, virtual servers and tokens of an IBM ContextForge gateway, each with the owner that
    M(mcp.tenancy.gateway_registry) marked it for. Lists of thousands are read page by page.
  - Stored credentials read back masked and are not returned, and of tokens there is nothing that could be used.
author: the mcp.tenancy authors (@mcp-tenancy)
extends_documentation_fragment:
  - mcp.tenancy.gateway
  - mcp.tenancy.attributes.only_reads
options:
  gather:
    description: What to list. Nothing else is asked for.
    type: list
    elements: str
    choices: [users, roles, permissions, teams, gateways, tools, servers, tokens]
    default: [users, roles, permissions, teams, gateways, tools, servers, tokens]
  owner:
    description: Only users, roles, teams, gateways and servers with the mark of this owner; V(none) for those without any. Left out, all.
    type: str
seealso:
  - module: mcp.tenancy.gateway_registry
"""

EXAMPLES = r"""
- name: What was made by hand
  mcp.tenancy.gateway_registry_info:
    url: http://127.0.0.1:4444
    admin_email: admin@team-a.example
    jwt_secret_key: "{{ jwt_secret_key }}"
    gather: [gateways, servers]
    owner: none
"""

RETURN = r"""
users:
  description: Users, each with C(email), C(full_name), C(is_admin), C(is_active), C(owner).
  returned: when gathered
  type: list
  elements: dict
roles:
  description: Roles, each with C(id), C(name), C(scope), C(description), C(permissions), C(is_system_role), C(owner).
  returned: when gathered
  type: list
  elements: dict
permissions:
  description: Names of the permissions that a role may have.
  returned: when gathered
  type: list
  elements: str
teams:
  description: Teams that somebody made, each with C(id), C(name), C(description), C(members) (C(email) and C(role)), C(owner).
  returned: when gathered
  type: list
  elements: dict
gateways:
  description:
    - Upstreams, each with C(id), C(name), C(url), C(transport), C(team_id), C(visibility), C(description), C(tags), C(passthrough_headers), C(auth_type),
      C(auth_version), C(enabled), C(reachable), C(owner).
  returned: when gathered
  type: list
  elements: dict
tools:
  description: Tools, each with C(id), C(name), C(upstream_name), C(gateway_id), C(team_id), C(visibility), C(enabled).
  returned: when gathered
  type: list
  elements: dict
servers:
  description: Virtual servers, each with C(id), C(name), C(team_id), C(visibility), C(description), C(tags), C(enabled), C(tool_ids), C(owner).
  returned: when gathered
  type: list
  elements: dict
tokens:
  description:
    - Tokens, each with C(id), C(name), C(description), C(user), C(team_id), C(server_id), C(created_at), C(expires_at), C(revoked_at), C(last_used) (in
      seconds since 1970) and C(live).
  returned: when gathered
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mcp.tenancy.plugins.module_utils import _contextforge as contextforge
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry as engine

ARGUMENTS = {
    **contextforge.CONNECTION,
    "gather": {"type": "list", "elements": "str", "choices": list(engine.GATHERED), "default": list(engine.GATHERED)},
    "owner": {"type": "str"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    if not contextforge.HAS_LIBRARIES:
        module.fail_json(msg=missing_required_lib("httpx and PyJWT"), exception=contextforge.IMPORT_ERROR)
    with contextforge.client_of(params) as client:
        try:
            engine.reach(client, params, 0)
            found = engine.gathered(client, params["gather"], params["owner"])
        except (engine.CannotConverge, contextforge.GatewayError) as error:
            module.fail_json(msg=str(error))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
