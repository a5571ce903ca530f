# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry's planner: what is wanted and what is there, as tables."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_people as people
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_plan as registry
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_tokens as tokens_
from ansible_collections.mcp.tenancy.plugins.module_utils._registry_known import Known

DEV = "t-dev"
OWN = registry.server_id("demo-dev", "demo-dev")


def wishes(**changes: object) -> dict:
    """One team, one gateway, one server, one client; ``changes`` replace the gateway's fields."""
    gateway = {"name": "pg", "url": "http://localhost:1/mcp", "transport": "STREAMABLEHTTP", "team": "demo-dev", "visibility": "team"}
    gateway |= {"description": "", "tags": [], "auth_token": None, "auth_version": None, **changes}
    return registry.normalise(
        {
            "teams": [{"name": "demo-dev", "description": "d", "members": [{"email": " Alice@Demo.example", "role": "member"}]}],
            "gateways": [gateway],
            "servers": [{"name": "demo-dev", "team": "demo-dev", "gateways": ["pg"], "visibility": "team", "description": ""}],
            "clients": [{"name": "c", "user": "Alice@demo.example", "team": "demo-dev", "server": "demo-dev", "expires_in_days": 90, "renew_within_days": 30}],
        }
    )


def there() -> dict:
    """Exactly what :func:`wishes` wants."""
    gateway = {"id": "g1", "name": "pg", "url": "http://localhost:1/mcp", "transport": "STREAMABLEHTTP", "team_id": DEV, "visibility": "team"}
    gateway |= {"description": "", "tags": [], "passthrough_headers": [], "auth_type": "", "enabled": True, "reachable": True}
    return {
        "users": [{"email": "alice@demo.example", "full_name": "", "is_admin": False, "is_active": True}],
        "teams": [{"id": DEV, "name": "demo-dev", "description": "d", "members": [{"email": "alice@demo.example", "role": "member"}]}],
        "gateways": [gateway],
        "tools": [{"id": "tool1", "name": "pg-query", "gateway_id": "g1", "team_id": DEV, "visibility": "team", "enabled": True, "upstream_name": "query"}],
        "servers": [
            {"id": OWN, "name": "demo-dev", "team_id": DEV, "visibility": "team", "description": "", "tags": [], "enabled": True, "tool_ids": ["tool1"]}
        ],
    }


def changed(desired: dict, actual: dict) -> list[tuple[str, str, str, list[str]]]:
    actions = registry.plan(desired, actual)
    return [(item["kind"], item["name"], item["action"], sorted(item["fields"])) for item in actions if item["action"] != "none"]


def test_nothing_to_do() -> None:
    assert changed(wishes(), there()) == []


def test_fresh_gateway_gets_everything_in_order() -> None:
    actions = registry.plan(wishes(), {"users": [], "teams": [], "gateways": [], "tools": [], "servers": []})
    assert [(item["kind"], item["action"]) for item in actions] == [(kind, "create") for kind in ("user", "team", "member", "gateway", "server")]
    assert actions[-1]["fields"]["tools"]["after"] == ["every tool of pg"]
    assert all(item["id"] is None for item in actions)


@pytest.mark.parametrize(
    ("name", "kind", "edit", "expected"),
    [
        ("another address", "gateways", {"url": "http://localhost:2/mcp"}, [("gateway", "pg", "update", ["url"])]),
        ("made public by hand", "gateways", {"visibility": "public"}, [("gateway", "pg", "update", ["visibility"])]),
        ("marked unreachable", "gateways", {"reachable": False}, [("gateway", "pg", "update", ["reachable"])]),
        ("disabled", "gateways", {"enabled": False}, [("gateway", "pg", "update", ["enabled"])]),
        ("another transport", "gateways", {"transport": "SSE"}, [("gateway", "pg", "update", ["transport"])]),
        ("in another team", "gateways", {"team_id": "t-other"}, [("gateway", "pg", "update", ["team"])]),
        ("bearer of somebody else stays", "gateways", {"auth_type": "bearer"}, []),
        ("our bearer, no longer wanted", "gateways", {"auth_type": "bearer", "tags": ["auth-version:1"]}, [("gateway", "pg", "update", ["auth", "tags"])]),
        ("tool made public by hand", "tools", {"visibility": "public"}, [("gateway", "pg", "update", ["tools"])]),
        ("tool disabled by hand stays", "tools", {"enabled": False}, []),
        ("tool dropped from the server", "servers", {"tool_ids": []}, [("server", "demo-dev", "update", ["tools"])]),
        ("foreign tool in the server", "servers", {"tool_ids": ["tool1", "x"]}, [("server", "demo-dev", "update", ["tools"])]),
        ("server disabled", "servers", {"enabled": False}, [("server", "demo-dev", "update", ["enabled"])]),
        ("server made by hand is adopted", "servers", {"id": "other"}, []),
        ("team described otherwise", "teams", {"description": "old"}, [("team", "demo-dev", "update", ["description"])]),
        ("member has gone", "teams", {"members": []}, [("member", "demo-dev/alice@demo.example", "create", ["role"])]),
        (
            "another role",
            "teams",
            {"members": [{"email": "alice@demo.example", "role": "owner"}]},
            [("member", "demo-dev/alice@demo.example", "update", ["role"])],
        ),
    ],
)
def test_drift_is_put_right(name: str, kind: str, edit: dict, expected: list) -> None:
    actual = there()
    actual[kind][0] |= edit
    if name == "tool disabled by hand stays":
        actual["servers"][0]["tool_ids"] = []  # the gateway does not list it
    assert changed(wishes(), actual) == expected


@pytest.mark.parametrize(
    ("name", "row", "action"),
    [
        ("first bearer", {}, "replace"),
        ("same version", {"auth_type": "bearer", "tags": ["auth-version:2"]}, None),
        ("older version", {"auth_type": "bearer", "tags": ["auth-version:1"]}, "replace"),
        ("erased by a foreign update", {"auth_type": "", "tags": ["auth-version:2"]}, "replace"),
    ],
)
def test_a_bearer_arrives_by_another_row(name: str, row: dict, action: str | None) -> None:
    actual = there()
    actual["gateways"][0] |= row
    desired = wishes(auth_token="CANARY", auth_version="2")
    assert [item[2] for item in changed(desired, actual) if item[0] == "gateway"] == ([action] if action else []), name
    assert "CANARY" not in str(registry.plan(desired, actual))


def test_replacement_cut_short_keeps_the_new_row_and_drops_the_old_one_first() -> None:
    actual = there()
    actual["gateways"][0] |= {"auth_type": "bearer", "tags": ["auth-version:1"]}
    actual["gateways"].append(actual["gateways"][0] | {"id": "g2", "tags": ["auth-version:2"], "visibility": "private"})
    actions = [item for item in registry.plan_gateways(wishes(auth_token="x", auth_version="2"), Known(actual)) if item["action"] != "none"]
    assert [(item["action"], item["id"]) for item in actions] == [("delete", "g1"), ("update", "g2")]


def test_row_of_the_same_name_in_another_team_is_left_alone() -> None:
    actual = there()
    actual["gateways"].append(actual["gateways"][0] | {"id": "g0", "team_id": "t-other"})
    assert changed(wishes(), actual) == []


EVE_AND_ROOT = [
    {"email": "eve@demo.example", "full_name": "", "is_admin": False, "is_active": True},
    {"email": "root@demo.example", "full_name": "", "is_admin": True, "is_active": True},
]


def test_members_are_exactly_those_who_are_wanted_and_administrators_are_left_alone() -> None:
    actual = there()
    actual["users"] += EVE_AND_ROOT
    actual["teams"][0]["members"] += [{"email": "eve@demo.example", "role": "owner"}, {"email": "root@demo.example", "role": "owner"}]
    actual["teams"].append({"id": "t-other", "name": "other", "description": "", "members": [{"email": "eve@demo.example", "role": "member"}]})
    assert changed(wishes(), actual) == [("member", "demo-dev/eve@demo.example", "delete", ["role"])]


def test_tokens_of_people_who_are_no_members_any_more_end_whoever_made_them() -> None:
    actual = there()
    actual["users"] += EVE_AND_ROOT
    actual["teams"].append({"id": "t-other", "name": "other", "description": "", "members": []})
    rows = [("a", "alice@demo.example", DEV), ("e", "eve@demo.example", DEV), ("f", "eve@demo.example", "t-other"), ("r", "root@demo.example", DEV)]
    tokens = [{"id": token, "name": "x", "user": user, "team_id": team, "live": True} for token, user, team in rows]
    tokens += [{**tokens[1], "id": "ended", "live": False}, {**tokens[1], "id": "of no team", "team_id": None}]
    assert [token["id"] for token in people.tokens_of_outsiders(wishes(), actual, tokens)] == ["e"]
    claims = {name: {"user": user, "team_ids": [team]} for name, user, team in rows} | {"foreign": {}, "all": {"user": "eve@demo.example", "team_ids": None}}
    assert tokens_.entries_of_outsiders(wishes(), actual, claims) == ["e"]


def test_stray_tools() -> None:
    actual = there()
    actual["tools"][0]["team_id"] = "t-other"
    assert [(tool["id"], wanted["name"]) for tool, wanted in registry.stray_tools(wishes(), Known(actual))] == [("tool1", "pg")]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda d: d["teams"].append(d["teams"][0]), "more than once"),
        (lambda d: d["gateways"][0].update(team="x"), "not in teams"),
        (lambda d: d["gateways"][0].update(tags=["a b!"]), "not a tag"),
        (lambda d: d["servers"][0].update(gateways=["y"]), "not in gateways"),
        (lambda d: d["servers"][0].update(name="a/b"), "not a name"),
        (lambda d: d["clients"][0].update(user="eve@demo.example"), "not a member"),
        (lambda d: d["clients"][0].update(server="z"), "not a server of team"),
        (lambda d: d["clients"][0].update(renew_within_days=90), "less than"),
    ],
)
def test_mistakes_are_named(edit: object, words: str) -> None:
    desired = copy.deepcopy(wishes())
    assert registry.problems(desired) == []
    edit(desired)
    assert any(words in problem for problem in registry.problems(desired)), registry.problems(desired)


def test_teams_share_nothing() -> None:
    desired = wishes()
    desired["teams"].append({"name": "demo-prod", "description": "", "members": []})
    desired["gateways"][0]["team"] = "demo-prod"
    assert any("share nothing" in problem for problem in registry.problems(desired))


@pytest.mark.parametrize(("edit", "words"), [({}, None), ({"is_admin": True}, "is an admin"), ({"is_active": False}, "is deactivated")])
def test_members_who_are_refused(edit: dict, words: str | None) -> None:
    actual = there()
    actual["users"][0] |= edit
    refused = people.refusals(wishes(), actual)
    assert (words is None and refused == []) or words in refused[0]


CLIENT = {"name": "c", "user": "a@b", "server": "s", "expires_in_days": 90, "renew_within_days": 30}
GOOD = {"user": "a@b", "team_ids": ["T"], "server_id": "S", "issued_at": 1000, "expires_at": 100 * 86400}


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ({}, None),
        ({"user": "x"}, "for another user, team or server"),
        ({"team_ids": None}, "for another user, team or server"),
        ({"team_ids": ["T", "U"]}, "for another user, team or server"),
        ({"server_id": None}, "for another user, team or server"),
        ({"expires_at": None}, "expired"),
        ({"expires_at": 5}, "expired"),
        ({"expires_at": 20 * 86400}, "about to expire"),
    ],
)
def test_why_a_token_is_replaced(edit: dict, reason: str | None) -> None:
    assert tokens_.token_reason(GOOD | edit, CLIENT, "T", "S", now=1000) == reason


def test_a_lost_token_is_missing() -> None:
    assert tokens_.token_reason({}, CLIENT, "T", "S", now=0) == "missing"


TOKENS = [
    {"id": "old", "name": "s/c#1", "created_at": 500, "live": True},
    {"id": "used", "name": "s/c#2", "created_at": 1001, "live": True},
    {"id": "orphan", "name": "s/c#3", "created_at": 2000, "live": True},
    {"id": "dead", "name": "s/c#7", "created_at": 3000, "live": False},
    {"id": "other", "name": "s/d#1", "created_at": 3000, "live": True},
]


@pytest.mark.parametrize(
    ("reason", "revoked"),
    [(None, ["orphan"]), ("about to expire", ["orphan"]), ("missing", ["old", "used", "orphan"]), ("refused by the gateway", ["old", "used", "orphan"])],
)
def test_which_tokens_are_revoked(reason: str | None, revoked: list[str]) -> None:
    assert tokens_.tokens_to_revoke(CLIENT, TOKENS, GOOD, reason) == revoked


def test_a_token_name_is_never_used_twice() -> None:
    assert tokens_.token_name(CLIENT, TOKENS) == "s/c#8"
    assert tokens_.token_name(CLIENT, []) == "s/c#1"


@pytest.mark.parametrize(
    ("entry", "token"), [(tokens_.client_entry("u", "t"), "t"), (None, ""), ({}, ""), ({"headers": []}, ""), ({"headers": {"Authorization": 7}}, "")]
)
def test_entry_token(entry: object, token: str) -> None:
    assert tokens_.entry_token(entry) == token


def test_server_id_never_changes() -> None:
    assert registry.server_id("team-a-dev", "team-a-dev") == "6e7f19e75edb5b988f6e86f821c06f39"


def test_diff_shows_what_differs_only() -> None:
    actual = there()
    actual["gateways"][0]["description"] = "old"
    assert registry.diff(registry.plan(wishes(), actual)) == {"before": {"gateway pg": {"description": "old"}}, "after": {"gateway pg": {"description": ""}}}
