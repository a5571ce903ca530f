# SPDX-License-Identifier: GPL-3.0-or-later
"""What an earlier declaration left at the gateway: found by our own marks, and nothing else is touched."""

from __future__ import annotations

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _registrations, _registry_former, _registry_plan

MARK = [f"{_registry_plan.VERSION_TAG}1"]


def environment(name: str) -> tuple[dict, list[dict], list[dict]]:
    """Team, upstreams and servers of one environment of team_a, with a service for people."""
    space = f"team-a-{name}"
    team = {"id": f"t-{name}", "name": space, "description": f"Environment {name} of team team_a"}
    team["members"] = [{"email": "alice@a.example", "role": "member"}, {"email": "admin@a.example", "role": "owner"}]
    upstreams = [(f"g-{name}-{kind}", f"{space}-{kind}") for kind in ("postgres", "postgres-users")]
    gateways = [{"id": key, "name": row, "team_id": team["id"], "tags": MARK, "url": row} for key, row in upstreams]
    servers = [{"id": _registry_plan.server_id(space, row), "name": row, "team_id": team["id"]} for row in (space, f"{space}-postgres-users")]
    return team, gateways, servers


def actual(*names: str) -> dict:
    parts = [environment(name) for name in names]
    users = [{"email": "alice@a.example", "is_admin": False}, {"email": "admin@a.example", "is_admin": True}]
    found = {"teams": [team for team, _gateways, _servers in parts], "gateways": [row for part in parts for row in part[1]]}
    return {**found, "servers": [row for part in parts for row in part[2]], "users": users, "tools": []}


def desired(*names: str, owner: str = "team_a", people: bool = True) -> dict:
    found: dict = {"former": owner, "teams": [], "gateways": [], "servers": [], "clients": []}
    for name in names:
        space = f"team-a-{name}"
        rows = [(space, f"{space}-postgres")] + ([(f"{space}-postgres-users", f"{space}-postgres-users")] if people else [])
        found["teams"].append({"name": space, "description": "", "members": []})
        found["gateways"] += [{"name": gateway, "team": space, "auth_version": "1"} for _server, gateway in rows]
        found["servers"] += [{"name": server, "team": space, "gateways": [gateway]} for server, gateway in rows]
    return found


def names(actions: list[dict]) -> list[tuple[str, str]]:
    return [(action["kind"], action["name"]) for action in actions]


def test_nothing_is_over_and_nothing_without_an_owner() -> None:
    assert _registry_former.plan(desired("dev", "prod"), actual("dev", "prod")) == ([], [])
    assert _registry_former.plan(desired("dev", owner=""), actual("dev", "prod")) == ([], [])
    assert _registry_former.plan(desired("dev", owner="team_b"), actual("dev", "prod"))[0] == []


def test_an_environment_that_is_gone_goes_with_all_of_it_and_its_team_last() -> None:
    actions, stay = _registry_former.plan(desired("dev"), actual("dev", "prod"))
    assert stay == [] and names(actions) == [
        ("server", "team-a-prod"), ("server", "team-a-prod-postgres-users"), ("gateway", "team-a-prod-postgres"), ("gateway", "team-a-prod-postgres-users"),
        ("member", "team-a-prod/alice@a.example"), ("team", "team-a-prod"),
    ]  # fmt: skip


def test_a_service_that_is_gone_goes_and_its_environment_stays() -> None:
    actions, stay = _registry_former.plan(desired("dev", people=False), actual("dev"))
    assert stay == [] and names(actions) == [("server", "team-a-dev-postgres-users"), ("gateway", "team-a-dev-postgres-users")]


@pytest.mark.parametrize(("kind", "row"), [("servers", {"id": "f" * 32, "name": "mine"}), ("gateways", {"id": "g", "name": "mine", "tags": [], "url": "u"})])
def test_what_somebody_else_registered_stays_and_keeps_the_team(kind: str, row: dict) -> None:
    there = actual("dev", "prod")
    there[kind].append({**row, "team_id": "t-prod"})
    actions, stay = _registry_former.plan(desired("dev"), there)
    assert "mine" not in [action["name"] for action in actions] and ("team", "team-a-prod") not in names(actions)
    assert ("member", "team-a-prod/alice@a.example") in names(actions) and "mine" in stay[0] and "Next: " in stay[0]


def test_a_team_that_only_looks_like_ours_stays() -> None:
    there = actual("dev", "prod")
    there["teams"][1]["description"] = "our production"
    assert _registry_former.plan(desired("dev"), there)[0] == []


def test_what_leads_there_ends() -> None:
    wanted, there = desired("dev", people=False), actual("dev", "prod")
    actions, _stay = _registry_former.plan(wanted, there)
    users = _registry_plan.server_id("team-a-dev", "team-a-dev-postgres-users")
    tokens = [
        {"id": "1", "live": True, "server_id": users, "team_id": "t-dev"},
        {"id": "2", "live": True, "server_id": "any", "team_id": "t-prod"},
        {"id": "3", "live": False, "server_id": users, "team_id": "t-prod"},
        {"id": "4", "live": True, "server_id": _registry_plan.server_id("team-a-dev", "team-a-dev"), "team_id": "t-dev"},
    ]
    assert [token["id"] for token in _registry_former.tokens(actions, wanted, there, tokens)] == ["1", "2"]
    said = {"a": {"server_id": users, "team_ids": ["t-dev"]}, "b": {"server_id": "s", "team_ids": ["t-prod"]}, "c": {}, "d": {"server_id": "s", "team_ids": []}}
    assert _registry_former.entries(actions, wanted, there, said) == ["a", "b"]


def test_the_marks_are_those_that_a_deploy_leaves() -> None:
    declaration = {"mcp_team": "team_a", "mcp_environments": [{"name": "dev"}]}
    (team,) = _registrations.registry(declaration)["teams"]
    assert _registry_former.teams({"former": "team_a", "teams": []}, {"teams": [team]}) == [team]
