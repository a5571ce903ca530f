# SPDX-License-Identifier: GPL-3.0-or-later
"""The walk as a table: from each state and each thing that was found, what follows."""

from __future__ import annotations

import datetime
import itertools

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _credentials, _walk

THEN, NOW = "2026-11-01T00:00:00Z", "2026-11-23T20:00:00Z"
LOGINS = {"a": "mcp_dev_a", "b": "mcp_dev_b"}
DAY = datetime.timedelta(days=1)


def slot(name: str, generation: int) -> dict:
    return {"login": LOGINS.get(name, name), "password": f"password of {name} {generation}", "mark": f"{generation}.{name}", "since": THEN}


def entry(step: str = "", *, active: str | None = "a", kind: str = "managed", **walk: object) -> dict:
    """Generation 3 in slot a; with a ``step``, on its way to b."""
    found = {"kind": kind, "generation": 3, "active": active, "changed_at": THEN, "slots": {}, "walk": None, "last": None, "earlier": []}
    if active:
        found["slots"][active] = slot(active, 3)
    if step:
        found["slots"]["b"] = slot("b", 4)
        found["walk"] = {"step": step, "slot": "b", "began": THEN, **walk}
    if step == "verified":
        found |= {"active": "b", "generation": 4}
        found["walk"]["old"] = "a"
    return found


def at(found: dict) -> tuple:
    """Step, active slot, generation, last result."""
    return (found["walk"] or {}).get("step"), found["active"], found["generation"], (found["last"] or {}).get("result")


ACCOUNTS = [
    # state before, did the database refuse → step, active, generation, result
    (entry(), "", (None, "a", 3, None)),
    (entry(), "down", (None, "a", 3, None)),
    (entry("staged"), "", ("proven", "a", 3, None)),
    (entry("staged"), "down", (None, "a", 3, "failed")),
    (entry("staged", active=None), "", (None, "b", 4, "created")),
    (entry("staged", active=None), "down", (None, None, 3, "failed")),
    (entry("proven"), "", ("proven", "a", 3, None)),
    (entry("proven"), "down", ("back", "a", 3, None)),
    (entry("verified"), "", ("verified", "b", 4, None)),
    (entry("verified"), "down", ("verified", "b", 4, None)),
    (entry("verified", drained=True), "", (None, "b", 4, "rotated")),
    (entry("verified", drained=True), "down", ("verified", "b", 4, None)),
    (entry("back", why="x"), "", ("back", "a", 3, None)),
    (entry("back", why="x"), "down", ("back", "a", 3, None)),
]


def test_a_credential_that_goes_is_used_by_nobody_then_ended_then_forgotten() -> None:
    leaving = _walk.leaving(entry("proven"), NOW)
    assert _credentials.in_use(leaving) is None and all(_walk.usable(leaving).values()), "its logins work until every host has let go"
    assert _walk.after_accounts(leaving, "", NOW) == leaving and _walk.after_hosts(leaving, "", NOW) == leaving
    assert at(_walk.after_settling(leaving, "gw1 is down", NOW))[0] == "leaving"
    drained = _walk.after_settling(leaving, "", NOW)
    assert _walk.usable(drained) == {"a": None, "b": None} and _walk.to_prove(drained) == []
    assert _walk.after_accounts(drained, "down", NOW) == drained and _walk.after_accounts(drained, "", NOW) is None
    assert _walk.begun(leaving, LOGINS, lambda: "new", "x", NOW) == leaving, "a rotation goes on with it"


@pytest.mark.parametrize(("before", "error", "after"), ACCOUNTS)
def test_what_follows_from_what_a_database_said(before: dict, error: str, after: tuple) -> None:
    assert at(_walk.after_accounts(before, error, NOW)) == after


HOSTS = [
    (entry(), "", (None, "a", 3, None)),
    (entry("staged"), "", ("staged", "a", 3, None)),
    (entry("proven"), "", ("verified", "b", 4, None)),
    (entry("proven"), "gw2 does not", ("back", "a", 3, None)),
    (entry("verified"), "gw2 does not", ("verified", "b", 4, None)),
    (entry("back", why="x"), "", ("back", "a", 3, None)),
]


@pytest.mark.parametrize(("before", "error", "after"), HOSTS)
def test_what_follows_from_what_hosts_said(before: dict, error: str, after: tuple) -> None:
    assert at(_walk.after_hosts(before, error, NOW)) == after


SETTLED = [
    (entry(), "", (None, "a", 3, None)),
    (entry("verified"), "", ("verified", "b", 4, None)),
    (entry("verified"), "gw2 is down", ("verified", "b", 4, None)),
    (entry("back", why="x"), "", (None, "a", 3, "failed")),
    (entry("back", why="x"), "gw2 is down", ("back", "a", 3, None)),
]


@pytest.mark.parametrize(("before", "error", "after"), SETTLED)
def test_what_follows_once_hosts_were_asked_to_let_go(before: dict, error: str, after: tuple) -> None:
    assert at(_walk.after_settling(before, error, NOW)) == after


def test_the_old_login_works_until_every_host_said_that_it_let_go() -> None:
    whole = {"a", "b"}
    for state, works in (
        (entry(), {"a"}),
        (entry("staged"), whole),
        (entry("proven"), whole),
        (entry("back", why="x"), whole),
        (entry("verified"), whole),
        (_walk.after_settling(entry("verified"), "gw2 is down", NOW), whole),
        (_walk.after_settling(entry("verified"), "", NOW), {"b"}),
        (_walk.after_settling(entry("back", why="x"), "", NOW), {"a"}),
    ):
        assert {name for name, login in _walk.usable(state).items() if login} == works, at(state)


def test_r1_at_every_instant_the_login_that_hosts_use_is_one_that_works() -> None:
    """Every way through the walk, failures at each step included: hosts' login is among the usable ones, and stays there until they were told otherwise."""
    phases = [_walk.after_accounts, _walk.after_hosts, _walk.after_settling, _walk.after_accounts]
    for errors in itertools.product(["", "x"], repeat=8):
        state, seen = entry(), []
        for run in (errors[:4], errors[4:]):
            state = _walk.begun(state, LOGINS, lambda: "fresh", "m", NOW)
            seen.append(state)
            for phase, error in zip(phases, run, strict=True):
                before = _credentials.in_use(state)
                state = phase(state, error, NOW)
                seen.append(state)
                works = [login for login in _walk.usable(state).values() if login]
                assert _credentials.in_use(state) in works
                if phase is _walk.after_hosts:
                    assert before in works, "a host that was not reached yet keeps a login that works"
        assert state["generation"] - 3 == sum(1 for before, after in itertools.pairwise(seen) if after["generation"] > before["generation"])


@pytest.mark.parametrize("step", ["staged", "proven", "verified", "back"])
def test_r3_a_run_that_was_cut_off_is_finished_with_the_same_password(step: str) -> None:
    state = entry(step, **({"why": "x"} if step == "back" else {}))
    state = _walk.begun(state, LOGINS, lambda: pytest.fail("a new password"), "m", NOW)
    for phase in (_walk.after_accounts, _walk.after_hosts, _walk.after_settling, _walk.after_accounts):
        state = phase(state, "", NOW)
    assert at(state) == (None, "b", 4, "rotated")
    assert state["slots"] == {"b": slot("b", 4)}, "nothing is kept of what is over"


def test_a_password_that_was_refused_is_not_tried_again() -> None:
    state = _walk.after_accounts(_walk.begun(entry(), LOGINS, lambda: "refused by a policy", "m", NOW), "the policy", NOW)
    assert _walk.begun(state, LOGINS, lambda: "another", "m", NOW)["slots"]["b"]["password"] == "another"


def test_a_login_that_somebody_else_made_is_walked_to_one_of_ours_and_never_touched() -> None:
    state = entry(active=_credentials.GIVEN)
    assert _walk.usable(state) == {"a": None, "b": None}
    state = _walk.begun(state, LOGINS, lambda: "fresh", "m", NOW)
    for phase in (_walk.after_accounts, _walk.after_hosts, _walk.after_settling, _walk.after_accounts):
        state = phase(state, "", NOW)
    assert state["active"] == "a" and set(state["slots"]) == {"a"}


def document(**entries: dict) -> dict:
    return {"format": 1, "team": "t", "version": 1, "credentials": entries}


def test_due_is_what_is_old_enough_oldest_first_and_what_is_on_its_way_before_that() -> None:
    now = _credentials.moment("2026-11-23T00:00:00Z")
    young, old = entry() | {"changed_at": "2026-11-22T00:00:00Z"}, entry() | {"changed_at": "2026-10-01T00:00:00Z"}
    held = document(young=young, older=old, old=entry(), way=entry("proven"), mine=entry(kind="unmanaged"), never=young | {"generation": 0})
    assert _walk.due(held, 20 * DAY, now, None) == ["way", "older", "old", "never"]
    assert _walk.due(held, 20 * DAY, now, ["young"]) == ["way", "young"]
    assert _walk.due(held, 20 * DAY, now, ["all"]) == ["way", "older", "old", "never", "young"]
    with pytest.raises(_credentials.CredentialsError, match=r"there is no credential yuong\. Next: name some of"):
        _walk.due(held, 20 * DAY, now, ["yuong"])


def test_a_given_login_is_taken_by_a_deploy_at_once() -> None:
    taken = _walk.taken(entry("staged", kind="unmanaged", known="digest"), NOW)
    assert at(taken) == (None, "b", 4, "given") and taken["earlier"] == ["digest"] and set(taken["slots"]) == {"b"}
    assert _walk.taken(entry("staged"), NOW) == entry("staged")
