# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a row is, what of ours goes, what is in the way, and what people and tokens come to: as tables."""

from __future__ import annotations

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_conflicts as conflicts
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_marks as marks
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_people as people
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_plan as registry
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_purge as purge
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_tokens as tokens_
from ansible_collections.mcp.tenancy.plugins.module_utils._registry_known import Known

TAG, MARK = "owned-by:me", "[owned-by:me]"
SERVER = registry.server_id("dev", "srv")


class Counting(dict):
    """A row that counts how often rows are read."""

    read = 0

    def __getitem__(self, key: str) -> object:
        Counting.read += 1
        return super().__getitem__(key)


def wishes(**more: object) -> dict:
    gateway = {"name": "pg", "url": "http://localhost:1/mcp", "transport": "STREAMABLEHTTP", "team": "dev", "visibility": "team"}
    lists = {
        "owner": "me",
        "teams": [{"name": "dev", "description": "d", "members": [{"email": "al@x.example", "role": "member"}]}],
        "gateways": [{**gateway, "description": "", "tags": [], "auth_token": None, "auth_version": None}],
        "servers": [{"name": "srv", "team": "dev", "gateways": ["pg"], "visibility": "team", "description": ""}],
        "clients": [],
        "purge": list(purge.KINDS),
    }
    return registry.normalise({**lists, **more}) | {"purge_limit": 50}


def there() -> dict:
    """Exactly what :func:`wishes` wants, marked."""
    gateway = {"id": "g1", "name": "pg", "url": "http://localhost:1/mcp", "transport": "STREAMABLEHTTP", "team_id": "t1", "visibility": "team", "tags": [TAG]}
    gateway |= {"description": "", "passthrough_headers": [], "auth_type": "", "enabled": True, "reachable": True}
    server = {"id": SERVER, "name": "srv", "team_id": "t1", "visibility": "team", "description": "", "tags": [TAG], "enabled": True, "tool_ids": ["tool1"]}
    return {
        "users": [{"email": "al@x.example", "full_name": MARK, "is_admin": False, "is_active": True}],
        "roles": [],
        "teams": [{"id": "t1", "name": "dev", "description": f"d {MARK}", "members": [{"email": "al@x.example", "role": "member"}]}],
        "gateways": [gateway],
        "tools": [{"id": "tool1", "name": "pg-query", "upstream_name": "query", "gateway_id": "g1", "team_id": "t1", "visibility": "team", "enabled": True}],
        "servers": [server],
    }


def changed(desired: dict, actual: dict) -> list[tuple[str, str, str]]:
    return [(action["kind"], action["name"], action["action"]) for action in registry.plan(desired, actual) if action["action"] != "none"]


@pytest.mark.parametrize(
    ("text", "bare", "owner", "purged"),
    [
        ("d", "d", "", ""),
        ("d [owned-by:a.b-c]", "d", "a.b-c", ""),
        ("[owned-by:x]", "", "x", ""),
        ("d [purged-by:x]", "d", "", "x"),
        ("d [owned-by:x] more", "d [owned-by:x] more", "", ""),
    ],
)
def test_marks_are_read(text: str, bare: str, owner: str, purged: str) -> None:
    assert (marks.bare(text), marks.owner_of({"full_name": text}), marks.purged_by({"full_name": text})) == (bare, owner, purged)


def test_a_mark_replaces_another_and_nothing_is_marked_without_an_owner() -> None:
    assert marks.marked("d [owned-by:x]", "y") == "d [owned-by:y]" and marks.marked("", "y") == "[owned-by:y]" and marks.marked("d", "") == "d"
    assert marks.tagged(["b", "a"], "y") == ["a", "b", "owned-by:y"] and marks.tagged(["b", "a"], "") == ["a", "b"]
    assert marks.owner_of({"tags": ["a", "owned-by:y"], "description": "d [owned-by:x]"}) == "y"


def test_nothing_to_do_and_nothing_to_delete() -> None:
    assert changed(wishes(), there()) == [] == purge.plan(wishes(), Known(there()), [], {}) == conflicts.conflicts(wishes(), Known(there()))


def test_an_owner_with_an_underscore_is_a_team_of_ours() -> None:
    assert wishes(owner="Team_A")["teams"][0]["description"] == "d [owned-by:team-a]"


BY_HAND = {
    "team": ("teams", {"description": "d"}),
    "gateway": ("gateways", {"tags": []}),
    "server": ("servers", {"tags": [], "id": "other"}),
}
ANOTHERS = {
    "team": ("teams", {"description": "d [owned-by:you]"}),
    "gateway": ("gateways", {"tags": ["owned-by:you"]}),
    "server": ("servers", {"tags": ["owned-by:you"]}),
}


@pytest.mark.parametrize("adopt", ["never", "by_hand", "any"])
@pytest.mark.parametrize(("rows", "owner"), [(BY_HAND, ""), (ANOTHERS, "you")])
def test_what_is_not_ours_is_a_conflict_or_adopted(rows: dict, owner: str, adopt: str) -> None:
    for kind, (listed, edit) in rows.items():
        actual = there()
        actual[listed][0] |= edit
        if kind == "team":
            actual["servers"][0] |= {"id": "other"}  # or the team would be known by it
        found = conflicts.conflicts(wishes(adopt=adopt), Known(actual))
        free = adopt == "any" or (adopt == "by_hand" and not owner)
        assert [(one["kind"], one["owner"]) for one in found] == ([] if free else [(kind, owner)]), kind
        assert all("run with adopt: " + ("any" if owner else "by_hand") in conflicts.told(one) for one in found)
        assert next(action for action in changed(wishes(adopt=adopt), actual) if action[0] == kind)[2] == "adopt"


def test_a_row_that_the_gateway_would_take_for_the_same_is_a_conflict_or_renamed() -> None:
    actual = there()
    actual["gateways"][0] |= {"name": "by hand", "tags": []}
    (found,) = conflicts.conflicts(wishes(), Known(actual))
    assert (found["name"], found["wanted"]) == ("by hand", "pg") and "which is wanted as pg" in conflicts.told(found)
    assert ("gateway", "pg", "adopt") in changed(wishes(adopt="by_hand"), actual)
    actual["gateways"][0] |= {"auth_type": "bearer"}
    assert conflicts.conflicts(wishes(), Known(actual)) == [] and ("gateway", "pg", "create") in changed(wishes(), actual)


@pytest.mark.parametrize(("tags", "action"), [([TAG], "update"), ([], "create"), (["owned-by:you"], "create")])
def test_a_row_of_our_name_in_another_team_is_moved_when_it_is_ours(tags: list, action: str) -> None:
    actual = there()
    actual["gateways"][0] |= {"team_id": "t-other", "tags": tags}
    assert [one for one in changed(wishes(), actual) if one[0] == "gateway"] == [("gateway", "pg", action)]


@pytest.mark.parametrize(
    ("edit", "row"),
    [
        ("teams", {"id": "t1", "description": "d"}),
        ("gateways", {"tags": ["auth-version:1"], "auth_type": "bearer"}),
        ("servers", {"tags": []}),
    ],
)
def test_rows_from_before_there_were_marks_are_ours(edit: str, row: dict) -> None:
    actual = there()
    actual[edit][0] |= row
    assert conflicts.conflicts(wishes(), Known(actual)) == []
    assert [action for _kind, _name, action in changed(wishes(), actual)] == ["update"]


def empty(**more: object) -> dict:
    return wishes(**{"teams": [], "gateways": [], "servers": [], **more}) | {"purge_limit": 100}


def test_what_is_ours_and_not_wanted_goes_in_an_order_that_can_be_done() -> None:
    actual = there()
    actual["roles"] = [{"id": "r1", "name": "r", "scope": "team", "description": MARK, "permissions": [], "is_system_role": False}]
    actual["users"].append({"email": "admin@x.example", "full_name": MARK, "is_admin": True, "is_active": True})
    token = {"id": "k", "name": "srv/cl#3", "server_id": SERVER, "team_id": "t1", "user": "al@x.example", "live": True}
    tokens = [token, {**token, "id": "theirs", "name": "client.yml:srv#1"}, {**token, "id": "elsewhere", "server_id": "s", "team_id": "t", "user": "x"}]
    actions = purge.plan(empty(), Known(actual), tokens, {"cl": {"server_id": SERVER}, "foreign": {}})
    assert [(one["kind"], one["name"]) for one in actions] == [
        *(("client", "cl"), ("server", "srv"), ("gateway", "pg"), ("team", "dev"), ("role", "r"), ("user", "al@x.example"))
    ]
    assert [one["id"] for one in purge.ending(actions, empty(), Known(actual), tokens)] == ["k", "theirs"]
    assert purge.in_the_way(actions, empty(), Known(actual)) == [] == purge.guard(actions, empty(), Known(actual), tokens, {})


@pytest.mark.parametrize(
    ("listed", "edit"), [("gateways", {"tags": []}), ("gateways", {"tags": ["owned-by:you"]}), ("servers", {"tags": []}), ("teams", {"description": "d"})]
)
def test_only_a_mark_makes_a_row_ours_to_delete(listed: str, edit: dict) -> None:
    actual = there()
    actual[listed][0] |= edit
    kind = listed.removesuffix("s")
    assert kind not in {action["kind"] for action in purge.plan(empty(), Known(actual), [], {})}


def test_a_team_in_which_somebody_else_has_something_stays() -> None:
    actual = there()
    actual["gateways"].append(actual["gateways"][0] | {"id": "g2", "name": "theirs", "tags": []})
    actual["servers"].append(actual["servers"][0] | {"id": "s2", "name": "borrows", "team_id": "t2", "tags": []})
    known = Known(actual)
    said = purge.in_the_way(purge.plan(empty(), known, [], {}), empty(), known)
    assert any("team dev still has gateway theirs" in one for one in said) and any("server borrows, which is not ours, has tools of pg" in one for one in said)


def test_a_user_who_is_in_somebody_elses_team_stays() -> None:
    actual = there()
    actual["teams"].append({"id": "t2", "name": "other", "description": "", "members": [{"email": "al@x.example", "role": "member"}]})
    assert "user" not in {action["kind"] for action in purge.plan(empty(), Known(actual), [], {})}


@pytest.mark.parametrize(("left", "limit", "refused"), [(2, 50, False), (1, 50, True), (0, 50, True), (0, 99, True), (0, 100, False), (1, 75, False)])
def test_the_guard_counts_per_kind(left: int, limit: int, refused: bool) -> None:
    actual, desired = there(), wishes()
    actual["gateways"] = [actual["gateways"][0] | {"id": f"g{number}", "name": f"pg{number}", "url": str(number)} for number in range(4)]
    desired["gateways"] = [{**desired["gateways"][0], "name": f"pg{number}", "url": str(number)} for number in range(left)]
    desired |= {"purge_limit": limit, "servers": [], "purge": ["gateways"], "gateway_names": {one["name"]: one for one in desired["gateways"]}}
    actions = purge.plan(desired, Known(actual), [], {})
    said = purge.guard(actions, desired, Known(actual), [], {})
    assert len(actions) == 4 - left and bool(said) is refused
    assert not said or f"{4 - left} of 4 gateways would go" in said[0]


def test_a_user_whom_a_purge_deactivated_comes_back_and_one_that_a_person_deactivated_does_not() -> None:
    actual = there()
    actual["users"][0] |= {"is_active": False, "full_name": "Al [purged-by:me]"}
    (action,) = [one for one in registry.plan(wishes(), actual) if one["kind"] == "user"]
    assert action["action"] == "update" and action["fields"]["full_name"]["after"] == "Al [owned-by:me]" and people.refusals(wishes(), actual) == []
    actual["users"][0] |= {"full_name": MARK}
    assert next(one for one in registry.plan(wishes(), actual) if one["kind"] == "user")["action"] == "none"
    assert "is deactivated" in people.refusals(wishes(), actual)[0]


def test_grants_are_exactly_those_that_are_named_but_for_the_gateways_own() -> None:
    actual = there()
    roles = [("viewer", "team"), ("developer", "team"), ("ours", "team"), ("ours", "global")]
    actual["roles"] = [{"id": f"{name}-{scope}", "name": name, "scope": scope, "description": "", "permissions": []} for name, scope in roles]
    given = [("viewer-team", "team", "t1"), ("developer-team", "team", "t1"), ("developer-team", "team", "t9"), ("ours-global", "global", None)]
    actual["grants"] = {"al@x.example": [{"role_id": role, "scope": scope, "scope_id": where} for role, scope, where in given]}
    team = {"name": "dev", "description": "d", "members": [{"email": "al@x.example", "role": "member", "roles": ["ours"]}]}
    found = [(one["name"], one["action"]) for one in registry.plan(wishes(teams=[team], users=[]), actual) if one["kind"] == "grant"]
    assert found == [("dev/al@x.example/developer", "delete"), ("dev/al@x.example/ours", "create")]
    everywhere = wishes(users=[{"email": "al@x.example", "roles": []}])
    assert [(one["name"], one["action"]) for one in registry.plan(everywhere, actual) if one["kind"] == "grant"] == [("al@x.example/ours", "delete")]


@pytest.mark.parametrize(("tools", "chosen", "missing"), [([], ["tool1", "tool2"], 0), (["query"], ["tool1"], 0), (["list-*"], ["tool2"], 0), (["no"], [], 1)])
def test_a_server_has_the_tools_that_it_names(tools: list, chosen: list, missing: int) -> None:
    actual, desired = there(), wishes()
    actual["tools"].append(actual["tools"][0] | {"id": "tool2", "name": "pg-list-tables", "upstream_name": "list-tables"})
    desired["servers"][0]["tools"] = tools
    assert registry.tools_of(desired["servers"][0], desired, Known(actual)) == chosen
    assert len(registry.missing_tools(desired, Known(actual))) == missing
    assert registry.missing_tools(desired, Known({**actual, "gateways": []})) == [], "a gateway that is not there yet may have any"


CLIENT = {"name": "c", "user": "a@b", "server": "s", "expires_in_days": 90, "renew_within_days": 30, "version": "2", "overlap": 600}
CLAIMS = {"user": "a@b", "team_ids": ["T"], "server_id": "S", "issued_at": 1000, "expires_at": 100 * 86400}
HELD = [
    {"id": "old", "name": "s/c#1", "created_at": 500, "live": True, "description": "version 1"},
    {"id": "used", "name": "s/c#2", "created_at": 1001, "live": True, "description": "version 2"},
]


@pytest.mark.parametrize(("now", "overlap", "revoked"), [(1599, 600, []), (1600, 600, ["old"]), (10**6, None, []), (1000, 0, ["old"])])
def test_the_token_before_ends_when_the_overlap_is_over(now: int, overlap: int | None, revoked: list) -> None:
    assert tokens_.tokens_to_revoke({**CLIENT, "overlap": overlap}, HELD, CLAIMS, None, now) == revoked
    assert tokens_.tokens_to_revoke({**CLIENT, "overlap": overlap}, HELD, CLAIMS, tokens_.ASKED, now) == [], "not while it is being replaced"


@pytest.mark.parametrize(("version", "reason"), [("2", None), ("3", tokens_.ASKED), ("", tokens_.ASKED)])
def test_another_version_makes_another_token(version: str, reason: str | None) -> None:
    stored = tokens_.stored_version(tokens_.token_in_use(CLIENT, HELD, CLAIMS))
    assert stored == "2" and tokens_.token_reason(CLAIMS, {**CLIENT, "version": version}, "T", "S", 1000, stored) == reason
    assert tokens_.token_reason(CLAIMS, {**CLIENT, "version": version}, "T", "S", 1000, None) is None, "nothing to tell by"


def test_a_plan_for_thousands_looks_each_up_once() -> None:
    """Twice as many take twice as many calls; looking through all for each would take four times as many. Calls are counted, since seconds say little."""

    def calls(number: int) -> int:
        desired, actual = wishes(), there()
        desired["gateways"] = [{**desired["gateways"][0], "name": f"pg{one}", "url": str(one)} for one in range(number)]
        desired["gateway_names"] = {one["name"]: one for one in desired["gateways"]}
        desired["servers"] = [{**desired["servers"][0], "name": f"s{one}", "gateways": [f"pg{one}"]} for one in range(number)]
        actual["gateways"] = [Counting({**actual["gateways"][0], "id": f"g{one}", "name": f"pg{one}", "url": str(one)}) for one in range(number)]
        actual["tools"] = [Counting({**actual["tools"][0], "id": f"tool{one}", "gateway_id": f"g{one}"}) for one in range(number)]
        Counting.read = 0
        actions = registry.plan(desired, actual) + purge.plan(desired, Known(actual), [], {})
        assert len([action for action in actions if action["kind"] == "server"]) >= number
        return Counting.read

    assert calls(400) <= 2.1 * calls(200)
