# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What is there at a gateway, by what it is looked up by. With thousands of rows, looking through all for each wish takes longer than the gateway. Pure.

Here is also what an action looks like; its shape is described in :mod:`_registry_plan`."""

from __future__ import annotations

from collections import defaultdict


class Known:
    """An index over ``actual`` (see :mod:`_registry_plan`), made once for each reading."""

    def __init__(self, actual: dict) -> None:
        self.actual = actual
        self.teams = {team["name"]: team for team in actual["teams"]}
        self.team_names = {team["id"]: team["name"] for team in actual["teams"]}
        self.users = {user["email"]: user for user in actual["users"]}
        self.roles = {(role["name"], role["scope"]): role for role in actual.get("roles", ())}
        self.servers = {server["id"]: server for server in actual["servers"]}
        self.gateways_named: dict[str, list[dict]] = defaultdict(list)
        self.gateways_at: dict[str, list[dict]] = defaultdict(list)
        self.servers_named: dict[str, list[dict]] = defaultdict(list)
        self.servers_in: dict[str, list[dict]] = defaultdict(list)
        self.tools_of: dict[str, list[dict]] = defaultdict(list)
        for gateway in actual["gateways"]:
            self.gateways_named[gateway["name"]].append(gateway)
            self.gateways_at[gateway["url"]].append(gateway)
        for server in actual["servers"]:
            self.servers_named[server["name"]].append(server)
            self.servers_in[server["team_id"]].append(server)
        for tool in actual["tools"]:
            self.tools_of[tool["gateway_id"]].append(tool)

    def team_of(self, row: dict) -> str | None:
        """The name of a row's team; its id when that is no team of ours to see."""
        return self.team_names.get(row["team_id"], row["team_id"])


def action_of(kind: str, name: str, row: dict | None, after: dict, before: dict | None, adopted: bool = False) -> dict:
    """``before`` None, or ``row`` None: it does not exist. Only fields that differ are named."""
    known = before if row is not None and before is not None else {}
    fields = {key: {"before": known.get(key), "after": value} for key, value in after.items() if key not in known or known[key] != value}
    action = "create" if row is None else ("adopt" if adopted else "update") if fields else "none"
    return {"kind": kind, "name": name, "action": action, "fields": fields, "id": (row or {}).get("id")}
