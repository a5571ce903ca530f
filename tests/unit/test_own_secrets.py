# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of our own that take the place of others: what the .env says at each step, and what hosts and bridges make of it."""

from __future__ import annotations

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _bridges, _declaration, _own_secrets, _registry_plan
from ansible_collections.mcp.tenancy.plugins.module_utils._registry_known import Known
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _team_env

FIRST = {name: f"first {name}" for name in _declaration.OWN_SECRETS}
ALL = list(_own_secrets.KINDS)


def draw(name: str) -> str:
    return f"second {name}"


def test_three_steps_put_others_in_their_place_and_leave_nothing_of_those_before() -> None:
    begun = _own_secrets.begun(FIRST, ALL, draw)
    assert {name: begun[name] for name in FIRST} == FIRST and begun["JWT_SECRET_KEY_NEXT"] == "second JWT_SECRET_KEY"
    switched = _own_secrets.switched(begun)
    assert switched["JWT_SECRET_KEY"] == "second JWT_SECRET_KEY" and switched["JWT_SECRET_KEY_BEFORE"] == "first JWT_SECRET_KEY"
    ended = _own_secrets.ended(switched, "2026-11-27")
    changed = set(_own_secrets.KINDS.values())
    assert {name: ended[name] for name in FIRST} == {name: draw(name) if name in changed else value for name, value in FIRST.items()}
    assert set(ended) - set(FIRST) == {_own_secrets.SINCE} and _own_secrets.since(ended) == dict.fromkeys(ALL, "2026-11-27")


def test_each_step_can_be_done_again_and_what_is_under_way_is_not_begun_anew() -> None:
    values = _own_secrets.begun(FIRST, ["bearers"], draw)
    assert _own_secrets.begun(values, ["bearers"], lambda name: "third") == values and _own_secrets.under_way(values) == ["bearers"]
    switched = _own_secrets.switched(values)
    assert _own_secrets.switched(switched) == switched and _own_secrets.begun(switched, ["bearers"], lambda name: "third") == switched
    ended = _own_secrets.ended(switched, "2026-11-27")
    assert _own_secrets.ended(ended, "2027-01-01") == ended and _own_secrets.under_way(ended) == []


def test_what_is_asked_for_is_named_or_refused_with_what_there_is() -> None:
    assert _own_secrets.asked("bearers, jwt,bearers") == ["bearers", "jwt"] and _own_secrets.asked("") == _own_secrets.asked(None) == []
    with pytest.raises(_own_secrets.OwnSecretsError, match=r"csrf is none of bearers, admin, jwt, encryption. Next:"):
        _own_secrets.asked(["csrf", "jwt"])


def test_bearers_stay_the_same_over_the_switch_so_that_no_moment_of_it_refuses_one() -> None:
    begun = _own_secrets.begun(FIRST, ["bearers"], draw)
    labels = [_declaration.bearers(values, "postgres-dev") for values in (FIRST, begun, _own_secrets.switched(begun))]
    assert len(labels[0]) == 1 and len(labels[1]) == 2 and labels[0][0] in labels[1] and labels[1] == labels[2]
    last = _declaration.bearers(_own_secrets.ended(_own_secrets.switched(begun), "2026-11-27"), "postgres-dev")
    assert last == [label for label in labels[1] if label not in labels[0]]
    assert last == [_declaration.bearer_label(_declaration.bridge_token(draw("MCP_BRIDGE_TOKEN"), "postgres-dev"))]


def test_a_host_gets_what_overlaps_and_no_next_password() -> None:
    begun = _own_secrets.begun(FIRST, ALL, draw)
    declared = {"mcp_team": "t", "mcp_environments": []}
    there = [set(_team_env.projection(values, declared, {"credentials": {}})) - set(FIRST) for values in (begun, _own_secrets.switched(begun))]
    assert there == [{"MCP_BRIDGE_TOKEN_NEXT"}, {"MCP_BRIDGE_TOKEN_BEFORE", "AUTH_ENCRYPTION_SECRET_BEFORE"}]
    assert _team_env.problems(_own_secrets.switched(begun), declared, ".env") == []


def test_bearers_and_the_first_password_are_no_reason_to_start_a_service_anew() -> None:
    manifest = {"services": {"postgres-dev": {"secrets": _declaration.bearer_secrets("postgres-dev")}}}
    assert _team_env.revisions(manifest, {"MCP_BRIDGE_TOKEN": "1"}) == _team_env.revisions(manifest, {"MCP_BRIDGE_TOKEN": "2"})


def test_a_bridge_that_accepts_other_bearers_is_told_and_waited_for() -> None:
    bridge = _bridges.Bridge("postgres-dev", 1, "1.a", [["reload"]], bearers=["new", "old"])
    said, told = {"status": "ready", "credential": "1.a", "bearers": ["old"]}, []

    def reload(commands: list) -> str:
        told.append(commands)
        said["bearers"] = ["new", "old"]
        return ""

    assert _bridges.bring([bridge], 1, reload, lambda _port: said)["postgres-dev"] == {"credential": "1.a", "changed": True, "error": ""}
    assert _bridges.bring([bridge], 1, reload, lambda _port: said)["postgres-dev"]["changed"] is False and len(told) == 1
    stuck = _bridges.bring([_bridges.Bridge("b", 1, "1.a", [], bearers=["new"])], 0, lambda _commands: "", lambda _port: said)["b"]
    assert "accepts other bearers. Next: see the log of b" in stuck["error"]


@pytest.mark.parametrize(("in_place", "action"), [(True, "update"), (False, "replace")])
def test_a_changed_bearer_is_another_row_unless_the_gateway_encrypts_updates(in_place: bool, action: str) -> None:
    wanted = {"name": "g", "url": "u", "transport": "SSE", "team": "t", "visibility": "team", "description": "", "passthrough_headers": []}
    row = {**wanted, "id": "1", "team_id": "t1", "auth_type": "bearer", "enabled": True, "reachable": True, "tags": ["auth-version:1"]}
    gateways = [{**wanted, "tags": ["auth-version:2"], "auth_version": "2", "auth_token": "x"}]
    desired = {"gateways": gateways, "in_place": in_place, "owner": "", "adopt": "never"}
    known = Known({"teams": [{"id": "t1", "name": "t"}], "users": [], "gateways": [row], "servers": [], "tools": []})
    (planned,) = _registry_plan.plan_gateways(desired, known)
    assert planned["action"] == action and planned["fields"]["auth"] == {"before": "1", "after": "2"}
