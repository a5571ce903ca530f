# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What has to change at a gateway: from what is wanted and what is there to a list of actions. Pure.

``desired`` has the lists ``roles``, ``users``, ``teams``, ``gateways``, ``servers``, ``clients`` in the shape of the options of
``mcp.tenancy.gateway_registry``, with ``owner`` and ``adopt``, after :func:`normalise`. ``actual`` has ``roles``, ``users``, ``grants`` (e-mail → list),
``teams`` (each with ``members``), ``gateways``, ``tools``, ``servers`` as the client gives them. ``known`` is its index (:class:`_registry_known.Known`).

An action is ``{"kind", "name", "action", "fields": {field: {"before", "after"}}, "id"}``; ``kind`` is ``role``, ``user``, ``team``, ``member``, ``grant``,
``gateway`` or ``server``, ``action`` is ``create``, ``update``, ``adopt`` (an update that begins with somebody else's row), ``replace``, ``delete`` or
``none``, ``id`` is None for what does not exist yet. It refers to others by name, since in check mode they may have no id. No field holds a secret.

People are planned in :mod:`_registry_people`, what is no longer wanted in :mod:`_registry_purge`.
"""

from __future__ import annotations

import fnmatch
import re
import uuid
from collections import Counter
from collections.abc import Iterable

from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_marks as marks
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_people as people
from ansible_collections.mcp.tenancy.plugins.module_utils._registry_known import Known, action_of

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
    """The same wishes in the gateway's spelling: e-mail addresses in lower case (it stores them so), tags as their ids, the bearer's version among them,
    the owner's mark where :mod:`_registry_marks` has it."""
    owner = (desired.get("owner") or "").strip().lower().replace("_", "-")
    teams = [
        {**team, "members": [_member(member) for member in team["members"]], "description": marks.marked(team["description"], owner)}
        for team in desired["teams"]
    ]
    gateways = []
    for gateway in [{"passthrough_headers": [], **one} for one in desired["gateways"]]:
        tags = _tags(gateway["tags"])
        if gateway["auth_version"]:
            tags.append(f"{VERSION_TAG}{gateway['auth_version']}")
        gateways.append({**gateway, "tags": marks.tagged(tags, owner), "passthrough_headers": sorted(gateway["passthrough_headers"])})
    servers = [{**server, "tags": marks.tagged(_tags(server.get("tags") or []), owner), "tools": server.get("tools") or []} for server in desired["servers"]]
    clients = [{"overlap": None, "version": "", **client, "user": _email(client["user"])} for client in desired["clients"]]
    users = [{"full_name": None, "active": True, "roles": None, **user, "email": _email(user["email"])} for user in desired.get("users") or []]
    roles = [
        {**role, "description": marks.marked(role["description"], owner), "permissions": sorted(set(role["permissions"]))}
        for role in desired.get("roles") or []
    ]
    # by name, since servers name them; in a plan for hundreds of both that counts
    lists = {
        "gateway_names": {gateway["name"]: gateway for gateway in gateways},
        "teams": teams,
        "gateways": gateways,
        "servers": servers,
        "clients": clients,
        "users": users,
        "roles": roles,
    }
    return {**desired, **lists, "owner": owner, "adopt": desired.get("adopt") or "never", "purge": desired.get("purge") or []}


def _member(member: dict) -> dict:
    return {"roles": None, **member, "email": _email(member["email"])}


def _email(text: str) -> str:
    return text.strip().lower()


def _tags(tags: list[str]) -> list[str]:
    return ["-".join(tag.strip().lower().replace("_", "-").split()) for tag in tags]


def problems(desired: dict) -> list[str]:
    """Every mistake in the wishes themselves, each as a sentence. ``desired`` is normalised."""
    names = {kind: [item["name"] for item in desired[kind]] for kind in ("teams", "gateways", "servers", "clients")}
    found = _problems_of_ownership(desired)
    for kind, listed in {**names, "users": [user["email"] for user in desired["users"]], "roles": [role["name"] for role in desired["roles"]]}.items():
        found += [f"{kind}: {name} is there more than once." for name, count in sorted(Counter(listed).items()) if count > 1]
    teams = set(names["teams"])
    for kind in ("teams", "gateways", "servers"):
        found += [
            f"{kind}: {name!r} is not a name that the gateway takes: letters, digits, _ . - and spaces." for name in names[kind] if not NAME.fullmatch(name)
        ]
    for kind in ("gateways", "servers", "clients"):
        found += [f"{kind}: {item['name']} is for team {item['team']}, which is not in teams." for item in desired[kind] if item["team"] not in teams]
    for kind in ("gateways", "servers"):
        found += [
            f"{kind}: {item['name']}: {tag!r} is not a tag that the gateway keeps: a-z 0-9 : . - only."
            for item in desired[kind]
            for tag in item["tags"]
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


def _problems_of_ownership(desired: dict) -> list[str]:
    found, owner = [], desired["owner"]
    if owner and not marks.OWNER.fullmatch(owner):
        found.append(f"owner: {owner!r} is no label: a-z 0-9 . - and at most 42 characters.")
    if desired["purge"] and not owner:
        found.append("purge: owner is missing, so nothing says which rows are ours to delete.")
    if desired["adopt"] != "never" and not owner:
        found.append("adopt: owner is missing, so there is no mark to set on what is adopted.")
    for kind in ("gateways", "servers"):
        own = {f"{marks.PREFIX}{owner}"}
        for item in desired[kind]:
            found += [f"{kind}: {item['name']}: the tag {tag} is set by owner." for tag in sorted(set(item["tags"]) - own) if tag.startswith(marks.PREFIX)]
    return found


def plan(desired: dict, actual: dict) -> list[dict]:
    """Every action, in the order in which they can be done. Those of servers are final only when those of gateways are done: plan again then."""
    known = Known(actual)
    gateways = plan_gateways(desired, known)
    first = people.plan(desired, known) + plan_teams(desired, known) + people.plan_members(desired, known) + people.plan_grants(desired, known)
    return first + gateways + plan_servers(desired, known, gateways)


def plan_teams(desired: dict, known: Known) -> list[dict]:
    actions = []
    for team in desired["teams"]:
        row = known.teams.get(team["name"])
        actions.append(action_of("team", team["name"], row, {"description": team["description"]}, row, adopted=not is_ours("team", row, desired, known)))
    return actions


def is_ours(kind: str, row: dict | None, desired: dict, known: Known) -> bool:
    """Whether a row may be changed without asking: it bears our mark, or was made by a version that left none. Without an owner every row may."""
    owner = marks.owner_of(row) if row and desired["owner"] else desired["owner"]
    if owner:
        return owner == desired["owner"]
    if row is None or not desired["owner"]:
        return True
    if kind == "gateway":
        return bool(version_of(row))
    if kind == "server":
        return row["id"] == server_id(known.team_of(row) or "", row["name"])
    return kind == "team" and any(server["id"] == server_id(row["name"], server["name"]) for server in known.servers_in.get(row["id"], ()))


def may_take(kind: str, row: dict, desired: dict, known: Known) -> bool:
    """Whether a row is ours, or is to be adopted."""
    return is_ours(kind, row, desired, known) or desired["adopt"] == "any" or (desired["adopt"] == "by_hand" and not marks.owner_of(row))


def plan_gateways(desired: dict, known: Known) -> list[dict]:
    """A bearer that is new, changed or dropped shows as ``auth``; new and changed ones can only be done by another row, hence ``replace``.

    Unless ``desired["in_place"]`` says that the gateway encrypts what an update brings.
    """
    actions = []
    for wanted in desired["gateways"]:
        row, twins = pick_gateway(wanted, desired, known)
        actions += [{"kind": "gateway", "name": wanted["name"], "action": "delete", "fields": {}, "id": twin["id"]} for twin in twins]
        after = {key: wanted[key] for key in ("url", "transport", "team", "visibility", "description", "tags", "passthrough_headers")}
        after |= {"auth": wanted["auth_version"] or "", "enabled": True, "reachable": True, "tools": "as the gateway"}
        if row and row["name"] != wanted["name"]:
            after["name"] = wanted["name"]
        adopted = not is_ours("gateway", row, desired, known)
        action = action_of("gateway", wanted["name"], row, after, _gateway_before(row, after, known) if row else None, adopted)
        if action["action"] in ("update", "adopt") and action["fields"].get("auth", {}).get("after") and not desired.get("in_place"):
            action["action"] = "replace"
        if action["action"] == "create":
            action["fields"] = {key: value for key, value in action["fields"].items() if key not in ("enabled", "reachable", "tools")}
        actions.append(action)
    return actions


def pick_gateway(wanted: dict, desired: dict, known: Known) -> tuple[dict | None, list[dict]]:
    """The row that is this gateway, and rows of the same name and team that a replacement which was cut short left behind.

    Of several rows, the one of the right team and with the wanted version of the bearer is it. A row of another team is it when it is ours, or when there
    is no owner to tell. One of another name is it when the gateway would take the two for the same (:func:`same_upstream`) and it is to be adopted.
    """
    team = known.teams.get(wanted["team"], {"id": None})["id"]
    rows = [row for row in known.gateways_named.get(wanted["name"], ()) if row["team_id"] == team or is_ours("gateway", row, desired, known)]
    rows.sort(key=lambda row: (row["team_id"] != team, bool(wanted["auth_version"]) and version_of(row) != wanted["auth_version"], row["id"]))
    twins = [row for row in rows[1:] if row["team_id"] == rows[0]["team_id"] and (version_of(row) or version_of(rows[0]))]
    if not rows:
        rows = [row for row in same_upstream(wanted, desired, known) if may_take("gateway", row, desired, known)]
    return (rows[0] if rows else None), twins


def same_upstream(wanted: dict, desired: dict, known: Known) -> list[dict]:
    """Rows of other names that the gateway takes for the same: address, team and visibility agree, and neither has a credential. It refuses a second one."""
    if wanted["auth_version"]:
        return []
    team = known.teams.get(wanted["team"], {"id": ""})["id"]
    others = [row for row in known.gateways_at.get(wanted["url"], ()) if row["name"] != wanted["name"] and not row["auth_type"]]
    return [row for row in others if (row["team_id"], row["visibility"]) == (team, wanted["visibility"]) and row["name"] not in desired["gateway_names"]]


def version_of(row: dict) -> str:
    """The version label of the bearer that is stored with a gateway's row; empty when we stored none."""
    return next((tag[len(VERSION_TAG) :] for tag in row["tags"] if tag.startswith(VERSION_TAG)), "")


def _gateway_before(row: dict, after: dict, known: Known) -> dict:
    strays = sorted(tool["name"] for tool in _strays(row, after["team"], after["visibility"], known))
    # A credential that bears no label of ours was stored by somebody else: not ours to drop.
    before = {**row, "team": known.team_of(row), "auth": version_of(row) if row["auth_type"] else ""}
    before["tools"] = f"in another team or visibility: {', '.join(strays)}" if strays else after["tools"]
    return before


def _strays(row: dict, team: str, visibility: str, known: Known) -> list[dict]:
    return [tool for tool in known.tools_of.get(row["id"], ()) if (known.team_of(tool), tool["visibility"]) != (team, visibility)]


def stray_tools(desired: dict, known: Known) -> list[tuple[dict, dict]]:
    """Tools that are not where their gateway is wanted to be, each with that gateway as it is wanted."""
    pairs = [(pick_gateway(wanted, desired, known)[0], wanted) for wanted in desired["gateways"]]
    return [(tool, wanted) for row, wanted in pairs if row for tool in _strays(row, wanted["team"], wanted["visibility"], known)]


def plan_servers(desired: dict, known: Known, gateway_actions: Iterable[dict] = ()) -> list[dict]:
    """Tools are all those of the server's gateways, or those of them that it names. Of a gateway that is about to appear they are unknown and shown as
    ``every tool of NAME``.

    A disabled tool is not compared: a server does not show whether it has it.
    """
    names = {tool["id"]: tool["name"] for tools in known.tools_of.values() for tool in tools}
    disabled = {tool["id"] for tools in known.tools_of.values() for tool in tools if not tool["enabled"]}
    pending = {action["name"] for action in gateway_actions if action["action"] in ("create", "replace")}
    actions = []
    for wanted in desired["servers"]:
        row = pick_server(wanted, known)
        there = {**wanted, "gateways": [name for name in wanted["gateways"] if name not in pending]}
        tools = [tool for tool in tools_of(there, desired, known) if tool not in disabled]
        after = {"team": wanted["team"], "enabled": True, **{key: wanted[key] for key in ("visibility", "description", "tags")}}
        which = f"tools {', '.join(wanted['tools'])}" if wanted["tools"] else "every tool"
        after["tools"] = sorted(names[tool] for tool in tools) + [f"{which} of {name}" for name in sorted(pending & set(wanted["gateways"]))]
        before = None
        if row:
            before = {**row, "team": known.team_of(row), "tools": sorted(names.get(tool, tool) for tool in row["tool_ids"])}
            if set(row["tool_ids"]) != set(tools) and before["tools"] == after["tools"]:
                before["tools"] = sorted(row["tool_ids"])  # same names, other tools: a gateway was replaced
        action = action_of("server", wanted["name"], row, after, before, adopted=not is_ours("server", row, desired, known))
        if action["action"] == "create":
            action["fields"].pop("enabled")
        actions.append(action)
    return actions


def pick_server(wanted: dict, known: Known) -> dict | None:
    """The row that is this server: by our id, else by name within its team (made by hand)."""
    by_id = known.servers.get(server_id(wanted["team"], wanted["name"]))
    return by_id or next((row for row in known.servers_named.get(wanted["name"], ()) if known.team_names.get(row["team_id"]) == wanted["team"]), None)


def tools_of(server: dict, desired: dict, known: Known) -> list[str]:
    """Ids of the tools that a server is to have."""
    return sorted({tool["id"] for tool in _offered(server, desired, known) if not server["tools"] or any(_is(tool, one) for one in server["tools"])})


def missing_tools(desired: dict, known: Known) -> list[str]:
    """Tools that a server names and no gateway of it has, each as a sentence. A gateway that is not there yet may have any."""
    found = []
    for server in desired["servers"]:
        offered = _offered(server, desired, known)
        if all(pick_gateway(desired["gateway_names"][name], desired, known)[0] for name in server["gateways"]):
            said = ", ".join(sorted({tool["upstream_name"] for tool in offered})) or "none"
            missing = [one for one in server["tools"] if not any(_is(tool, one) for tool in offered)]
            found += [f"server {server['name']}: its gateways have no tool {one}. They have: {said}. Next: name one of these." for one in missing]
    return found


def _offered(server: dict, desired: dict, known: Known) -> list[dict]:
    rows = [pick_gateway(desired["gateway_names"][name], desired, known)[0] for name in server["gateways"]]
    return [tool for row in rows if row for tool in known.tools_of.get(row["id"], ())]


def _is(tool: dict, pattern: str) -> bool:
    return fnmatch.fnmatchcase(tool["upstream_name"], pattern)


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
