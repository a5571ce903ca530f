# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What an earlier declaration of the same team left at its gateway and this one does not name. Pure; what is wanted: :mod:`_registry_plan`.

Only what bears our own marks counts: an environment's team by name and description together, a virtual server by its id, an upstream by the label of its
bearer. What somebody else registered beside it is never touched; a team in which there is such a thing stays, without members, and that is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_marks as marks
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_plan
from ansible_collections.mcp.tenancy.plugins.module_utils._registry_known import Known

#: How the team of an environment describes itself (:func:`_registrations.registry` writes it).
ENVIRONMENT = "Environment {environment} of team {owner}"


def space(owner: str, environment: str) -> str:
    """The name of an environment's team and virtual server at the gateway."""
    return f"{owner}-{environment}".replace("_", "-")


def teams(desired: dict, actual: dict) -> list[dict]:
    """Teams of environments of ``desired["former"]`` that are not declared any more. Without an owner there are none."""
    owner, wanted = desired.get("former") or "", {team["name"] for team in desired["teams"]}
    return [team for team in actual["teams"] if team["name"] not in wanted and _is_environment(team, owner)] if owner else []


def _is_environment(team: dict, owner: str) -> bool:
    text = re.escape(ENVIRONMENT).replace(r"\{environment\}", "([a-z0-9]+)").replace(r"\{owner\}", re.escape(owner))
    found = re.fullmatch(text, marks.bare(team["description"]))
    return bool(found) and team["name"] == space(owner, found[1])


def plan(desired: dict, actual: dict) -> tuple[list[dict], list[str]]:
    """Deletions in the order in which they can be done and repeated, and sentences about what stays. The form of :func:`_registry_plan.plan`."""
    if not desired.get("former"):
        return [], []
    gone = {team["id"]: team for team in teams(desired, actual)}
    names = {team["id"]: team["name"] for team in actual["teams"] if team["id"] in gone or team["name"] in {one["name"] for one in desired["teams"]}}
    servers = [row for row in actual["servers"] if row["team_id"] in names and _server_is_over(row, names[row["team_id"]], desired, actual)]
    gateways = [row for row in actual["gateways"] if row["team_id"] in names and _gateway_is_over(row, desired)]
    actions = [_deletion("server", row["name"], row["id"]) for row in servers] + [_deletion("gateway", row["name"], row["id"]) for row in gateways]
    admins = {user["email"] for user in actual["users"] if user["is_admin"]}
    for team in gone.values():
        actions += [_deletion("member", f"{team['name']}/{one['email']}", one["email"]) for one in team["members"] if one["email"] not in admins]
    stay = []
    for key, team in gone.items():
        others = [f"server {row['name']}" for row in actual["servers"] if row["team_id"] == key and row not in servers]
        others += [f"gateway {row['name']}" for row in actual["gateways"] if row["team_id"] == key and row not in gateways]
        if others:
            stay.append(f"team {team['name']} stays at the gateway, without members: {', '.join(sorted(others))} in it is not ours. Next: remove it there.")
        else:
            actions.append(_deletion("team", team["name"], key))
    return actions, stay


def _server_is_over(row: dict, team: str, desired: dict, actual: dict) -> bool:
    """Ours by its id, and none of those that are wanted now."""
    kept = [_registry_plan.pick_server(wanted, Known(actual)) for wanted in desired["servers"]]
    return row["id"] == _registry_plan.server_id(team, row["name"]) and row["id"] not in {one["id"] for one in kept if one}


def _gateway_is_over(row: dict, desired: dict) -> bool:
    """Ours by the label of its bearer or by our mark, and of no name that is wanted now."""
    ours = _registry_plan.version_of(row) or (desired.get("owner") and marks.owner_of(row) == desired["owner"])
    return bool(ours) and row["name"] not in {wanted["name"] for wanted in desired["gateways"]}


def tokens(actions: Iterable[dict], desired: dict, actual: dict, held: Iterable[dict]) -> list[dict]:
    """Tokens that can still be used and lead to a virtual server or a team that goes, whoever made them."""
    servers = {action["id"] for action in actions if action["kind"] == "server"}
    gone = {team["id"] for team in teams(desired, actual)}
    return [token for token in held if token["live"] and (token["server_id"] in servers or token["team_id"] in gone)]


def entries(actions: Iterable[dict], desired: dict, actual: dict, claims: dict[str, dict]) -> list[str]:
    """Entries of a clients' file that lead there. ``claims``: entry → what its token says."""
    servers = {action["id"] for action in actions if action["kind"] == "server"}
    gone = {team["id"] for team in teams(desired, actual)}
    return [name for name, said in claims.items() if said and (said.get("server_id") in servers or gone & set(said.get("team_ids") or []))]


def _deletion(kind: str, name: str, row: str) -> dict:
    return {"kind": kind, "name": name, "action": "delete", "fields": {}, "id": row}
