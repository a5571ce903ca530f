# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Rows that people made by hand, or another owner, where something of ours is wanted. Pure; shapes as in :mod:`_registry_plan`."""

from __future__ import annotations

from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_marks as marks
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_people as people
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_plan as registry
from ansible_collections.mcp.tenancy.plugins.module_utils._registry_known import Known


def conflicts(desired: dict, known: Known) -> list[dict]:
    """Rows that are not ours and not to be adopted: ``{"kind", "name", "wanted", "id", "owner"}``; ``owner`` is empty for one made by hand."""
    found = []
    for kind, wanted, row in _claimed(desired, known):
        ours = people.is_ours(row, desired) if kind in ("role", "user") else registry.is_ours(kind, row, desired, known)
        owner = marks.owner_of(row)
        if not ours and not (desired["adopt"] == "any" or (desired["adopt"] == "by_hand" and not owner)):
            name = row.get("email") or row["name"]
            found.append({"kind": kind, "name": name, "wanted": wanted, "id": row.get("id", name), "owner": owner})
    return found


def _claimed(desired: dict, known: Known) -> list[tuple[str, str, dict]]:
    """Every row on which a wish falls, with the wish's kind and name."""
    pairs = [("team", team["name"], known.teams.get(team["name"])) for team in desired["teams"]]
    pairs += [("role", role["name"], known.roles.get((role["name"], role["scope"]))) for role in desired["roles"]]
    pairs += [("user", user["email"], known.users.get(user["email"])) for user in desired["users"]]
    pairs += [("server", server["name"], registry.pick_server(server, known)) for server in desired["servers"]]
    for gateway in desired["gateways"]:
        row = registry.pick_gateway(gateway, desired, known)[0]
        pairs += [("gateway", gateway["name"], one) for one in ([row] if row else registry.same_upstream(gateway, desired, known))]
    return [(kind, name, row) for kind, name, row in pairs if row]


def told(conflict: dict) -> str:
    """A conflict as a sentence, with the next step."""
    whose = f"belongs to {conflict['owner']}" if conflict["owner"] else "was made by hand"
    other = f", which is wanted as {conflict['wanted']}," if conflict["wanted"] != conflict["name"] else ""
    level = "any" if conflict["owner"] else "by_hand"
    there = f"{conflict['kind']} {conflict['name']}{other} is there already and {whose} (id {conflict['id']})"
    return f"{there}. Next: rename one of the two, or run with adopt: {level}."
