# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What has to change at a gateway: from what is wanted and what is there to a list of actions. Pure.

``desired`` has the lists ``teams``, ``gateways``, ``servers``, ``clients`` in the shape of the options of ``mcp.tenancy.gateway_registry``, after
:func:`normalise`. ``actual`` has ``users``, ``teams`` (each with ``members``), ``gateways``, ``tools``, ``servers`` as the client gives them.

An action is ``{"kind", "name", "action", "fields": {field: {"before", "after"}}, "id"}``; ``kind`` is ``user``, ``team``, ``member``, ``gateway`` or
``server``, ``action`` is ``create``, ``update``, ``replace``, ``delete`` or ``none``, ``id`` is None for what does not exist yet. It refers to others by
name, since in check mode they may have no id. No field holds a secret.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable

#: The namespace of our ids; any constant will do, and this one must never change.
NAMESPACE = uuid.UUID("6a1c9f1e-6c1d-5f0b-9a0e-4d1b6f5e2c77")
#: A bearer reads back masked; this tag on the gateway's row says which version of it is stored.
VERSION_TAG = "auth-version:"
#: What the gateway keeps of a tag. Anything else it would drop without a word, and every run would try again.
TAG = re.compile(r"[a-z0-9]([a-z0-9:.-]*[a-z0-9])")
NAME = re.compile(r"[A-Za-z0-9_.\- ]{1,100}")


def server_id(team: str, environment: str) -> str:
    """The id of an environment's virtual server: the same on every run, in the gateway's form (32 hex digits, no dashes)."""
    return uuid.uuid5(NAMESPACE, f"{team}/{environment}").hex


def normalise(desired: dict) -> dict:
    """The same wishes in the gateway's spelling: e-mail addresses in lower case (it stores them so), tags as their ids, the bearer's version among them."""
    teams = [{**team, "members": [{**member, "email": member["email"].strip().lower()} for member in team["members"]]} for team in desired["teams"]]
    gateways = []
    for gateway in [{"passthrough_headers": [], **one} for one in desired["gateways"]]:
        tags = {"-".join(tag.strip().lower().replace("_", "-").split()) for tag in gateway["tags"]}
        if gateway["auth_version"]:
            tags.add(f"{VERSION_TAG}{gateway['auth_version']}")
        gateways.append({**gateway, "tags": sorted(tags), "passthrough_headers": sorted(gateway["passthrough_headers"])})
    clients = [{**client, "user": client["user"].strip().lower()} for client in desired["clients"]]
    return {**desired, "teams": teams, "gateways": gateways, "clients": clients}


def problems(desired: dict) -> list[str]:
    """Every mistake in the wishes themselves, each as a sentence. ``desired`` is normalised."""
    found = []
    names = {kind: [item["name"] for item in desired[kind]] for kind in ("teams", "gateways", "servers", "clients")}
    for kind, listed in names.items():
        found += [f"{kind}: {name} is there more than once." for name in sorted({name for name in listed if listed.count(name) > 1})]
    for kind in ("teams", "gateways", "servers"):
        found += [
            f"{kind}: {name!r} is not a name that the gateway takes: letters, digits, _ . - and spaces." for name in names[kind] if not NAME.fullmatch(name)
        ]
    for kind in ("gateways", "servers", "clients"):
        found += [f"{kind}: {item['name']} is for team {item['team']}, which is not in teams." for item in desired[kind] if item["team"] not in names["teams"]]
    for gateway in desired["gateways"]:
        found += [
            f"gateways: {gateway['name']}: {tag!r} is not a tag that the gateway keeps: a-z 0-9 : . - only."
            for tag in gateway["tags"]
            if not TAG.fullmatch(tag)
        ]
    team_of = {gateway["name"]: gateway["team"] for gateway in desired["gateways"]}
    for server in desired["servers"]:
        for name in server["gateways"]:
            if name not in team_of:
                found.append(f"servers: {server['name']} wants gateway {name}, which is not in gateways.")
            elif team_of[name] != server["team"]:
                found.append(f"servers: {server['name']} of team {server['team']} wants gateway {name} of team {team_of[name]}; teams share nothing.")
    members = {team["name"]: {member["email"] for member in team["members"]} for team in desired["teams"]}
    server_team = {server["name"]: server["team"] for server in desired["servers"]}
    for client in desired["clients"]:
        if client["user"] not in members.get(client["team"], {client["user"]}):
            found.append(f"clients: {client['name']}: {client['user']} is not a member of team {client['team']}.")
        if server_team.get(client["server"]) != client["team"]:
            found.append(f"clients: {client['name']} wants server {client['server']}, which is not a server of team {client['team']}.")
        if client["renew_within_days"] >= client["expires_in_days"]:
            found.append(f"clients: {client['name']}: renew_within_days must be less than expires_in_days.")
    return found


def refusals(desired: dict, actual: dict) -> list[str]:
    """Users that must not be members: an admin's token reaches every team whatever its scope says, a deactivated user was deactivated by somebody."""
    users = {user["email"]: user for user in actual["users"]}
    wanted = sorted({member["email"] for team in desired["teams"] for member in team["members"]})
    admins = [
        f"{email} is an admin of the gateway: a token of such a user reaches every team. Next: make an account of their own for it."
        for email in wanted
        if users.get(email, {}).get("is_admin")
    ]
    return admins + [
        f"{email} is deactivated at the gateway. Next: activate the user there, or take them out of members."
        for email in wanted
        if not users.get(email, {"is_active": True})["is_active"]
    ]


def plan(desired: dict, actual: dict) -> list[dict]:
    """Every action, in the order in which they can be done. Those of servers are final only when those of gateways are done: plan again then."""
    gateways = plan_gateways(desired, actual)
    return plan_users(desired, actual) + plan_teams(desired, actual) + plan_members(desired, actual) + gateways + plan_servers(desired, actual, gateways)


def plan_users(desired: dict, actual: dict) -> list[dict]:
    there = {user["email"] for user in actual["users"]}
    wanted = dict.fromkeys(member["email"] for team in desired["teams"] for member in team["members"])
    return [_action("user", email, None if email not in there else {}, {"email": email}, {"email": email} if email in there else {}) for email in wanted]


def plan_teams(desired: dict, actual: dict) -> list[dict]:
    there = {team["name"]: team for team in actual["teams"]}
    return [_action("team", team["name"], there.get(team["name"]), {"description": team["description"]}, there.get(team["name"])) for team in desired["teams"]]


def plan_members(desired: dict, actual: dict) -> list[dict]:
    """Exactly those who are wanted; administrators of the gateway, who made the teams, are left alone."""
    there = {(team["name"], member["email"]): {"id": member["email"], **member} for team in actual["teams"] for member in team["members"]}
    wanted = [
        _action(
            "member",
            f"{team['name']}/{member['email']}",
            there.get((team["name"], member["email"])),
            {"role": member["role"]},
            there.get((team["name"], member["email"])),
        )
        for team in desired["teams"]
        for member in team["members"]
    ]
    return wanted + [
        {"kind": "member", "name": f"{team}/{email}", "action": "delete", "fields": {"role": {"before": row["role"], "after": None}}, "id": email}
        for (team, email), row in there.items()
        if email in outsiders(desired, actual, team)
    ]


def outsiders(desired: dict, actual: dict, team: str) -> set[str]:
    """Users who must not be in a team: all but those who are wanted there and the gateway's administrators. Empty for a team that is not ours."""
    wanted = next((one for one in desired["teams"] if one["name"] == team), None)
    if wanted is None:
        return set()
    return {user["email"] for user in actual["users"] if not user["is_admin"]} - {member["email"] for member in wanted["members"]}


def tokens_of_outsiders(desired: dict, actual: dict, tokens: Iterable[dict]) -> list[dict]:
    """Tokens for our teams that can still be used and are of people who are not wanted there (any more), whoever made them. Each with its team's name."""
    names = {team["id"]: team["name"] for team in actual["teams"]}
    live = [{**token, "team": names[token["team_id"]]} for token in tokens if token["live"] and token["team_id"] in names]
    return [token for token in live if token["user"] in outsiders(desired, actual, token["team"])]


def plan_gateways(desired: dict, actual: dict) -> list[dict]:
    """A bearer that is new, changed or dropped shows as ``auth``; new and changed ones can only be done by another row, hence ``replace``.

    Unless ``desired["in_place"]`` says that the gateway encrypts what an update brings.
    """
    actions = []
    for wanted in desired["gateways"]:
        row, twins = pick_gateway(wanted, actual)
        actions += [{"kind": "gateway", "name": wanted["name"], "action": "delete", "fields": {}, "id": twin["id"]} for twin in twins]
        after = {key: wanted[key] for key in ("url", "transport", "team", "visibility", "description", "tags", "passthrough_headers")}
        after |= {"auth": wanted["auth_version"] or "", "enabled": True, "reachable": True, "tools": "as the gateway"}
        action = _action("gateway", wanted["name"], row, after, _gateway_before(row, after, actual) if row else None)
        if action["action"] == "update" and action["fields"].get("auth", {}).get("after") and not desired.get("in_place"):
            action["action"] = "replace"
        if action["action"] == "create":
            action["fields"] = {key: value for key, value in action["fields"].items() if key not in ("enabled", "reachable", "tools")}
        actions.append(action)
    return actions


def pick_gateway(wanted: dict, actual: dict) -> tuple[dict | None, list[dict]]:
    """The row that is this gateway, and rows of the same name and team that a replacement which was cut short left behind.

    Of several rows, the one of the right team and with the wanted version of the bearer is it. Rows of other teams are somebody else's.
    """
    team_ids = {team["id"]: team["name"] for team in actual["teams"]}
    rows = [row for row in actual["gateways"] if row["name"] == wanted["name"]]
    rows.sort(
        key=lambda row: (team_ids.get(row["team_id"]) != wanted["team"], bool(wanted["auth_version"]) and version_of(row) != wanted["auth_version"], row["id"])
    )
    twins = [row for row in rows[1:] if row["team_id"] == rows[0]["team_id"] and (version_of(row) or version_of(rows[0]))]
    return (rows[0] if rows else None), twins


def version_of(row: dict) -> str:
    """The version label of the bearer that is stored with a gateway's row; empty when we stored none."""
    return next((tag[len(VERSION_TAG) :] for tag in row["tags"] if tag.startswith(VERSION_TAG)), "")


def _gateway_before(row: dict, after: dict, actual: dict) -> dict:
    teams = {team["id"]: team["name"] for team in actual["teams"]}
    strays = sorted(tool["name"] for tool in _strays(row, after["team"], after["visibility"], actual))
    # A credential that bears no label of ours was stored by somebody else: not ours to drop.
    before = {**row, "team": teams.get(row["team_id"], row["team_id"]), "auth": version_of(row) if row["auth_type"] else ""}
    before["tools"] = f"in another team or visibility: {', '.join(strays)}" if strays else after["tools"]
    return before


def _strays(row: dict, team: str, visibility: str, actual: dict) -> list[dict]:
    teams = {entry["id"]: entry["name"] for entry in actual["teams"]}
    return [tool for tool in actual["tools"] if tool["gateway_id"] == row["id"] and (teams.get(tool["team_id"]), tool["visibility"]) != (team, visibility)]


def stray_tools(desired: dict, actual: dict) -> list[tuple[dict, dict]]:
    """Tools that are not where their gateway is wanted to be, each with that gateway as it is wanted."""
    pairs = [(pick_gateway(wanted, actual)[0], wanted) for wanted in desired["gateways"]]
    return [(tool, wanted) for row, wanted in pairs if row for tool in _strays(row, wanted["team"], wanted["visibility"], actual)]


def plan_servers(desired: dict, actual: dict, gateway_actions: Iterable[dict] = ()) -> list[dict]:
    """Tools are all those of the server's gateways. Of a gateway that is about to appear they are unknown and shown as ``every tool of NAME``.

    A disabled tool is not compared: a server does not show whether it has it.
    """
    teams = {team["id"]: team["name"] for team in actual["teams"]}
    names = {tool["id"]: tool["name"] for tool in actual["tools"]}
    disabled = {tool["id"] for tool in actual["tools"] if not tool["enabled"]}
    pending = {action["name"] for action in gateway_actions if action["action"] in ("create", "replace")}
    actions = []
    for wanted in desired["servers"]:
        row = pick_server(wanted, actual)
        tools = [tool for tool in tools_of([name for name in wanted["gateways"] if name not in pending], desired, actual) if tool not in disabled]
        after = {"team": wanted["team"], "visibility": wanted["visibility"], "description": wanted["description"], "enabled": True}
        after["tools"] = sorted(names[tool] for tool in tools) + [f"every tool of {name}" for name in sorted(pending & set(wanted["gateways"]))]
        before = None
        if row:
            before = {**row, "team": teams.get(row["team_id"], row["team_id"]), "tools": sorted(names.get(tool, tool) for tool in row["tool_ids"])}
            if set(row["tool_ids"]) != set(tools) and before["tools"] == after["tools"]:
                before["tools"] = sorted(row["tool_ids"])  # same names, other tools: a gateway was replaced
        action = _action("server", wanted["name"], row, after, before)
        if action["action"] == "create":
            action["fields"].pop("enabled")
        actions.append(action)
    return actions


def pick_server(wanted: dict, actual: dict) -> dict | None:
    """The row that is this server: by our id, else by name within its team (made by hand, adopted)."""
    teams = {team["id"]: team["name"] for team in actual["teams"]}
    own = server_id(wanted["team"], wanted["name"])
    by_id = next((row for row in actual["servers"] if row["id"] == own), None)
    return by_id or next((row for row in actual["servers"] if row["name"] == wanted["name"] and teams.get(row["team_id"]) == wanted["team"]), None)


def tools_of(gateway_names: Iterable[str], desired: dict, actual: dict) -> list[str]:
    """Ids of all tools of these gateways."""
    wanted = {gateway["name"]: gateway for gateway in desired["gateways"]}
    rows = [pick_gateway(wanted[name], actual)[0] for name in gateway_names]
    ids = {row["id"] for row in rows if row}
    return sorted(tool["id"] for tool in actual["tools"] if tool["gateway_id"] in ids)


def token_reason(claims: dict, client: dict, team_id: str | None, server: str, now: float) -> str | None:
    """Why the client's file needs another token; None when the one that it has looks right. The gateway has the last word on it."""
    if not claims:
        return "missing"
    if (claims["user"], claims["team_ids"], claims["server_id"]) != (client["user"], [team_id], server):
        return "for another user, team or server"
    if not claims["expires_at"] or claims["expires_at"] <= now:
        return "expired"
    return "about to expire" if claims["expires_at"] - now < client["renew_within_days"] * 86400 else None


def token_name(client: dict, tokens: Iterable[dict]) -> str:
    """The next free name: ``SERVER/CLIENT#N``. Old and new must be able to live side by side, and a name stays taken."""
    return numbered(f"{client['server']}/{client['name']}#", tokens)


def numbered(base: str, tokens: Iterable[dict]) -> str:
    """``base`` with the first number that is higher than all of its."""
    taken = [int(token["name"][len(base) :]) for token in tokens if token["name"].startswith(base) and token["name"][len(base) :].isdigit()]
    return f"{base}{max(taken, default=0) + 1}"


def tokens_to_revoke(client: dict, tokens: Iterable[dict], claims: dict, reason: str | None) -> list[str]:
    """Ids of the client's tokens that nobody should hold any more.

    A token that is merely about to expire is left to do so: an agent that runs now keeps working until it reads its file again. For any other reason
    all of them go. Without a reason only those go that are younger than the one in use: a run that was cut short made them and no file has them.
    """
    own = [token for token in tokens if token["live"] and token["name"].startswith(f"{client['server']}/{client['name']}#")]
    if reason in (None, "about to expire"):
        own = [token for token in own if token["created_at"] > claims["issued_at"] + 2]  # the gateway stamps the two a moment apart
    return [token["id"] for token in own]


def entries_of_outsiders(desired: dict, actual: dict, claims: dict[str, dict]) -> list[str]:
    """Entries of a clients' file whose tokens are for a team in which their users are not wanted (any more). ``claims``: entry → what its token says."""
    names = {team["id"]: team["name"] for team in actual["teams"]}
    found = []
    for entry, said in claims.items():
        teams = [names[team] for team in said.get("team_ids") or [] if team in names]
        if any(said["user"] in outsiders(desired, actual, team) for team in teams):
            found.append(entry)
    return found


def is_registrys(token: dict, servers: dict[str, str]) -> bool:
    """Whether a token is one of those that are made for the clients' file on the gateway's host. ``servers``: id → name."""
    return token["server_id"] in servers and token["name"].startswith(f"{servers[token['server_id']]}/")


def client_entry(url: str, token: str) -> dict:
    """A client's entry in its configuration file."""
    return {"type": "http", "url": url, "headers": {"Authorization": f"Bearer {token}"}}


def entry_token(entry: object) -> str:
    """The token in a client's entry, empty when there is none."""
    headers = entry.get("headers") if isinstance(entry, dict) else None
    value = headers.get("Authorization") if isinstance(headers, dict) else None
    return value.removeprefix("Bearer ") if isinstance(value, str) else ""


def diff(actions: Iterable[dict]) -> dict:
    """Before and after of all that changes, for Ansible's diff."""
    sides: dict[str, dict] = {"before": {}, "after": {}}
    for action in actions:
        title = f"{action['kind']} {action['name']}"
        for side in sides:
            values = {field: values[side] for field, values in action["fields"].items() if values[side] is not None}
            if values:
                sides[side][title] = {**sides[side].get(title, {}), **values}
        if action["action"] == "delete":
            sides["before"][f"{title} (left over)"] = "present"
    return sides


def _action(kind: str, name: str, row: dict | None, after: dict, before: dict | None) -> dict:
    """``before`` None, or ``row`` None: it does not exist. Only fields that differ are named."""
    known = before if row is not None and before is not None else {}
    fields = {key: {"before": known.get(key), "after": value} for key, value in after.items() if key not in known or known[key] != value}
    action = "create" if row is None else "update" if fields else "none"
    return {"kind": kind, "name": name, "action": action, "fields": fields, "id": (row or {}).get("id")}
