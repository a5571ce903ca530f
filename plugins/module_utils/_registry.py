# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Brings a gateway's registry to what is wanted. What to do is decided in :mod:`_registry_plan`, how to ask in :mod:`_contextforge`."""

from __future__ import annotations

import time
from collections.abc import Callable

from ansible_collections.mcp.tenancy.plugins.module_utils import _contextforge as contextforge
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_former as former
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_plan as registry
from ansible_collections.mcp.tenancy.plugins.module_utils._client_file import ClientFile

POLL_SECONDS = 0.5


class CannotConverge(Exception):
    """Something that needs a person; its text says what and what next."""


class Registry:
    """Brings one gateway to what is wanted: read, plan, apply. ``actions`` grows with what was done, or would be in check mode."""

    def __init__(self, client: contextforge.Client, desired: dict, check_mode: bool) -> None:
        self.client, self.desired, self.check_mode = client, desired, check_mode
        self.actions: list[dict] = []
        self.failures: list[str] = []
        self.warnings: list[str] = []
        self.actual: dict = {}
        self.tokens: list[dict] = []
        self.planned: list[dict] = []
        self.due: list[float] = []

    def read(self) -> None:
        teams = self.client.list_teams()
        wanted = {team["name"] for team in [*self.desired["teams"], *former.teams(self.desired, {"teams": teams})]}
        for team in teams:
            # Of teams that are not ours the admin may not even be a member; their names are all we need.
            team["members"] = self.client.list_members(team["id"]) if team["name"] in wanted else []
        self.actual = {"users": self.client.list_users(), "teams": teams}
        self.tokens = self.client.list_tokens()
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
        if action["action"] == "delete":
            return self.client.remove_member(self._team_id(team), email)
        change = self.client.add_member if action["action"] == "create" else self.client.update_member
        return change(self._team_id(team), email, action["fields"]["role"]["after"])

    def _team_id(self, name: str) -> str:
        found = self.ids("teams").get(name)
        if found is None:
            raise contextforge.GatewayError("", "", 0, f"its team {name} could not be made")
        return found

    def _gateway(self, action: dict) -> None:
        if action["action"] == "delete":
            return self.client.delete_gateway(action["id"])
        wanted = next(gateway for gateway in self.desired["gateways"] if gateway["name"] == action["name"])
        same = ("url", "transport", "visibility", "description", "tags", "passthrough_headers")
        fields = {key: wanted[key] for key in same} | {"team_id": self._team_id(wanted["team"])}
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
                bearer = wanted["auth_token"] if "auth" in changed else None
                row = self.client.update_gateway(row, changes, clear_auth="auth" in changed and bearer is None, bearer=bearer)
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

    def shut_out(self) -> None:
        """End what people hold who are not wanted in a team (any more). The gateway refuses them already; if they come back, it is with new tokens."""
        for token in registry.tokens_of_outsiders(self.desired, self.actual, self.tokens):
            try:
                if not self.check_mode:
                    self.client.revoke_token(token["id"])
            except contextforge.GatewayError as error:
                self.failures.append(f"token {token['name']} of {token['user']}: {error}. Next: see the gateway's log, then run again.")
            else:
                token["live"] = False
                self._note(f"{token['user']} in {token['team']}", "revoke", {f"token {token['name']}": {"before": "valid", "after": "revoked"}})

    def take_away(self, path: str) -> None:
        """What an earlier declaration left. Where it leads to goes last, so that a run that is cut short leaves the next one the same work."""
        actions, self.warnings = former.plan(self.desired, self.actual)
        stored = ClientFile(path) if path and actions else None
        said = {name: contextforge.claims_of(registry.entry_token(entry)) for name, entry in (stored.entries() if stored else {}).items()}
        for name in former.entries(actions, self.desired, self.actual, said):
            self._note(name, "delete", {})
            if not self.check_mode:
                stored.write(name)
        for token in former.tokens(actions, self.desired, self.actual, self.tokens):
            fields = {"token": {"before": "valid", "after": "revoked"}}
            named = {"kind": "token", "name": f"{token['name']} of {token['user']}", "id": token["id"]}
            self._apply([{**named, "action": "revoke", "fields": fields}], self._delete)
            token["live"] = False
        before = len(self.failures)
        self._apply([action for action in actions if action["kind"] != "team"], self._delete)
        if len(self.failures) == before:  # a team is what the rest is known by
            self._apply([action for action in actions if action["kind"] == "team"], self._delete)

    def _delete(self, action: dict) -> None:
        """Nothing in check mode, in which it is only told."""
        if self.check_mode:
            return
        if action["kind"] == "member":
            team = action["name"].split("/", 1)[0]
            self.client.remove_member(next(one["id"] for one in self.actual["teams"] if one["name"] == team), action["id"])
            return
        ends = {"server": self.client.delete_server, "gateway": self.client.delete_gateway, "team": self.client.delete_team, "token": self.client.revoke_token}
        ends[action["kind"]](action["id"])

    def hand_out(self, path: str, public_url: str, hide: Callable[[str], None]) -> None:
        """Give each client a token that works, and note in ``due`` when it is due for another one. ``hide`` is told every token."""
        stored = ClientFile(path)
        for client in self.desired["clients"]:
            try:
                self._client(client, stored, public_url, hide)
            except contextforge.GatewayError as error:
                self.failures.append(f"client {client['name']}: {error}. Next: see the gateway's log, then run again.")
        ours = {client["name"] for client in self.desired["clients"]}  # which have a token of whoever is a member now
        said = {name: contextforge.claims_of(registry.entry_token(entry)) for name, entry in stored.entries().items() if name not in ours}
        for name in registry.entries_of_outsiders(self.desired, self.actual, said):
            self._note(name, "delete", {})
            if not self.check_mode:
                stored.write(name)
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
        tokens = [one for one in self.tokens if one["user"] == client["user"]]
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
        self.due.append((contextforge.claims_of(token).get("expires_at") or 0) - client["renew_within_days"] * 86400)
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
    desired = registry.normalise({kind: params[kind] for kind in ("owner", "teams", "gateways", "servers", "clients")})
    desired["in_place"] = params.get("encrypts_updates", False)
    desired["gateways"] = [{**gateway, "url": contextforge.stored_url(gateway["url"])} for gateway in desired["gateways"]]
    mistakes = registry.problems(desired)
    if desired["clients"] and not params["client_config"]:
        mistakes.append("clients: client_config is missing, so there is no place for their tokens.")
    if mistakes:
        raise CannotConverge("\n".join(mistakes))
    return desired


def reach(client: contextforge.Client, params: dict, wait: float) -> None:
    """Raises CannotConverge when the gateway does not answer within ``wait`` seconds, or does not know us."""
    deadline = time.monotonic() + wait
    try:
        while True:
            try:
                client.ready()
                return
            except contextforge.GatewayError as error:
                if error.status in (401, 403) or time.monotonic() > deadline:
                    raise
            time.sleep(POLL_SECONDS)
    except contextforge.GatewayError as error:
        keys = "see that jwt_secret_key, environment and admin_email are those that the gateway was started with"
        after = keys if error.status in (401, 403) else "see that it is started and listens there"
        raise CannotConverge(f"The gateway at {params['url']} cannot be used: {error}. Next: {after}.") from None


def run(registry_: Registry, params: dict, hide: Callable[[str], None]) -> None:
    """Read, plan, apply. ``hide`` is told every token. Raises CannotConverge, ClientFileError or GatewayError."""
    reach(registry_.client, params, 0 if registry_.check_mode else params["wait"])
    registry_.read()
    refused = registry.refusals(registry_.desired, registry_.actual)
    if refused:
        raise CannotConverge("\n".join(refused))
    registry_.converge()
    registry_.shut_out()
    registry_.take_away(params["client_config"])
    if params["client_config"]:
        public_url = (params["public_url"] or params["url"]).rstrip("/")
        registry_.hand_out(params["client_config"], public_url, hide)


def report(registry_: Registry) -> dict:
    """What the module returns, failing or not."""
    actions = [{key: action[key] for key in ("kind", "name", "action", "fields")} for action in registry_.actions]
    return {"changed": bool(actions), "actions": actions, "diff": registry.diff(registry_.actions), "due": int(min(registry_.due, default=0))}
