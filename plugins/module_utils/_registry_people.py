# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Roles, users, members and who has which role: what has to change. Pure; shapes as in :mod:`_registry_plan`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_marks as marks
from ansible_collections.mcp.tenancy.plugins.module_utils._registry_known import Known, action_of

#: Roles that the gateway itself gives: with a membership, and to every user. Never taken away here.
BY_GATEWAY = {"viewer", "team_admin", "platform_viewer", "platform_admin"}


def is_ours(row: dict | None, desired: dict) -> bool:
    """Whether a role or a user may be changed without asking. Without an owner every one may."""
    return row is None or not desired["owner"] or marks.owner_of(row) == desired["owner"] or was_ours(row, desired)


def was_ours(row: dict, desired: dict) -> bool:
    """Whether an earlier purge of ours deactivated this user."""
    return bool(desired["owner"]) and marks.purged_by(row) == desired["owner"]


def refusals(desired: dict, actual: dict) -> list[str]:
    """Users that must not be members: an admin's token reaches every team whatever its scope says, a deactivated user was deactivated by somebody."""
    users = {user["email"]: user for user in actual["users"]}
    declared = {user["email"] for user in desired["users"]}
    wanted = sorted(declared | {member["email"] for team in desired["teams"] for member in team["members"]})
    admins = [
        f"{email} is an admin of the gateway: a token of such a user reaches every team. Next: make an account of their own for it."
        for email in wanted
        if users.get(email, {}).get("is_admin")
    ]
    return admins + [
        f"{email} is deactivated at the gateway. Next: activate the user there, or take them out of members."
        for email in wanted
        if email not in declared
        and not users.get(email, {"is_active": True})["is_active"]
        and not (desired["owner"] and marks.purged_by(users[email]) == desired["owner"])
    ]


def role_refusals(desired: dict, known: Known) -> list[str]:
    """Roles that cannot be made or given, each as a sentence."""
    found = []
    permissions = known.actual.get("permissions") or []
    for role in desired["roles"]:
        if (known.roles.get((role["name"], role["scope"])) or {}).get("is_system_role"):
            found.append(f"role {role['name']} is the gateway's own. Next: give yours another name.")
        for one in role["permissions"]:
            if one not in permissions:
                near = difflib.get_close_matches(one, permissions, 1)
                found.append(
                    f"role {role['name']}: the gateway has no permission {one}. Next: {f'did you mean {near[0]}?' if near else 'see gateway_registry_info.'}"
                )
    there = set(known.roles) | {(role["name"], role["scope"]) for role in desired["roles"]}
    wishes = [(user["email"], "global", user["roles"] or []) for user in desired["users"]]
    wishes += [(f"{member['email']} in {team['name']}", "team", member["roles"] or []) for team in desired["teams"] for member in team["members"]]
    for who, scope, roles in wishes:
        found += [f"{who}: there is no role {role} of scope {scope}. Next: declare it in roles." for role in roles if (role, scope) not in there]
    return found


def plan(desired: dict, known: Known) -> list[dict]:
    """Roles and users; members and grants come after the teams (:func:`plan_members`, :func:`plan_grants`)."""
    return plan_roles(desired, known) + plan_users(desired, known)


def plan_roles(desired: dict, known: Known) -> list[dict]:
    actions = []
    for role in desired["roles"]:
        row = known.roles.get((role["name"], role["scope"]))
        after = {key: role[key] for key in ("description", "permissions")}
        actions.append(action_of("role", role["name"], row, after if row else {"scope": role["scope"], **after}, row, adopted=not is_ours(row, desired)))
    return actions


def plan_users(desired: dict, known: Known) -> list[dict]:
    """Those of ``users``, and members who are not there yet. Of a member who is not among ``users`` nothing but their being there is ours to say."""
    actions = []
    declared = {user["email"]: user for user in desired["users"]}
    for email in dict.fromkeys([*declared, *(member["email"] for team in desired["teams"] for member in team["members"])]):
        row, user = known.users.get(email), declared.get(email)
        if user is None and (row is None or was_ours(row, desired)):
            user = {"full_name": None, "active": True}
        if user is None:
            actions.append(action_of("user", email, {"id": email}, {}, {}))
            continue
        there = row["full_name"] if row else ""
        after = {"full_name": marks.marked(there if user["full_name"] is None else user["full_name"], desired["owner"]), "active": user["active"]}
        before = {"full_name": there, "active": row["is_active"]} if row else None
        if row is None:
            after = {"email": email, **{key: value for key, value in after.items() if value not in ("", True)}}
        actions.append(action_of("user", email, {"id": email} if row else None, after, before, adopted=not is_ours(row, desired)))
    return actions


def plan_members(desired: dict, known: Known) -> list[dict]:
    """Exactly those who are wanted; administrators of the gateway, who made the teams, are left alone."""
    there = {(team["name"], member["email"]): {"id": member["email"], **member} for team in known.teams.values() for member in team["members"]}
    actions = []
    for team in desired["teams"]:
        for member in team["members"]:
            row = there.get((team["name"], member["email"]))
            actions.append(action_of("member", f"{team['name']}/{member['email']}", row, {"role": member["role"]}, row))
    unwanted = {team["name"]: outsiders(desired, known.actual, team["name"]) for team in desired["teams"]}
    return actions + [
        {"kind": "member", "name": f"{team}/{email}", "action": "delete", "fields": {"role": {"before": row["role"], "after": None}}, "id": email}
        for (team, email), row in there.items()
        if email in unwanted.get(team, ())
    ]


def asked_for_grants(desired: dict) -> list[str]:
    """Users of whom it is said which roles they have."""
    found = [user["email"] for user in desired["users"] if user["roles"] is not None]
    return list(dict.fromkeys([*found, *(member["email"] for team in desired["teams"] for member in team["members"] if member["roles"] is not None)]))


def plan_grants(desired: dict, known: Known) -> list[dict]:
    """Exactly the roles that are named, but for those that the gateway gives by itself. ``id`` is ``(e-mail, role, team or None)``, by their names."""
    wishes = [(user["email"], None, user["roles"]) for user in desired["users"] if user["roles"] is not None]
    wishes += [(member["email"], team["name"], member["roles"]) for team in desired["teams"] for member in team["members"] if member["roles"] is not None]
    names = {role["id"]: role["name"] for role in known.roles.values()}
    actions = []
    for email, team, roles in wishes:
        place = ("team", known.teams.get(team, {"id": ""})["id"]) if team else ("global", None)
        held = {names.get(one["role_id"]) for one in known.actual.get("grants", {}).get(email, ()) if (one["scope"], one["scope_id"]) == place} - {None}
        for role in sorted(set(roles) | (held - BY_GATEWAY)):
            action = "none" if role in held and role in roles else "create" if role in roles else "delete"
            fields = {} if action == "none" else {"role": {"before": role if role in held else None, "after": role if role in roles else None}}
            name = f"{team}/{email}/{role}" if team else f"{email}/{role}"
            actions.append({"kind": "grant", "name": name, "action": action, "fields": fields, "id": (email, role, team)})
    return actions


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
    unwanted = {team: outsiders(desired, actual, team) for team in {token["team"] for token in live}}
    return [token for token in live if token["user"] in unwanted[token["team"]]]
