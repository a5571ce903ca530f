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
  - Takes everything that an IBM ContextForge gateway has to know in one call and changes what differs. Nothing that is not named here is touched.
  - Writes the clients' configuration itself, so that a token's value never leaves the host.
  - Runs on the gateway's host with the Python of the gateway's own virtual environment, which has what it needs.
  - An upstream that cannot be reached does not stop the rest. All failures are reported together at the end, and another run completes the work.
author: the mcp.tenancy authors (@mcp-tenancy)
requirements:
  - httpx
  - PyJWT
options:
  url:
    description: The gateway's own address, best on loopback. A proxy from the environment is not used.
    type: str
    required: true
  public_url:
    description: The address under which clients reach the gateway. Default is O(url).
    type: str
  admin_email:
    description: The gateway's platform admin. The token for it is made here, lives for minutes and is not stored.
    type: str
    required: true
  jwt_secret_key:
    description: The gateway's C(JWT_SECRET_KEY). C(DERIVE_KEY_PER_ENVIRONMENT) must be off.
    type: str
    required: true
  environment:
    description: The gateway's C(ENVIRONMENT); it refuses a token of any other.
    type: str
    default: production
  timeout:
    description: Seconds to wait for one answer. To register an upstream the gateway connects to it first.
    type: int
    default: 60
  teams:
    description: Teams of the gateway. Members that are not named here stay.
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
  gateways:
    description: Upstream MCP servers.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The upstream's name, the first part of its tools' names. A row of that name in another team is moved.
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
      auth_token:
        description:
          - A bearer token that the gateway shows the upstream. It reads back masked, so O(gateways[].auth_version) says when it is another one.
          - The gateway encrypts a bearer only when a row is created, an update would store it in clear. A changed bearer therefore makes a second row beside
            the first (private until then, and proven by a connection), deletes the first, and puts the new tools into the virtual servers again.
            Calls in that moment, some hundred milliseconds, can fail; change an upstream's address instead where none may.
          - Left out, a bearer that this module stored is removed; one that somebody else stored stays.
        type: str
      auth_version:
        description: A label for the bearer, not secret; characters as in O(gateways[].tags). Kept as the tag C(auth-version:LABEL).
        type: str
  servers:
    description: Virtual servers. Each has exactly the tools of its gateways, put right on every run.
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
        description: A token with less than this to live is replaced. The old one is left to expire, so a running agent keeps its connection.
        type: int
        default: 30
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
"""

RETURN = r"""
actions:
  description: What was changed, or would be. In a failure, what was changed before it.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: One of C(user), C(team), C(member), C(gateway), C(server), C(client).
      type: str
    name:
      description: Its name; of a member C(TEAM/EMAIL).
      type: str
    action:
      description: One of C(create), C(update), C(replace), C(delete), C(revoke).
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
"""

import json
import os
import stat
import tempfile
import time
from collections.abc import Callable

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mcp.tenancy.plugins.module_utils import _contextforge as contextforge
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_plan as registry

VISIBILITY = {"type": "str", "choices": ["private", "team", "public"], "default": "team"}
DESCRIPTION = {"type": "str", "default": ""}
REQUIRED = {"type": "str", "required": True}
ARGUMENTS = {
    "url": REQUIRED,
    "public_url": {"type": "str"},
    "admin_email": REQUIRED,
    "jwt_secret_key": {"type": "str", "required": True, "no_log": True},
    "environment": {"type": "str", "default": "production"},
    "timeout": {"type": "int", "default": 60},
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
                "options": {"email": REQUIRED, "role": {"type": "str", "choices": ["member", "owner"], "default": "member"}},
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
            "gateways": {"type": "list", "elements": "str", "required": True},
            "visibility": VISIBILITY,
            "description": DESCRIPTION,
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
        },
    },
    "client_config": {"type": "path"},
}


class CannotConverge(Exception):
    """Something that needs a person; its text says what and what next."""


class ClientFile:
    """The clients' configuration on this host."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.content = self._read()

    def _read(self) -> dict:
        try:
            with open(self.path, encoding="utf-8") as stream:
                content = json.load(stream)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            why = type(error).__name__
            raise CannotConverge(f"client_config {self.path} cannot be read: {why}. Next: repair it or move it away, then run again.") from None
        if not isinstance(content, dict) or not isinstance(content.get("mcpServers", {}), dict):
            raise CannotConverge(f"client_config {self.path} is not a client configuration. Next: name another file, or move this one away.")
        return content

    def entry(self, name: str) -> object:
        return self.content.get("mcpServers", {}).get(name)

    def is_private(self) -> bool:
        """Whether there is nothing to hide, or nobody else to hide it from."""
        try:
            status = os.lstat(self.path)
        except FileNotFoundError:
            return True
        return stat.S_IMODE(status.st_mode) == 0o600 and status.st_uid == os.geteuid()

    def write(self, name: str | None = None, entry: dict | None = None) -> None:
        """Replace the file by rename, with that entry changed."""
        if name is not None:
            self.content.setdefault("mcpServers", {})[name] = entry
        temporary = None
        try:
            handle, temporary = tempfile.mkstemp(dir=os.path.dirname(self.path) or ".", prefix=".clients-")
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(self.content, stream, indent=2)
                stream.write("\n")
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, self.path)
        except OSError as error:
            if temporary:
                os.unlink(temporary)
            why = error.strerror
            raise CannotConverge(f"client_config {self.path} cannot be written: {why}. Next: make its folder and room for it, then run again.") from None


class Registry:
    """Brings one gateway to what is wanted: read, plan, apply. ``actions`` grows with what was done, or would be in check mode."""

    def __init__(self, client: contextforge.Client, desired: dict, check_mode: bool) -> None:
        self.client, self.desired, self.check_mode = client, desired, check_mode
        self.actions: list[dict] = []
        self.failures: list[str] = []
        self.actual: dict = {}
        self.planned: list[dict] = []

    def read(self) -> None:
        wanted = {team["name"] for team in self.desired["teams"]}
        teams = self.client.list_teams()
        for team in teams:
            # Of teams that are not ours the admin may not even be a member; their names are all we need.
            team["members"] = self.client.list_members(team["id"]) if team["name"] in wanted else []
        self.actual = {"users": self.client.list_users(), "teams": teams}
        self._read_gateways()
        self.planned = registry.plan(self.desired, self.actual)

    def _read_gateways(self) -> None:
        self.actual |= {"gateways": self.client.list_gateways(), "tools": self.client.list_tools(), "servers": self.client.list_servers()}

    def ids(self, kind: str) -> dict[str, str]:
        """Names and ids of what is wanted and exists."""
        if kind == "teams":
            names = {team["name"] for team in self.desired["teams"]}
            return {team["name"]: team["id"] for team in self.actual["teams"] if team["name"] in names}
        pick = registry.pick_server if kind == "servers" else lambda wanted, actual: registry.pick_gateway(wanted, actual)[0]
        rows = {wanted["name"]: pick(wanted, self.actual) for wanted in self.desired[kind]}
        return {name: row["id"] for name, row in rows.items() if row}

    def server_ids(self) -> dict[str, str]:
        return {server["name"]: registry.server_id(server["team"], server["name"]) for server in self.desired["servers"]} | self.ids("servers")

    def converge(self) -> None:
        """Everything but clients."""
        if self.check_mode:
            self.actions += [action for action in self.planned if action["action"] != "none"]
            return
        for kind, apply in (("user", self._user), ("team", self._team), ("member", self._member), ("gateway", self._gateway)):
            self._apply([action for action in self.planned if action["kind"] == kind], apply)
        if any(action["kind"] == "gateway" for action in self.actions):
            self._read_gateways()
            for tool, wanted in registry.stray_tools(self.desired, self.actual):
                self.client.update_tool(tool["id"], self.ids("teams")[wanted["team"]], wanted["visibility"])
        self._apply(registry.plan_servers(self.desired, self.actual), self._server)
        if any(action["kind"] == "server" for action in self.actions):
            self.actual["servers"] = self.client.list_servers()

    def _apply(self, actions: list[dict], apply: Callable[[dict], None]) -> None:
        for action in actions:
            if action["action"] == "none":
                continue
            try:
                apply(action)
            except contextforge.GatewayError as error:
                self.failures.append(self._failure(action, error))
            else:
                self.actions.append(action)

    def _failure(self, action: dict, error: contextforge.GatewayError) -> str:
        urls = {wanted["name"]: f" ({wanted['url']})" for wanted in self.desired["gateways"]} if action["kind"] == "gateway" else {}
        upstream = "see that the upstream answers there, and takes its bearer if it has one, then run again"
        after = upstream if error.status == 502 else "see the gateway's log, then run again"
        return f"{action['kind']} {action['name']}{urls.get(action['name'], '')}: {action['action']} failed: {error}. Next: {after}."

    def _user(self, action: dict) -> None:
        self.client.create_user(action["name"])

    def _team(self, action: dict) -> None:
        description = action["fields"]["description"]["after"]
        if action["action"] == "update":
            return self.client.update_team(action["id"], description)
        team = self.client.create_team(action["name"], description)
        self.actual["teams"].append({"id": team["id"], "name": action["name"], "description": description, "members": []})
        return None

    def _member(self, action: dict) -> None:
        team, email = action["name"].split("/", 1)
        change = self.client.add_member if action["action"] == "create" else self.client.update_member
        change(self._team_id(team), email, action["fields"]["role"]["after"])

    def _team_id(self, name: str) -> str:
        found = self.ids("teams").get(name)
        if found is None:
            raise contextforge.GatewayError("", "", 0, f"its team {name} could not be made")
        return found

    def _gateway(self, action: dict) -> None:
        if action["action"] == "delete":
            return self.client.delete_gateway(action["id"])
        wanted = next(gateway for gateway in self.desired["gateways"] if gateway["name"] == action["name"])
        fields = {key: wanted[key] for key in ("url", "transport", "visibility", "description", "tags")} | {"team_id": self._team_id(wanted["team"])}
        if action["action"] == "create":
            self.client.create_gateway({"name": wanted["name"], **fields}, wanted["auth_token"])
        elif action["action"] == "replace":
            # Beside the old row, where the name is still free; thus the old one goes only when the new bearer has proven itself.
            aside = "private" if wanted["visibility"] != "private" else "team"
            row = self.client.create_gateway({"name": wanted["name"], **fields, "visibility": aside}, wanted["auth_token"])
            self.client.delete_gateway(action["id"])
            self.client.update_gateway(row, {"visibility": wanted["visibility"]})
        else:
            row = next(row for row in self.actual["gateways"] if row["id"] == action["id"])
            changed = {{"team": "team_id"}.get(key, key) for key in action["fields"]}
            changes = {key: value for key, value in fields.items() if key in changed}
            if changes or "auth" in changed:
                row = self.client.update_gateway(row, changes, clear_auth="auth" in changed)
            if changed & {"enabled", "reachable"}:
                self.client.activate_gateway(row)
        return None

    def _server(self, action: dict) -> None:
        wanted = next(server for server in self.desired["servers"] if server["name"] == action["name"])
        tools, team_id = registry.tools_of(wanted["gateways"], self.desired, self.actual), self._team_id(wanted["team"])
        if action["action"] == "create":
            own = registry.server_id(wanted["team"], wanted["name"])
            self.client.create_server(own, wanted["name"], wanted["description"], team_id, wanted["visibility"], tools)
            return
        values = {key: (key, wanted[key]) for key in ("visibility", "description")} | {"team": ("team_id", team_id), "tools": ("tool_ids", tools)}
        changes = dict(values[field] for field in action["fields"] if field in values)
        if changes:
            self.client.update_server(action["id"], changes)
        if "enabled" in action["fields"]:
            self.client.activate_server(action["id"])

    def hand_out(self, path: str, public_url: str, hide: Callable[[str], None]) -> None:
        """Give each client a token that works. ``hide`` is told every token."""
        stored = ClientFile(path)
        for client in self.desired["clients"]:
            try:
                self._client(client, stored, public_url, hide)
            except contextforge.GatewayError as error:
                self.failures.append(f"client {client['name']}: {error}. Next: see the gateway's log, then run again.")
        if not stored.is_private():
            self._note(path, "update", {"mode": {"before": "open to others", "after": "0600"}})
            if not self.check_mode:
                stored.write()

    def _client(self, client: dict, stored: ClientFile, public_url: str, hide: Callable[[str], None]) -> None:
        server, team_id = self.server_ids()[client["server"]], self.ids("teams").get(client["team"])
        url, entry = f"{public_url}/servers/{server}/mcp", stored.entry(client["name"])
        token = registry.entry_token(entry)
        hide(token)
        claims = contextforge.claims_of(token)
        reason = registry.token_reason(claims, client, team_id, server, time.time())
        if reason is None and not self.client.accepts(server, token):
            reason = "refused by the gateway"
        tokens = self.client.list_tokens(client["user"])
        revoke = registry.tokens_to_revoke(client, tokens, claims, reason)
        if reason:
            self._note(client["name"], "update" if entry else "create", {"token": {"before": reason, "after": f"valid for {client['expires_in_days']} days"}})
            if not self.check_mode:
                token = self._mint(client, server, team_id, tokens)
                hide(token)
        if entry != registry.client_entry(url, token):
            if not reason:
                self._note(client["name"], "update", {"url": {"before": entry.get("url") if isinstance(entry, dict) else None, "after": url}})
            if not self.check_mode:
                stored.write(client["name"], registry.client_entry(url, token))
        # Last, so that whatever cuts this run short leaves one token that works.
        if revoke:
            self._note(client["name"], "revoke", {"older tokens": {"before": str(len(revoke)), "after": "none"}})
            for token_id in [] if self.check_mode else revoke:
                self.client.revoke_token(token_id)

    def _mint(self, client: dict, server: str, team_id: str | None, tokens: list[dict]) -> str:
        if team_id is None or server not in self.ids("servers").values():
            raise contextforge.GatewayError("", "", 0, "its team or server could not be made")
        token = self.client.create_token(registry.token_name(client, tokens), client["user"], team_id, server, client["expires_in_days"])
        if not self.client.accepts(server, token):
            raise contextforge.GatewayError("POST", f"/servers/{server}/mcp", 403, "the gateway refuses the token that it just made")
        return token

    def _note(self, name: str, action: str, fields: dict) -> None:
        self.actions.append({"kind": "client", "name": name, "action": action, "fields": fields})


def desired_of(params: dict) -> dict:
    """The wishes in the gateway's spelling. Raises CannotConverge with every mistake in them."""
    desired = registry.normalise({kind: params[kind] for kind in ("teams", "gateways", "servers", "clients")})
    desired["gateways"] = [{**gateway, "url": contextforge.stored_url(gateway["url"])} for gateway in desired["gateways"]]
    mistakes = registry.problems(desired)
    if desired["clients"] and not params["client_config"]:
        mistakes.append("clients: client_config is missing, so there is no place for their tokens.")
    if mistakes:
        raise CannotConverge("\n".join(mistakes))
    return desired


def reach(client: contextforge.Client, params: dict) -> None:
    """Raises CannotConverge when the gateway does not answer or does not know us."""
    try:
        client.ready()
    except contextforge.GatewayError as error:
        keys = "see that jwt_secret_key, environment and admin_email are those that the gateway was started with"
        after = keys if error.status in (401, 403) else "see that it is started and listens there"
        raise CannotConverge(f"The gateway at {params['url']} cannot be used: {error}. Next: {after}.") from None


def run(registry_: Registry, module: AnsibleModule) -> None:
    """Read, plan, apply. Raises CannotConverge or GatewayError."""
    params = module.params
    reach(registry_.client, params)
    registry_.read()
    refused = registry.refusals(registry_.desired, registry_.actual)
    if refused:
        raise CannotConverge("\n".join(refused))
    registry_.converge()
    if registry_.desired["clients"]:
        public_url = (params["public_url"] or params["url"]).rstrip("/")
        registry_.hand_out(params["client_config"], public_url, lambda token: token and module.no_log_values.add(token))


def report(registry_: Registry) -> dict:
    """What the module returns, failing or not."""
    actions = [{key: action[key] for key in ("kind", "name", "action", "fields")} for action in registry_.actions]
    return {"changed": bool(actions), "actions": actions, "diff": registry.diff(registry_.actions)}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if not contextforge.HAS_LIBRARIES:
        module.fail_json(msg=missing_required_lib("httpx and PyJWT"), exception=contextforge.IMPORT_ERROR)
    params = module.params
    try:
        desired = desired_of(params)
    except CannotConverge as error:
        module.fail_json(msg=str(error))
    with contextforge.Client(params["url"], params["admin_email"], params["jwt_secret_key"], params["environment"], params["timeout"]) as client:
        registry_ = Registry(client, desired, module.check_mode)
        try:
            run(registry_, module)
        except (CannotConverge, contextforge.GatewayError) as error:
            registry_.failures.append(str(error))
        result = report(registry_)
        if registry_.failures:
            module.fail_json(msg="\n".join(registry_.failures), **result)
        ids = {"teams": registry_.ids("teams"), "gateways": registry_.ids("gateways"), "servers": registry_.server_ids()}
    module.exit_json(**result, **ids, clients=[item["name"] for item in desired["clients"]])


if __name__ == "__main__":
    main()
