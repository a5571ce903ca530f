# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins that are stored for people: what is asked for, what follows for hosts, databases and gateway."""

from __future__ import annotations

import json

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _accounts, _credentials, _people, _registrations, _walk
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _team_env
from tests.unit.test_declaration import DECLARATION
from tests.unit.test_users import with_users

NOW, ALICE = "2026-11-24T12:00:00Z", "alice@example.com"
TEAM = with_users(DECLARATION, {"accepts": ["headers", "stored"], "template": "analyst"})
TEAM["mcp_environments"][0]["members"] = ["Alice@Example.com", "bob@example.com"]
BASE = f"postgres-{TEAM['mcp_environments'][0]['name']}"
NAME = f"{BASE}/{ALICE}"


def label(login: str, password: str) -> str:
    return f"{login} {password}"


def asked(document: dict, do: str, user: str = "ALICE@example.com", service: str = BASE, login: tuple[str, str] | None = None) -> dict:
    order = {"service": service, "user": user, "do": do, "login": login}
    document, name = _people.asked(document, TEAM, order, label, NOW, lambda: "f00d")
    assert name == f"{service}/{user.lower()}"
    return document


def walked(document: dict, name: str = NAME) -> dict:
    """One that is asked for, through a run in which all goes well."""
    entry = _walk.begun(document["credentials"][name], {"a": "p_a", "b": "p_b"}, lambda: "drawn", "beef", NOW)
    for step in (_walk.after_accounts, _walk.after_hosts, _walk.after_settling, _walk.after_accounts):
        entry = step(entry, "", NOW) if entry is not None else None
    rest = {other: held for other, held in document["credentials"].items() if other != name}
    return {**document, "credentials": {**rest, **({} if entry is None else {name: entry})}}


EMPTY = _credentials.empty("team_a")


def test_a_login_is_made_rotated_and_removed() -> None:
    document = walked(asked(EMPTY, "add"))
    first = _people.directory(document, BASE)
    assert first == {ALICE: {"user": "p_a", "password": "drawn", "mark": "1.beef"}}
    rotated = walked(asked(document, "rotate"))  # for one that is managed the walk begins where a rotation's does
    assert _people.directory(rotated, BASE)[ALICE]["user"] == "p_b" and _people.mark(_people.directory(rotated, BASE)) != _people.mark(first)
    leaving = asked(rotated, "remove")
    assert _people.directory(leaving, BASE) == {}, "no host gets it from the first moment on"
    assert NAME not in walked(leaving)["credentials"]


def test_a_login_that_somebody_gave_is_stored_as_it_is_and_replaced_only_by_another() -> None:
    document = walked(asked(EMPTY, "add", login=("alice", "one")))
    assert _people.directory(document, BASE)[ALICE]["password"] == "one" and document["credentials"][NAME]["kind"] == "unmanaged"
    assert _people.directory(walked(asked(document, "rotate", login=("alice", "two"))), BASE)[ALICE]["password"] == "two"
    with pytest.raises(_credentials.CredentialsError, match="had this login before"):
        asked(walked(asked(document, "rotate", login=("alice", "two"))), "rotate", login=("alice", "one"))
    with pytest.raises(_credentials.CredentialsError, match="mcp_login_file"):
        asked(document, "rotate")


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ({"do": "add", "user": "alice"}, "not the address of a person"),
        ({"do": "add", "user": "carol@example.com"}, "no member"),
        ({"do": "add", "service": "postgres-nowhere"}, f"Next: name one of {BASE}"),
        ({"do": "forget"}, "mcp_do is none of add, rotate, remove"),
        ({"do": "rotate"}, "there is no stored login"),
        ({"do": "remove"}, "add it first"),
    ],
)
def test_what_cannot_be_is_told_with_the_next_step(order: dict, told: str) -> None:
    with pytest.raises(_credentials.CredentialsError, match=told):
        asked(EMPTY, **order)


def test_whoever_has_one_cannot_be_added_again_and_a_failed_one_can() -> None:
    with pytest.raises(_credentials.CredentialsError, match="is stored already"):
        asked(walked(asked(EMPTY, "add")), "add")
    entry = _walk.begun(asked(EMPTY, "add")["credentials"][NAME], {"a": "p_a", "b": "p_b"}, lambda: "drawn", "x", NOW)
    failed = {**EMPTY, "credentials": {NAME: _walk.after_accounts(entry, "the database is down", NOW)}}
    assert _people.directory(failed, BASE) == {} and asked(failed, "add")["credentials"][NAME]["last"] is None


def test_each_person_has_roles_of_their_own_whatever_they_are_called() -> None:
    owners = {_people.owner_role("team_a", "dev", address) for address in ("alice@a.example", "alice@b.example", "a_lice@a.example", "Ä@x.example")}
    assert len(owners) == 4 and all(len(owner) <= _accounts.NAME_LENGTH for owner in owners)


def test_a_persons_account_acts_as_its_role_and_has_the_template_where_one_is_declared() -> None:
    one = _people.services(TEAM, walked(asked(EMPTY, "add")))[0]
    account = _accounts.account(TEAM, one)
    assert account["template"] == "analyst" and account["acts_as"] == account["owner"] and account["service"] == NAME
    seen = _registrations.people_seen_through_gateway(TEAM, [one])[0]
    assert seen["person"] == ALICE and seen["server"].endswith("postgres-users") and seen["on"] == BASE


def test_s2_s5_a_host_gets_the_people_of_its_services_and_never_an_earlier_login() -> None:
    values = dict.fromkeys(("MCP_BRIDGE_TOKEN", "MCP_IDENTITY_SECRET", "JWT_SECRET_KEY", "AUTH_ENCRYPTION_SECRET", "CSRF_SECRET_KEY"), "x" * 48)
    values |= dict.fromkeys(("PLATFORM_ADMIN_PASSWORD", "DEFAULT_USER_PASSWORD"), "x" * 24)
    first = walked(asked(EMPTY, "add"))
    for service in _team_env._declaration.services(TEAM):
        slot = {"a": {"login": "s_a", "password": "p", "mark": "1.s", "since": NOW}}
        first["credentials"][service["name"]] = {**_credentials.fresh("managed", NOW), "active": "a", "slots": slot}
    second = walked(asked(first, "rotate"))
    before, after = (_team_env.projection(values, TEAM, document) for document in (first, second))
    variable = f"{BASE.replace('-', '_').upper()}_USERS"
    assert json.loads(after[variable])[ALICE]["user"] == "p_b" and after[f"{variable}_CREDENTIAL"] != before[f"{variable}_CREDENTIAL"]
    assert _team_env.newer_on_the_host(after, before, TEAM) == [NAME] and _team_env.newer_on_the_host(before, after, TEAM) == []


def test_services_that_store_none_have_none() -> None:
    document = walked(asked(EMPTY, "add"))
    assert _people.services(with_users(DECLARATION, {"accepts": ["headers"]}), document) == []
