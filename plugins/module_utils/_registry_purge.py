# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What bears our mark and is not wanted (any more), and what is in the way. Pure; shapes as in :mod:`_registry_plan`.

Only a mark makes a row ours here. What an older version left without one is marked by the next run that wants it, and otherwise left alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_marks as marks
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_plan as registry
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_tokens as tokens_
from ansible_collections.mcp.tenancy.plugins.module_utils._registry_known import Known

#: In the order in which they go: what leans on something goes before it.
KINDS = ("clients", "servers", "gateways", "teams", "roles", "users")
CLIENT = "client"


def rows(kind: str, desired: dict, known: Known) -> tuple[list[dict], list[dict]]:
    """Our rows of a kind, and those of them that are not wanted."""
    own = [row for row in known.actual.get(kind, ()) if marks.owner_of(row) == desired["owner"]]
    if kind == "servers":
        kept = {row["id"] for row in (registry.pick_server(wanted, known) for wanted in desired["servers"]) if row}
        return own, [row for row in own if row["id"] not in kept]
    if kind == "gateways":
        kept = set()
        for wanted in desired["gateways"]:
            row, twins = registry.pick_gateway(wanted, desired, known)
            kept |= {one["id"] for one in [row, *twins] if one}
        return own, [row for row in own if row["id"] not in kept]
    if kind == "teams":
        names = {team["name"] for team in desired["teams"]}
        return own, [row for row in own if row["name"] not in names]
    if kind == "roles":
        names = {(role["name"], role["scope"]) for role in desired["roles"]}
        return own, [row for row in own if (row["name"], row["scope"]) not in names]
    wanted = {user["email"] for user in desired["users"]} | {member["email"] for team in desired["teams"] for member in team["members"]}
    ours = {team["name"] for team in known.teams.values() if marks.owner_of(team) == desired["owner"]} | {team["name"] for team in desired["teams"]}
    elsewhere = {member["email"] for team in known.teams.values() if team["name"] not in ours for member in team["members"]}
    return own, [row for row in own if row["email"] not in wanted | elsewhere and not row["is_admin"]]


def clients(desired: dict, known: Known, tokens: Iterable[dict], claims: dict[str, dict]) -> tuple[set[str], list[str]]:
    """Names of the clients of our servers, and those of them that are not wanted. ``claims``: entry of the clients' file → what its token says."""
    servers = {row["id"]: row["name"] for row in rows("servers", desired, known)[0]}
    own = {entry for entry, said in claims.items() if said.get("server_id") in servers}
    for token in tokens:
        if token["live"] and tokens_.is_registrys(token, servers):
            own.add(token["name"].split("/", 1)[1].rpartition("#")[0])
    return own, sorted(own - {client["name"] for client in desired["clients"]})


def plan(desired: dict, known: Known, tokens: list[dict], claims: dict[str, dict]) -> list[dict]:
    """Actions ``delete``, in the order in which they can be done. One for a client ends tokens too: :func:`ending`."""
    actions = []
    for kind in (one for one in KINDS if one in desired["purge"]):
        if kind == "clients":
            actions += [{"kind": CLIENT, "name": name, "action": "delete", "fields": {}, "id": name} for name in clients(desired, known, tokens, claims)[1]]
            continue
        key = "email" if kind == "users" else "name"
        unwanted = sorted(rows(kind, desired, known)[1], key=lambda row: (row[key], row.get("id", "")))
        actions += [{"kind": kind[:-1], "name": row[key], "action": "delete", "fields": {}, "id": row.get("id", row[key])} for row in unwanted]
    return actions


def ending(actions: list[dict], desired: dict, known: Known, tokens: list[dict]) -> list[dict]:
    """Tokens that have to end before these actions are done, whoever made them: for a server or a team that goes, of a user who goes, of a client that goes."""
    gone = {kind: {action["id"] for action in actions if action["kind"] == kind} for kind in ("server", "team", "user", CLIENT)}
    servers = {row["id"]: row["name"] for row in rows("servers", desired, known)[0]}

    def ends(token: dict) -> bool:
        of_client = tokens_.is_registrys(token, servers) and token["name"].split("/", 1)[1].rpartition("#")[0] in gone[CLIENT]
        return of_client or token["server_id"] in gone["server"] or token["team_id"] in gone["team"] or token["user"] in gone["user"]

    return [token for token in tokens if token["live"] and ends(token)]


def in_the_way(actions: list[dict], desired: dict, known: Known) -> list[str]:
    """What somebody else has that hangs on what is about to go, each as a sentence."""
    gone = {kind: {action["id"] for action in actions if action["kind"] == kind} for kind in ("server", "gateway", "team")}
    found = []
    for kind, listed in (("gateway", known.actual["gateways"]), ("server", known.actual["servers"])):
        found += [
            f"purge: team {known.team_of(row)} still has {kind} {row['name']}, which is not ours to delete. Next: move or delete it, or keep the team."
            for row in listed
            if row["team_id"] in gone["team"] and row["id"] not in gone[kind]
        ]
    of_tool = {tool["id"]: action["name"] for action in actions if action["kind"] == "gateway" for tool in known.tools_of.get(action["id"], ())}
    for server in known.actual["servers"]:
        mine = sorted({of_tool[tool] for tool in server["tool_ids"] if tool in of_tool})
        if mine and server["id"] not in gone["server"] and marks.owner_of(server) != desired["owner"]:
            found.append(f"purge: server {server['name']}, which is not ours, has tools of {', '.join(mine)}. Next: take them out of it, or keep the gateway.")
    return found


def guard(actions: list[dict], desired: dict, known: Known, tokens: list[dict], claims: dict[str, dict]) -> list[str]:
    """Why so much must not go at once, each kind as a sentence. A list that came out empty by accident would empty the gateway."""
    found = []
    for kind in (one for one in KINDS if one in desired["purge"]):
        names = [action["name"] for action in actions if action["kind"] == kind[:-1]]
        own = clients(desired, known, tokens, claims)[0] if kind == "clients" else rows(kind, desired, known)[0]
        if len(names) * 100 > len(own) * desired["purge_limit"]:
            said = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
            found.append(
                f"purge: {len(names)} of {len(own)} {kind} would go ({said}), more than purge_limit allows ({desired['purge_limit']} %). Nothing was changed. "
                "Next: see that nothing is missing in your lists; if this is what you want, run once with purge_limit: 100."
            )
    return found
