# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person may register at the gateway, and what of a form reaches it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "roles/gateway/files"))
import mcp_gateway_outgoing as outgoing
import mcp_gateway_targets as rules

ALICE, TEAM = "alice@example.com", "a" * 32
DEV = rules.Target("postgres-dev-users", "http://127.0.0.1:21000/mcp", ("X-Database-User", "X-Database-Password"), frozenset([ALICE]), "bearer-of-dev")
PROD = rules.Target("postgres-prod-users", "http://127.0.0.1:21001/mcp", ("X-Database-Connection-String",), frozenset(["carol@example.com"]), "bearer-of-prod")
KNOWN = [DEV, PROD]
GOOD = {"name": "mine", "url": "http://localhost:21000/mcp", "transport": "STREAMABLEHTTP", "visibility": "private"}
LOGIN = [{"key": "X-Database-User", "value": "alice"}, {"key": "x-database-password", "value": "pw"}]


def registered(**fields: str) -> dict:
    return dict(rules.gateway([*{**GOOD, **fields}.items()], ALICE, TEAM, KNOWN))


def refused(status: int, words: str, **fields: str) -> None:
    with pytest.raises(rules.Refused, match=words) as error:
        registered(**fields)
    assert error.value.status == status


def test_a_registration_with_headers_that_are_passed_on() -> None:
    wanted = {**GOOD, "url": DEV.url, "team_id": TEAM, "auth_type": ""}
    assert registered() == {**wanted, "passthrough_headers": ""}
    for spelt in ('["x-database-user", "X-Database-Password"]', "X-Database-User , x-database-password"):
        assert registered(passthrough_headers=spelt) == {**wanted, "passthrough_headers": '["X-Database-User", "X-Database-Password"]'}


def test_a_registration_with_a_stored_login() -> None:
    found = registered(auth_type="authheaders", auth_headers=json.dumps(LOGIN))
    assert found["auth_type"] == "authheaders" and found["passthrough_headers"] == ""
    assert json.loads(found["auth_headers"]) == [LOGIN[0], {"key": "X-Database-Password", "value": "pw"}]


def test_what_is_not_known_here_does_not_reach_the_gateway() -> None:
    unknown = {
        "auth_token": "x",
        "oauth_issuer": "https://elsewhere",
        "gateway_mode": "direct_proxy",
        "identity_propagation": "true",
        "owner_email": "bob@example.com",
    }
    assert registered(**unknown, auth_headers=json.dumps(LOGIN)) == registered()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:21001/mcp",  # of an environment that alice is not in
        "http://127.0.0.1:21002/mcp",
        "http://127.0.0.1/mcp",
        "http://127.0.0.1:21000/",
        "http://127.0.0.1:21000/mcp/",
        "http://127.0.0.1:21000/mcp?x=1",
        "http://127.0.0.1:21000/mcp?",
        "http://127.0.0.1:21000/mcp#x",
        "https://127.0.0.1:21000/mcp",
        "http://evil.example:21000/mcp",
        "http://127.0.0.1.evil.example:21000/mcp",
        "http://127.0.0.1:21000@evil.example/mcp",
        "http://x@127.0.0.1:21000/mcp",
        "http://2130706433:21000/mcp",
        "http://127.1:21000/mcp",
        "http://[::ffff:127.0.0.1]:21000/mcp",
        "http://127.0.0.1:021000/mcp/../mcp",
        "http://127.0.0.1:99999/mcp",
        "http://127.0.0.1:x/mcp",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "",
    ],
)
def test_an_address_that_is_no_target_of_this_person_is_refused_with_those_that_are(url: str) -> None:
    refused(403, "use one of http://127.0.0.1:21000/mcp", url=url)


def test_what_goes_on_is_the_declared_address_and_not_the_persons_spelling() -> None:
    for spelt in (" http://localhost:21000/mcp ", "http://LOCALHOST:21000/mcp", "http://[::1]:21000/mcp"):
        assert registered(url=spelt)["url"] == DEV.url


def test_somebody_who_is_in_no_environment_is_told_so() -> None:
    with pytest.raises(rules.Refused, match="no environment") as error:
        rules.gateway([*GOOD.items()], "mallory@example.com", TEAM, KNOWN)
    assert error.value.status == 403 and "21000" not in str(error.value)


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "X-Upstream-Authorization",
        "X-Database-Identity",
        "X-Database-Connection-String",
        "Cookie",
        "X_Database_User",
        "X-Database-User\r\nX: y",
    ],
)
def test_a_header_that_the_target_does_not_take_is_refused_both_ways(name: str) -> None:
    refused(403, "takes no header of that name", passthrough_headers=json.dumps(["X-Database-User", name]))
    refused(403, "takes no header of that name", auth_type="authheaders", auth_headers=json.dumps([{"key": name, "value": "x"}]))


@pytest.mark.parametrize("given", ['{"X-Other": 1}', "7", "[7]", '[["X-Database-User"]]', "null"])
def test_a_list_of_headers_that_is_none_is_refused(given: str) -> None:
    refused(403, "takes no header of that name", passthrough_headers=given)


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"transport": "SSE"}, 422, "Streamable HTTP"),
        ({"transport": ""}, 422, "Streamable HTTP"),
        ({"visibility": "team"}, 422, "Private"),
        ({"visibility": "public"}, 422, "Private"),
        ({"visibility": ""}, 422, "Private"),
        ({"team_id": "b" * 32}, 403, "personal team"),
        ({"auth_type": "bearer", "auth_token": "x"}, 422, "Custom Headers"),
        ({"auth_type": "none"}, 422, "Custom Headers"),
        ({"auth_type": "oauth", "oauth_grant_type": "client_credentials"}, 422, "Custom Headers"),
        ({"auth_type": "authheaders"}, 422, "there is none"),
        ({"auth_type": "authheaders", "auth_headers": "[]"}, 422, "there is none"),
        ({"auth_type": "authheaders", "auth_headers": "{"}, 422, "cannot be read"),
        ({"auth_type": "authheaders", "auth_headers": "[7]"}, 422, "cannot be read"),
        ({"auth_type": "authheaders", "auth_headers": json.dumps([LOGIN[0], LOGIN[0]])}, 422, "doubled"),
        ({"auth_type": "authheaders", "auth_headers": json.dumps([{"key": "X-Database-User", "value": ""}])}, 422, "visible ASCII"),
        ({"auth_type": "authheaders", "auth_headers": json.dumps([{"key": "X-Database-User", "value": "a\r\nb"}])}, 422, "visible ASCII"),
        ({"auth_type": "authheaders", "auth_headers": json.dumps([{"key": "X-Database-User", "value": 7}])}, 422, "visible ASCII"),
    ],
)
def test_other_mistakes_are_refused_with_the_next_step(fields: dict, status: int, words: str) -> None:
    refused(status, words, **fields)


def test_no_message_repeats_a_value() -> None:
    secret = "s3cret-" + "\x7f"
    for fields in (
        {"auth_headers": json.dumps([{"key": "X-Database-Password", "value": secret}])},
        {"auth_headers": json.dumps([{"key": secret, "value": "x"}])},
    ):
        with pytest.raises(rules.Refused) as error:
            registered(auth_type="authheaders", **fields)
        assert "s3cret" not in str(error.value)


def test_a_doubled_field_is_refused() -> None:
    with pytest.raises(rules.Refused, match="url more than once"):
        rules.gateway([*GOOD.items(), ("url", "http://127.0.0.1:1/mcp")], ALICE, TEAM, KNOWN)


def test_without_a_personal_team_nothing_is_registered() -> None:
    with pytest.raises(rules.Refused, match="no personal team"):
        rules.gateway([*GOOD.items()], ALICE, "", KNOWN)


def test_a_server_takes_tools_of_ones_own_gateway_and_nothing_else() -> None:
    form = [("name", "mine"), ("visibility", "private"), ("id", "chosen"), ("icon", "http://x"), ("oauth_enabled", "on"), ("other", "1"), ("other", "2")]
    tools = [("associatedTools", "1" * 32), ("associatedTools", "2" * 32)]
    found = rules.server([*form, *tools], TEAM, {"1" * 32, "2" * 32, "3" * 32})
    assert sorted(found) == sorted([("name", "mine"), ("visibility", "private"), ("team_id", TEAM), *tools])
    for more, words in (
        ([("associatedTools", "9" * 32)], "1 of the tools"),
        ([("associatedResources", "1" * 32)], "tools only"),
        ([("associatedPrompts", "1" * 32)], "tools only"),
        ([("selectAllTools", "true"), ("allToolIds", "[]")], "one by one"),
    ):
        with pytest.raises(rules.Refused, match=words):
            rules.server([*form, *tools, *more], TEAM, {"1" * 32, "2" * 32})


def test_targets_come_from_the_environment() -> None:
    one = {"name": DEV.name, "url": DEV.url, "headers": list(DEV.headers), "members": [ALICE], "bearer": "MCP_TARGET_X"}
    assert rules.targets({"MCP_TARGETS": json.dumps([one]), "MCP_TARGET_X": DEV.bearer}) == [DEV]
    assert rules.targets({}) == []


@pytest.mark.parametrize(
    ("url", "caller", "wanted"),
    [
        ("http://127.0.0.1:21000/mcp", None, DEV.bearer),
        ("http://localhost:21000/mcp", outgoing.Caller(ALICE), DEV.bearer),
        ("http://[::1]:21000/mcp", outgoing.Caller("admin@example.com", admin=True), DEV.bearer),
        ("http://127.0.0.1:21000/mcp", outgoing.Caller("bob@example.com"), ""),  # no longer a member
        ("http://127.0.0.1:21000/mcp", outgoing.Caller(), ""),
        ("http://127.0.0.1:21001/mcp", outgoing.Caller(ALICE), ""),
        ("http://127.0.0.1:21000/other", outgoing.Caller(ALICE), ""),
        ("http://evil.example:21000/mcp", None, ""),
    ],
)
def test_a_bearer_goes_to_its_own_target_for_members_only(url: str, caller: object, wanted: str) -> None:
    assert outgoing.bearer(url, caller, KNOWN) == wanted
