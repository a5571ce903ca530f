#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_registry
version_added: "0.1.0"
short_description: Make an MCP gateway know a team's environments, services and clients
description:
  - Takes everything that an IBM ContextForge gateway has to know in one call and changes what differs. Nothing that is not named here is touched, but for
    people in the teams that are named, and what O(purge) and O(former) ask for. Members are exactly those who are named; who is one no more loses membership
    and tokens.
  - With O(owner) it leaves a mark on what it makes. What people, or another owner, have made under the same name is then reported before anything is changed,
    and taken over where O(adopt) says so.
  - Writes the clients' configuration itself, so that a token's value never leaves the host.
  - Runs on the gateway's host with the Python of the gateway's own virtual environment, which has what it needs.
  - An upstream that cannot be reached does not stop the rest. All failures are reported together at the end, and another run completes the work.
author: the mcp.tenancy authors (@mcp-tenancy)
extends_documentation_fragment: mcp.tenancy.gateway
options:
  public_url:
    description: The address under which clients reach the gateway. Default is O(url).
    type: str
  wait:
    description: Seconds to wait for a gateway that does not answer yet, since it is just being started. In check mode nothing is waited for.
    type: int
    default: 0
  encrypts_updates:
    description:
      - The gateway encrypts what it stores for upstreams whichever way it comes, as the role C(gateway) of this collection has it do. A changed bearer then
        takes the place of the one before at once, and no call fails as long as the upstream accepts both.
    type: bool
    default: false
    version_added: "0.4.0"
  former:
    description:
      - The team of the inventory. What an earlier call for the same team made and this one does not name is removed, with its tokens and its entries in
        O(client_config). Environments' teams are known by name and description, virtual servers by their id, upstreams by the label of their bearer.
      - A team in which somebody else registered something stays, without members, and is warned of. Users stay. Left out, nothing is removed.
    type: str
    default: ""
    version_added: "0.2.0"
  owner:
    description:
      - A label for whoever runs this, by which rows are known that are ours; lower-case letters, digits, dot and dash, an underscore becomes a dash.
      - It is the tag C(owned-by:OWNER) on gateways and virtual servers, and C([owned-by:OWNER]) at the end of the description of teams and roles and of the
        name of users. The gateway shows both.
      - Without it no mark is set, and a row of a wanted name is taken for ours whoever made it.
      - Marked are users of O(users) and members whom this module makes; not members who were there.
    type: str
    default: ""
  adopt:
    description:
      - What to do with a row of a wanted name that bears no mark of O(owner). V(never) refuses, before anything is changed, with all of them and their ids.
      - V(by_hand) takes over rows without a mark, V(any) also those of another owner. They keep their id, and are changed to what is wanted.
      - A gateway's row of another name counts too where address, team and visibility agree and neither has a credential, since the gateway refuses a second
        one. It is renamed.
      - A virtual server with the id that this module gives, a gateway with C(auth-version) and the team of such a server are ours without a mark.
    type: str
    choices: [never, by_hand, any]
    default: never
  purge:
    description:
      - Kinds of which everything is deleted that bears the mark of O(owner) and is not named here. Nothing without the mark is.
      - V(clients) are entries of O(client_config) with tokens for servers of ours, and their tokens. Tokens for a server or team that is deleted, and of a
        user who is, are revoked before it, whoever made them.
      - Of V(users) only those go who are in no team of anybody else. The gateway cannot delete a user who ever was in a team; such a user is deactivated,
        marked C([purged-by:OWNER]), and activated again when wanted again.
      - A team in which somebody else has something, or a gateway whose tools are in somebody else's virtual server, is refused before anything is changed.
      - What is deleted goes before what is new is made, and can be cut short anywhere; the next run goes on.
    type: list
    elements: str
    choices: [clients, servers, gateways, teams, roles, users]
    default: []
  purge_limit:
    description:
      - Per cent of our rows of one kind that may be deleted at once. More is refused before anything is changed, so that a list that came out empty by
        accident empties no gateway.
      - V(100) is for the run in which that is what you want.
    type: int
    default: 50
  roles:
    description: Roles of the gateway, beside those that it brings. None of those can be named.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The role's name.
        type: str
        required: true
      scope:
        description: Whether it is given in a team or everywhere. It cannot be changed; another scope is another role.
        type: str
        choices: [team, global]
        default: team
      description:
        description: For people.
        type: str
        default: ""
      permissions:
        description: Exactly these, by the gateway's names, which M(mcp.tenancy.gateway_registry_info) lists.
        type: list
        elements: str
        required: true
  users:
    description:
      - Users of whom more is to be said than in which teams they are. Never administrators, who are refused.
      - Such a user is made with a password that nobody knows.
    type: list
    elements: dict
    default: []
    suboptions:
      email:
        description: Who. The gateway keeps it in lower case.
        type: str
        required: true
      full_name:
        description: For people. Left out, it stays as it is.
        type: str
      active:
        description: Whether they may do anything.
        type: bool
        default: true
      roles:
        description: Their roles everywhere, exactly these, but for those that the gateway gives by itself. Left out, they stay as they are.
        type: list
        elements: str
  teams:
    description:
      - Teams of the gateway. Users who are not named as members are taken out of a team that is named, and every token that they have for it is revoked.
      - Administrators of the gateway are left alone.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The team's name.
        type: str
        required: true
      description:
        description: For people.
        type: str
        default: ""
      members:
        description:
          - Users of the team. A user who does not exist is made, without admin rights and with a password that nobody knows.
          - An admin of the gateway is refused, since a token of an admin reaches every team whatever its scope says. A deactivated user is refused too.
        type: list
        elements: dict
        default: []
        suboptions:
          email:
            description: Who. The gateway keeps it in lower case.
            type: str
            required: true
          role:
            description: What they may do in the team. Each may call its tools.
            type: str
            choices: [member, owner]
            default: member
          roles:
            description:
              - Their roles in this team beyond what O(teams[].members[].role) brings, exactly these. Left out, they stay as they are.
              - V(viewer) and V(team_admin), which the gateway gives with a membership, are never taken away.
            type: list
            elements: str
  gateways:
    description: Upstream MCP servers.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The upstream's name, the first part of its tools' names. A row of ours of that name in another team is moved.
        type: str
        required: true
      url:
        description: Its MCP endpoint. Changing it keeps tools and servers and loses no call. C(127.0.0.1) is stored as C(localhost).
        type: str
        required: true
      transport:
        description: How the gateway talks to it.
        type: str
        choices: [STREAMABLEHTTP, SSE]
        default: STREAMABLEHTTP
      team:
        description: Whose it is.
        type: str
        required: true
      visibility:
        description: Who sees it. Its tools follow.
        type: str
        choices: [private, team, public]
        default: team
      description:
        description: For people.
        type: str
        default: ""
      tags:
        description: Labels of at least two characters; lower-case letters, digits, colon, dot and dash.
        type: list
        elements: str
        default: []
      passthrough_headers:
        description:
          - Headers of a client's request that the gateway hands on to this upstream. It does so only where its setting C(ENABLE_HEADER_PASSTHROUGH) is on.
          - Never name C(Authorization) here, it is the client's token for the gateway.
        type: list
        elements: str
        default: []
        version_added: "0.1.0"
      auth_token:
        description:
          - A bearer token that the gateway shows the upstream. It reads back masked, so O(gateways[].auth_version) says when it is another one.
          - The gateway encrypts a bearer only when a row is created, an update would store it in clear. A changed bearer therefore makes a second row beside
            the first (private until then, and proven by a connection), deletes the first, and puts the new tools into the virtual servers again.
            Calls in that moment, some hundred milliseconds, can fail. With O(encrypts_updates) it is changed in place, and none fails.
          - Left out, a bearer that this module stored is removed; one that somebody else stored stays.
        type: str
      auth_version:
        description: A label for the bearer, not secret; characters as in O(gateways[].tags). Kept as the tag C(auth-version:LABEL).
        type: str
  servers:
    description: Virtual servers, as many as you like over the same gateways. Each has exactly the tools of its gateways, put right on every run.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The server's name.
        type: str
        required: true
      team:
        description: Whose it is. Its gateways must be of the same team.
        type: str
        required: true
      gateways:
        description: Names of O(gateways).
        type: list
        elements: str
        required: true
      tools:
        description:
          - Only these tools of its gateways, by the upstreams' own names; C(*) stands for anything. Empty for all.
          - A name that no gateway of it has is a failure, and the rest is done.
        type: list
        elements: str
        default: []
      tags:
        description: As O(gateways[].tags).
        type: list
        elements: str
        default: []
      visibility:
        description: Who sees it.
        type: str
        choices: [private, team, public]
        default: team
      description:
        description: For people.
        type: str
        default: ""
  clients:
    description: Who may use a server, each with a token for one user, one team and one server. Needs O(client_config).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The entry's name in the client configuration.
        type: str
        required: true
      user:
        description: A member of the team.
        type: str
        required: true
      team:
        description: The team.
        type: str
        required: true
      server:
        description: The server, of the same team.
        type: str
        required: true
      expires_in_days:
        description: How long a new token lives.
        type: int
        default: 90
      renew_within_days:
        description: A token with less than this to live is replaced. The old one stays good for O(clients[].overlap), so a running agent keeps its connection.
        type: int
        default: 30
      overlap:
        description:
          - For how many seconds a token that works and is replaced stays good; the first run after that revokes it. Left out, it is left to expire.
          - One that the gateway refuses, or that is lost, leaves nothing behind that is good.
        type: int
      version:
        description: A label that is kept with the token. Another one makes another token, the old one stays for O(clients[].overlap).
        type: str
        default: ""
  client_config:
    description:
      - The JSON file with the clients' entries, on the gateway's host. Mode 0600 from the first byte, replaced by rename. Entries of other names are kept.
      - When an entry is lost, its tokens at the gateway are revoked and a new one is made.
    type: path
attributes:
  check_mode:
    support: full
    description: Reads and plans as always, and changes nothing. A gateway that does not answer is a failure.
  diff_mode:
    support: full
    description: Shows fields that differ. Of a token only the reason for another one is shown.
  idempotent:
    support: partial
    details: A bearer is compared by O(gateways[].auth_version) alone, since it reads back masked.
    description: A second run changes nothing, and sends nothing that changes anything.
"""

EXAMPLES = r"""
- name: One environment with one database and one user
  mcp.tenancy.gateway_registry:
    url: http://127.0.0.1:4444
    admin_email: admin@team-a.example
    jwt_secret_key: "{{ jwt_secret_key }}"
    public_url: https://mcp.team-a.example
    teams:
      - name: team-a-dev
        members: [{email: alice@team-a.example}]
    gateways:
      - name: team-a-dev-postgres
        url: http://127.0.0.1:21001/mcp
        team: team-a-dev
    servers:
      - name: team-a-dev
        team: team-a-dev
        gateways: [team-a-dev-postgres]
    clients:
      - name: team-a-dev
        user: alice@team-a.example
        team: team-a-dev
        server: team-a-dev
    client_config: /srv/mcp-tenancy/team_a/etc/clients.json

- name: What a platform team runs, with the connection said once
  hosts: gateways
  module_defaults:
    group/mcp.tenancy.gateway:
      url: http://127.0.0.1:4444
      admin_email: admin@platform.example
      jwt_secret_key: "{{ jwt_secret_key }}"
  tasks:
    - name: What people have made by hand under these names is taken over, and what we no longer want goes
      mcp.tenancy.gateway_registry:
        owner: platform
        adopt: by_hand
        purge: [servers, gateways, teams]
        roles:
          - {name: analyst, permissions: [tools.read, tools.execute]}
        teams:
          - name: sales
            members: [{email: bob@sales.example, roles: [analyst]}]
        gateways: "{{ upstreams }}"
        servers:
          - {name: sales, team: sales, gateways: "{{ upstreams | map(attribute='name') }}", tags: [sales]}
          - {name: sales-reading, team: sales, gateways: "{{ upstreams | map(attribute='name') }}", tools: [query, "list-*"]}
"""

RETURN = r"""
conflicts:
  description: Rows that are not ours where something of ours is wanted, each with C(kind), C(name), C(wanted), C(id) and C(owner) (empty when made by hand).
  returned: always
  type: list
  elements: dict
actions:
  description: What was changed, or would be. In a failure, what was changed before it.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: One of C(role), C(user), C(team), C(member), C(grant), C(gateway), C(server), C(client), C(token).
      type: str
    name:
      description: Its name; of a member C(TEAM/EMAIL), of a grant C(TEAM/EMAIL/ROLE) or C(EMAIL/ROLE).
      type: str
    action:
      description: One of C(create), C(update), C(adopt), C(replace), C(delete), C(revoke).
      type: str
    fields:
      description: Per field C(before) and C(after). Never a secret.
      type: dict
teams:
  description: Names and ids of the teams. In check mode those that exist.
  returned: success
  type: dict
gateways:
  description: Names and ids of the gateways. In check mode those that exist.
  returned: success
  type: dict
servers:
  description: Names and ids of the virtual servers. These are known ahead.
  returned: success
  type: dict
clients:
  description: Names of the entries in the client configuration that are managed here.
  returned: success
  type: list
  elements: str
due:
  description: When the first of their tokens is due for another one, in seconds since 1970; V(0) when there are none.
  returned: always
  type: int
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mcp.tenancy.plugins.module_utils import _contextforge as contextforge
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry as engine
from ansible_collections.mcp.tenancy.plugins.module_utils._client_file import ClientFileError

VISIBILITY = {"type": "str", "choices": ["private", "team", "public"], "default": "team"}
DESCRIPTION = {"type": "str", "default": ""}
REQUIRED = {"type": "str", "required": True}
NAMES = {"type": "list", "elements": "str"}
MEMBER = {"email": REQUIRED, "role": {"type": "str", "choices": ["member", "owner"], "default": "member"}, "roles": NAMES}
ARGUMENTS = {
    **contextforge.CONNECTION,
    "public_url": {"type": "str"},
    "wait": {"type": "int", "default": 0},
    "encrypts_updates": {"type": "bool", "default": False},
    "former": {"type": "str", "default": ""},
    "owner": {"type": "str", "default": ""},
    "adopt": {"type": "str", "choices": ["never", "by_hand", "any"], "default": "never"},
    "purge": {**NAMES, "choices": ["clients", "servers", "gateways", "teams", "roles", "users"], "default": []},
    "purge_limit": {"type": "int", "default": 50},
    "roles": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": REQUIRED,
            "scope": {"type": "str", "choices": ["team", "global"], "default": "team"},
            "description": DESCRIPTION,
            "permissions": {**NAMES, "required": True},
        },
    },
    "users": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"email": REQUIRED, "full_name": {"type": "str"}, "active": {"type": "bool", "default": True}, "roles": NAMES},
    },
    "teams": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": REQUIRED,
            "description": DESCRIPTION,
            "members": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": MEMBER,
            },
        },
    },
    "gateways": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "required_together": [("auth_token", "auth_version")],
        "options": {
            "name": REQUIRED,
            "url": REQUIRED,
            "transport": {"type": "str", "choices": ["STREAMABLEHTTP", "SSE"], "default": "STREAMABLEHTTP"},
            "team": REQUIRED,
            "visibility": VISIBILITY,
            "description": DESCRIPTION,
            "tags": {"type": "list", "elements": "str", "default": []},
            "passthrough_headers": {"no_log": False, "type": "list", "elements": "str", "default": []},
            "auth_token": {"type": "str", "no_log": True},
            "auth_version": {"type": "str"},
        },
    },
    "servers": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": REQUIRED,
            "team": REQUIRED,
            "gateways": {**NAMES, "required": True},
            "tools": {**NAMES, "default": []},
            "visibility": VISIBILITY,
            "description": DESCRIPTION,
            "tags": {**NAMES, "default": []},
        },
    },
    "clients": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": REQUIRED,
            "user": REQUIRED,
            "team": REQUIRED,
            "server": REQUIRED,
            "expires_in_days": {"type": "int", "default": 90},
            "renew_within_days": {"type": "int", "default": 30},
            "overlap": {"type": "int"},
            "version": {"type": "str", "default": ""},
        },
    },
    "client_config": {"type": "path"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if not contextforge.HAS_LIBRARIES:
        module.fail_json(msg=missing_required_lib("httpx and PyJWT"), exception=contextforge.IMPORT_ERROR)
    params = module.params
    try:
        desired = engine.desired_of(params)
    except engine.CannotConverge as error:
        module.fail_json(msg=str(error))
    with contextforge.client_of(params) as client:
        registry_ = engine.Registry(client, desired, module.check_mode)
        try:
            engine.run(registry_, params, lambda token: token and module.no_log_values.add(token))
        except (engine.CannotConverge, ClientFileError, contextforge.GatewayError) as error:
            registry_.failures.append(str(error))
        for warning in registry_.warnings:
            module.warn(warning)
        result = engine.report(registry_)
        if registry_.failures:
            module.fail_json(msg="\n".join(registry_.failures), **result)
        ids = {"teams": registry_.ids("teams"), "gateways": registry_.ids("gateways"), "servers": registry_.server_ids()}
    module.exit_json(**result, **ids, clients=[item["name"] for item in desired["clients"]])


if __name__ == "__main__":
    main()
