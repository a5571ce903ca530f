#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: team_clients
version_added: "0.3.0"
short_description: A person's MCP client configuration on the control node
description:
  - Makes a token for each virtual server of one person and environment, and writes a file that MCP clients read (C(mcpServers)), 0600 from the first byte
    and by rename. Entries of other names are kept.
  - Only members that the inventory declares get one. Everybody else is refused with the next step.
  - A new token is tried and written before the one before it ends, and that one stays good for C(mcp_client_overlap).
  - Tokens reach the control node encrypted with a key of this one task, so no output has one.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  do:
    description:
      - V(add) sees that each entry has a token that works; one that is missing, refused or about to expire (less than a third of its life is left) is replaced.
      - V(renew) replaces all of them. V(revoke) ends what C(client.yml) made for the person, or for O(file) where it is named, at once.
        V(list) tells how tokens stand. V(gateways) asks for the addresses of the virtual servers, which O(gateways) then writes.
    type: str
    choices: [add, renew, revoke, list, gateways]
  user:
    description: The person's address. Of V(list), empty for everybody.
    type: str
  environment:
    description: One environment. Default is all of them, for O(do=add) and O(do=renew) those that the person is a member of.
    type: str
  file:
    description:
      - The file on the control node. Default is C(~/.config/mcp-tenancy/clients/TEAM/USER.json). A relative path starts where the command is run.
      - Each file has tokens of its own, so that a laptop and a build server can be taken back one by one.
    type: path
  hosts:
    description: The team's hosts in this run. A token is made at the first one that has the environment, since each host has a gateway of its own.
    type: list
    elements: str
  url:
    description: The gateway's own address on its host.
    type: str
  public_url:
    description: The address under which clients reach the gateway.
    type: str
  admin_email:
    description: The gateway's platform admin.
    type: str
  jwt_secret_key:
    description: The gateway's C(JWT_SECRET_KEY).
    type: str
  gateways:
    description:
      - Instead of O(do), host to the registered result of O(do=gateways). Writes them all to O(file), one C(name|url|transport) a line, readable by everybody
        since no token is in it. Default is C(~/.config/mcp-tenancy/clients/TEAM/gateways.txt).
    type: dict
  show:
    description: Instead of all others, host to the registered result of O(do=list), to be shown.
    type: dict
  format:
    description: How O(show) is shown.
    type: str
    choices: [table, json]
    default: table
attributes:
  check_mode:
    support: full
    description: Reads, tries the tokens of the file and says what would be done.
  diff_mode:
    support: full
    description: Shows why an entry gets another token, never a token; and the lines of O(gateways).
  idempotent:
    support: partial
    details: O(do=renew) is asked for a new token and makes one.
    description: A file whose tokens work and are not about to expire is left as it is.
"""

EXAMPLES = r"""
- name: A configuration for alice
  mcp.tenancy.team_clients:
    do: add
    user: alice@team-a.example
    environment: dev
    hosts: "{{ team_here }}"
    url: "{{ team_gateway.url }}"
    public_url: "{{ team_gateway.public_url }}"
    admin_email: "{{ team_gateway.admin_email }}"
    jwt_secret_key: "{{ lookup('mcp.tenancy.team_secret', 'JWT_SECRET_KEY') }}"
"""

RETURN = r"""
file:
  description: Where the configuration is.
  returned: for O(do=add), O(do=renew), O(gateways)
  type: str
servers:
  description: Virtual servers, each C(name), C(url) and C(transport).
  returned: for O(do=gateways)
  type: list
  elements: dict
entries:
  description: Each entry with C(name), C(reason) of a new token (null when there is none), C(expires_at) and C(until), in seconds since the epoch.
  returned: for O(do=add), O(do=renew)
  type: list
  elements: dict
ended:
  description: Names of tokens that were revoked.
  returned: for O(do=add), O(do=renew), O(do=revoke)
  type: list
  elements: str
rows:
  description: A row for each token, with C(user), C(environment), C(server), C(made), C(expires), C(last used), C(state), C(file).
  returned: for O(do=list), O(show)
  type: list
  elements: dict
"""

# The work is done by the action plugin of the same name.
