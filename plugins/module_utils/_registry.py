# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Brings a gateway's registry to what is wanted. What to do is decided in :mod:`_registry_plan`, how to ask in :mod:`_contextforge`."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.mcp.tenancy.plugins.module_utils import _contextforge as contextforge
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_conflicts as conflicts
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_former as former
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_marks as marks
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_people as people
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_plan as registry
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_purge as purge
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_tokens as tokens_
from ansible_collections.mcp.tenancy.plugins.module_utils._client_file import ClientFile
from ansible_collections.mcp.tenancy.plugins.module_utils._registry_known import Known

POLL_SECONDS = 0.5
#: Upstreams that the gateway is asked to connect to at the same time.
AT_A_TIME = 4
#: Per cent of our rows of a kind that a purge may delete unless it is told otherwise.
PURGE_LIMIT = 50


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
        self.known = Known({"teams": [], "users": [], "gateways": [], "tools": [], "servers": []})
        self.tokens: list[dict] = []
        self.planned: list[dict] = []
        self.purged: list[dict] = []
        self.conflicts: list[dict] = []
        self.due: list[float] = []

    def read(self) -> None:
        teams, everybody = self.client.list_teams(), "users" in self.desired["purge"]
        wanted = {team["name"] for team in [*self.desired["teams"], *former.teams(self.desired, {"teams": teams})]}
        for team in teams:
            # Of teams that are not ours the admin may not even be a member; their names are all we need, unless somebody is to go who may be in one.
            team["members"] = self.client.list_members(team["id"]) if everybody or team["name"] in wanted else []
        self.actual = {"users": self.client.list_users(), "teams": teams}
        asked = people.asked_for_grants(self.desired)
        if asked or self.desired["roles"] or "roles" in self.desired["purge"]:
            there = {user["email"] for user in self.actual["users"]}
            grants = {email: self.client.list_grants(email) for email in asked if email in there}
            self.actual |= {"roles": self.client.list_roles(), "permissions": self.client.list_permissions(), "grants": grants}
        self.tokens = self.client.list_tokens()
        self._read_gateways()

    def _read_gateways(self) -> None:
        self.actual |= {"gateways": self.client.list_gateways(), "tools": self.client.list_tools(), "servers": self.client.list_servers()}
        self.known = Known(self.actual)

    def plan(self, claims: dict[str, dict]) -> None:
        """What to do, or why nothing may be done: raises CannotConverge with all reasons. ``claims``: entry of the clients' file → what its token says."""
        self.planned = registry.plan(self.desired, self.actual)
        self.purged = purge.plan(self.desired, self.known, self.tokens, claims)
        self.conflicts = conflicts.conflicts(self.desired, self.known)
        refused = people.refusals(self.desired, self.actual) + people.role_refusals(self.desired, self.known)
        refused += [conflicts.told(conflict) for conflict in self.conflicts]
        refused += purge.in_the_way(self.purged, self.desired, self.known)
        refused += purge.guard(self.purged, self.desired, self.known, self.tokens, claims)
        if refused:
            raise CannotConverge("\n".join(refused))

    def ids(self, kind: str) -> dict[str, str]:
        """Names and ids of what is wanted and exists."""
        if kind == "teams":
            return {team["name"]: self.known.teams[team["name"]]["id"] for team in self.desired["teams"] if team["name"] in self.known.teams}
        rows = {wanted["name"]: self._row(kind, wanted) for wanted in self.desired[kind]}
        return {name: row["id"] for name, row in rows.items() if row}

    def _row(self, kind: str, wanted: dict) -> dict | None:
        return registry.pick_server(wanted, self.known) if kind == "servers" else registry.pick_gateway(wanted, self.desired, self.known)[0]

    def server_ids(self) -> dict[str, str]:
        return {server["name"]: registry.server_id(server["team"], server["name"]) for server in self.desired["servers"]} | self.ids("servers")

    def converge(self) -> None:
        """Everything but clients."""
        if self.check_mode:
            self.actions += [action for action in self.planned if action["action"] != "none"]
            self.failures += registry.missing_tools(self.desired, self.known)
            return
        for kind, apply in (("role", self._role), ("user", self._user), ("team", self._team), ("member", self._member), ("grant", self._grant)):
            self._apply([action for action in self.planned if action["kind"] == kind], apply)
        gateways = [action for action in self.planned if action["kind"] == "gateway"]
        self._apply([action for action in gateways if action["action"] != "create"], self._gateway)
        # The gateway waits for each upstream; so it does for several at a time.
        self._apply([action for action in gateways if action["action"] == "create"], self._gateway, at_a_time=AT_A_TIME)
        if self.purged or any(action["kind"] == "gateway" for action in self.actions):
            self._read_gateways()
            for tool, wanted in registry.stray_tools(self.desired, self.known):
                self.client.update_tool(tool["id"], self._team_id(wanted["team"]), wanted["visibility"])
        self._apply(registry.plan_servers(self.desired, self.known), self._server)
        self.failures += registry.missing_tools(self.desired, self.known)
        if any(action["kind"] == "server" for action in self.actions):
            self.actual["servers"] = self.client.list_servers()
            self.known = Known(self.actual)

    def _apply(self, actions: list[dict], apply: Callable[[dict], None], at_a_time: int = 1) -> None:
        def one(action: dict) -> str | None:
            try:
                apply(action)
            except contextforge.GatewayError as error:
                return self._failure(action, error)
            return None

        due = [action for action in actions if action["action"] != "none"]
        with ThreadPoolExecutor(at_a_time) as pool:
            failed = list(pool.map(one, due)) if at_a_time > 1 and len(due) > 1 else [one(action) for action in due]
        self.actions += [action for action, failure in zip(due, failed, strict=True) if failure is None]
        self.failures += [failure for failure in failed if failure is not None]

    def _failure(self, action: dict, error: contextforge.GatewayError) -> str:
        wanted = self.desired["gateway_names"].get(action["name"]) if action["kind"] == "gateway" else None
        upstream = "see that the upstream answers there, and takes its bearer if it has one, then run again"
        after = upstream if error.status == 502 else "see the gateway's log, then run again"
        return f"{action['kind']} {action['name']}{' (' + wanted['url'] + ')' if wanted else ''}: {action['action']} failed: {error}. Next: {after}."

    def _role(self, action: dict) -> None:
        after = {field: values["after"] for field, values in action["fields"].items()}
        if action["action"] == "create":
            made = self.client.create_role(action["name"], after["scope"], after["description"], after["permissions"])
            self.known.roles[action["name"], after["scope"]] = {**made, "name": action["name"], "scope": after["scope"]}
        else:
            self.client.update_role(action["id"], after)

    def _user(self, action: dict) -> None:
        after = {{"active": "is_active"}.get(field, field): values["after"] for field, values in action["fields"].items()}
        if action["action"] == "create":
            self.client.create_user(action["name"], after.get("full_name", ""))
            after = {"is_active": False} if "is_active" in after else {}
        if after:
            self.client.update_user(action["name"], after)

    def _team(self, action: dict) -> None:
        description = action["fields"]["description"]["after"]
        if action["action"] != "create":
            return self.client.update_team(action["id"], description)
        team = self.client.create_team(action["name"], description)
        row = {"id": team["id"], "name": action["name"], "description": description, "members": []}
        self.actual["teams"].append(row)
        self.known.teams[row["name"]], self.known.team_names[row["id"]] = row, row["name"]
        return None

    def _member(self, action: dict) -> None:
        team, email = action["name"].split("/", 1)
        if action["action"] == "delete":
            return self.client.remove_member(self._team_id(team), email)
        change = self.client.add_member if action["action"] == "create" else self.client.update_member
        return change(self._team_id(team), email, action["fields"]["role"]["after"])

    def _grant(self, action: dict) -> None:
        email, role, team = action["id"]
        row = self.known.roles.get((role, "team" if team else "global"))
        if row is None:
            raise contextforge.GatewayError("", "", 0, f"its role {role} could not be made")
        change = self.client.grant if action["action"] == "create" else self.client.ungrant
        change(email, row["id"], self._team_id(team) if team else None)

    def _team_id(self, name: str) -> str:
        found = self.known.teams.get(name)
        if found is None:
            raise contextforge.GatewayError("", "", 0, f"its team {name} could not be made")
        return found["id"]

    def _gateway(self, action: dict) -> None:
        if action["action"] == "delete":
            return self.client.delete_gateway(action["id"])
        wanted = self.desired["gateway_names"][action["name"]]
        same = ("name", "url", "transport", "visibility", "description", "tags", "passthrough_headers")
        fields = {key: wanted[key] for key in same} | {"team_id": self._team_id(wanted["team"])}
        if action["action"] == "create":
            self.client.create_gateway(fields, wanted["auth_token"])
        elif action["action"] == "replace":
            # Beside the old row, where the name is still free; thus the old one goes only when the new bearer has proven itself.
            aside = "private" if wanted["visibility"] != "private" else "team"
            row = self.client.create_gateway({**fields, "visibility": aside}, wanted["auth_token"])
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
        tools, team_id = registry.tools_of(wanted, self.desired, self.known), self._team_id(wanted["team"])
        if action["action"] == "create":
            self.client.create_server(registry.server_id(wanted["team"], wanted["name"]), wanted, team_id, tools)
            return
        values = {key: (key, wanted[key]) for key in ("visibility", "description", "tags")} | {"team": ("team_id", team_id), "tools": ("tool_ids", tools)}
        changes = dict(values[field] for field in action["fields"] if field in values)
        if changes:
            self.client.update_server(action["id"], changes)
        if "enabled" in action["fields"]:
            self.client.activate_server(action["id"])

    def purge(self, stored: ClientFile | None) -> None:
        """Delete what is ours and not wanted. Tokens end and entries go before what they are for, so that a run that is cut short leaves none behind."""
        if self.check_mode:
            self.actions += self.purged
            return
        for token in purge.ending(self.purged, self.desired, self.known, self.tokens):
            self.client.revoke_token(token["id"])
            token["live"] = False
        self._apply(self.purged, lambda action: self._delete(action, stored))
        gone = {action["id"] for action in self.actions if action in self.purged}
        self.actual["teams"] = [team for team in self.actual["teams"] if team["id"] not in gone]

    def _delete(self, action: dict, stored: ClientFile | None) -> None:
        kind, row_id = action["kind"], action["id"]
        if kind == purge.CLIENT:
            if stored and stored.entry(action["name"]) is not None:
                stored.write(action["name"])
        elif kind == "user":
            name = self.known.users[row_id]["full_name"]
            self.client.remove_user(row_id, marks.marked(name, self.desired["owner"], "purged"))
        else:
            remove = {"server": self.client.delete_server, "gateway": self.client.delete_gateway, "team": self.client.delete_team}
            {**remove, "role": self.client.delete_role}[kind](row_id)

    def shut_out(self) -> None:
        """End what people hold who are not wanted in a team (any more). The gateway refuses them already; if they come back, it is with new tokens."""
        for token in people.tokens_of_outsiders(self.desired, self.actual, self.tokens):
            try:
                if not self.check_mode:
                    self.client.revoke_token(token["id"])
            except contextforge.GatewayError as error:
                self.failures.append(f"token {token['name']} of {token['user']}: {error}. Next: see the gateway's log, then run again.")
            else:
                token["live"] = False
                self._note(f"{token['user']} in {token['team']}", "revoke", {f"token {token['name']}": {"before": "valid", "after": "revoked"}})

    def take_away(self, stored: ClientFile | None) -> None:
        """What an earlier declaration left. Where it leads to goes last, so that a run that is cut short leaves the next one the same work."""
        actions, self.warnings = former.plan(self.desired, self.actual)
        for name in former.entries(actions, self.desired, self.actual, claims_in(stored) if stored and actions else {}):
            self._note(name, "delete", {})
            if not self.check_mode:
                stored.write(name)
        for token in former.tokens(actions, self.desired, self.actual, self.tokens):
            fields = {"token": {"before": "valid", "after": "revoked"}}
            named = {"kind": "token", "name": f"{token['name']} of {token['user']}", "id": token["id"]}
            self._apply([{**named, "action": "revoke", "fields": fields}], self._forget)
            token["live"] = False
        before = len(self.failures)
        self._apply([action for action in actions if action["kind"] != "team"], self._forget)
        if len(self.failures) == before:  # a team is what the rest is known by
            self._apply([action for action in actions if action["kind"] == "team"], self._forget)

    def _forget(self, action: dict) -> None:
        """Nothing in check mode, in which it is only told."""
        if self.check_mode:
            return
        if action["kind"] == "member":
            team = action["name"].split("/", 1)[0]
            self.client.remove_member(next(one["id"] for one in self.actual["teams"] if one["name"] == team), action["id"])
            return
        ends = {"server": self.client.delete_server, "gateway": self.client.delete_gateway, "team": self.client.delete_team, "token": self.client.revoke_token}
        ends[action["kind"]](action["id"])

    def hand_out(self, stored: ClientFile, public_url: str, hide: Callable[[str], None]) -> None:
        """Give each client a token that works, and note in ``due`` when it is due for another one. ``hide`` is told every token."""
        for client in self.desired["clients"]:
            try:
                self._client(client, stored, public_url, hide)
            except contextforge.GatewayError as error:
                self.failures.append(f"client {client['name']}: {error}. Next: see the gateway's log, then run again.")
        ours = {client["name"] for client in self.desired["clients"]}  # which have a token of whoever is a member now
        gone = {action["name"] for action in self.purged if action["kind"] == purge.CLIENT}
        said = {name: claims for name, claims in claims_in(stored).items() if name not in ours | gone}
        for name in tokens_.entries_of_outsiders(self.desired, self.actual, said):
            self._note(name, "delete", {})
            if not self.check_mode:
                stored.write(name)
        if not stored.is_private():
            self._note(stored.path, "update", {"mode": {"before": "open to others", "after": "0600"}})
            if not self.check_mode:
                stored.write()

    def _client(self, client: dict, stored: ClientFile, public_url: str, hide: Callable[[str], None]) -> None:
        server, team_id = self.server_ids()[client["server"]], self.ids("teams").get(client["team"])
        url, entry = f"{public_url}/servers/{server}/mcp", stored.entry(client["name"])
        token = tokens_.entry_token(entry)
        hide(token)
        claims = contextforge.claims_of(token)
        tokens = [one for one in self.tokens if one["user"] == client["user"]]
        version = tokens_.stored_version(tokens_.token_in_use(client, tokens, claims))
        reason = tokens_.token_reason(claims, client, team_id, server, time.time(), version)
        if reason is None and not self.client.accepts(server, token):
            reason = "refused by the gateway"
        revoke = tokens_.tokens_to_revoke(client, tokens, claims, reason, time.time())
        if reason:
            self._note(client["name"], "update" if entry else "create", {"token": {"before": reason, "after": f"valid for {client['expires_in_days']} days"}})
            if not self.check_mode:
                token = self._mint(client, server, team_id, tokens)
                hide(token)
        if entry != tokens_.client_entry(url, token):
            if not reason:
                self._note(client["name"], "update", {"url": {"before": entry.get("url") if isinstance(entry, dict) else None, "after": url}})
            if not self.check_mode:
                stored.write(client["name"], tokens_.client_entry(url, token))
        self.due.append((contextforge.claims_of(token).get("expires_at") or 0) - client["renew_within_days"] * 86400)
        # Last, so that whatever cuts this run short leaves one token that works.
        if revoke:
            self._note(client["name"], "revoke", {"older tokens": {"before": str(len(revoke)), "after": "none"}})
            for token_id in [] if self.check_mode else revoke:
                self.client.revoke_token(token_id)

    def _mint(self, client: dict, server: str, team_id: str | None, tokens: list[dict]) -> str:
        if team_id is None or server not in self.ids("servers").values():
            raise contextforge.GatewayError("", "", 0, "its team or server could not be made")
        name, said = tokens_.token_name(client, tokens), tokens_.version_text(client["version"])
        token = self.client.create_token(name, client["user"], team_id, server, client["expires_in_days"], said)
        if not self.client.accepts(server, token):
            raise contextforge.GatewayError("POST", f"/servers/{server}/mcp", 403, "the gateway refuses the token that it just made")
        return token

    def _note(self, name: str, action: str, fields: dict) -> None:
        self.actions.append({"kind": "client", "name": name, "action": action, "fields": fields})


def desired_of(params: dict) -> dict:
    """The wishes in the gateway's spelling. Raises CannotConverge with every mistake in them."""
    optional = {key: params.get(key) for key in ("users", "roles", "owner", "adopt", "purge")}
    given = {kind: params[kind] for kind in ("teams", "gateways", "servers", "clients")}
    given["gateways"] = [{**gateway, "url": contextforge.stored_url(gateway["url"])} for gateway in given["gateways"]]
    desired = registry.normalise({**given, **optional}) | {
        "purge_limit": params.get("purge_limit", PURGE_LIMIT),
        "in_place": params.get("encrypts_updates", False),
        "former": params.get("former") or "",
    }
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


def claims_in(stored: ClientFile) -> dict[str, dict]:
    """Entry of the clients' file → what its token says about itself."""
    return {name: contextforge.claims_of(tokens_.entry_token(entry)) for name, entry in stored.entries().items()}


def run(registry_: Registry, params: dict, hide: Callable[[str], None]) -> None:
    """Read, plan, apply. ``hide`` is told every token. Raises CannotConverge, ClientFileError or GatewayError."""
    reach(registry_.client, params, 0 if registry_.check_mode else params["wait"])
    registry_.read()
    stored = ClientFile(params["client_config"]) if params["client_config"] else None
    registry_.plan(claims_in(stored) if stored else {})
    registry_.purge(stored)
    registry_.converge()
    registry_.shut_out()
    registry_.take_away(stored)
    if stored:
        public_url = (params["public_url"] or params["url"]).rstrip("/")
        registry_.hand_out(stored, public_url, hide)


#: What :func:`gathered` lists.
GATHERED = ("users", "roles", "permissions", "teams", "gateways", "tools", "servers", "tokens")


def gathered(client: contextforge.Client, kinds: list[str], owner: str | None) -> dict[str, list]:
    """Everything of these kinds, what can be owned with its owner. ``owner``: only what is theirs, ``none`` for nobody's; None for all."""
    found: dict[str, list] = {kind: getattr(client, f"list_{kind}")() for kind in kinds}
    for team in found.get("teams", ()):
        team["members"] = client.list_members(team["id"])
    for kind in ("users", "roles", "teams", "gateways", "servers"):
        marked = [{**row, "owner": marks.owner_of(row)} for row in found.get(kind, ())]
        if kind in found:
            found[kind] = [row for row in marked if owner is None or row["owner"] == ("" if owner == "none" else owner)]
    for gateway in found.get("gateways", ()):
        gateway["auth_version"] = registry.version_of(gateway)
    return found


def report(registry_: Registry) -> dict:
    """What the module returns, failing or not."""
    actions = [{key: action[key] for key in ("kind", "name", "action", "fields")} for action in registry_.actions]
    return {
        "changed": bool(actions),
        "actions": actions,
        "diff": registry.diff(registry_.actions),
        "due": int(min(registry_.due, default=0)),
        "conflicts": registry_.conflicts,
    }
