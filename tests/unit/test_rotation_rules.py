# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read off answers, and what people are told: reports, outcomes, status, settings, bridges."""

from __future__ import annotations

import datetime
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _bridges, _declaration_check, _outcomes, _reports, _rotation, _scram, _status

SLOT = {"login": "x_b", "password": "hunter2", "mark": "4.b", "since": "2026-11-01T00:00:00Z"}
EXPECTED = {"gw1": {"postgres-dev": SLOT}, "gw2": {"postgres-dev": SLOT}}


def said(**changes: object) -> dict:
    """What a host says when all is well, but for ``changes``."""
    well = {
        "placed": {"changed": True},
        "generations": {"bridges": {"postgres-dev": {"credential": "4.b", "changed": True, "error": ""}}},
        "logins": {"logins": {"postgres-dev": {"login": "x_b", "error": ""}}},
    }
    return {**well, **changes}


HOSTS = [
    ({}, ""),
    ({"logins": {"logins": {"postgres-dev": {"login": "", "error": ""}}}}, ""),  # a server that cannot tell its logins; the bridge's mark counts
    ({"placed": {"failed": True, "msg": "disk full"}}, "gw2: disk full"),
    ({"placed": {"unreachable": True}}, "gw2: cannot be reached"),
    ({"generations": {"unreachable": True}}, "gw2: cannot be reached"),
    ({"generations": {}}, "gw2: no answer"),
    ({"generations": {"bridges": {"postgres-dev": {"credential": "3.a", "error": ""}}}}, "gw2: it uses another login"),
    ({"generations": {"bridges": {"postgres-dev": {"credential": "", "error": "refused"}}}}, "gw2: refused"),
    ({"logins": {"failed": True, "msg": "no such host"}}, "gw2: not seen through the gateway: no such host"),
    ({"logins": {"skipped": True}}, "gw2: not seen through the gateway: no answer"),
    ({"logins": {"logins": {"postgres-dev": {"login": "x_a", "error": ""}}}}, "gw2: through the gateway it runs as x_a, not as x_b"),
]


@pytest.mark.parametrize(("changes", "wrong"), HOSTS)
def test_a_host_that_did_not_say_that_it_is_well_is_not(changes: dict, wrong: str) -> None:
    found = _reports.of_hosts({"gw1": said(), "gw2": said(**changes)}, EXPECTED)
    assert found.get("postgres-dev", "").startswith(wrong) and bool(found) is bool(wrong)


def test_settling_asks_the_bridges_and_not_the_gateway() -> None:
    assert _reports.of_settling({"gw1": said(logins={}), "gw2": said(logins={})}, EXPECTED) == {}
    assert _reports.of_settling({"gw1": said()}, EXPECTED) == {"postgres-dev": "gw2: no answer"}


@pytest.mark.parametrize(
    ("report", "wrong"),
    [
        ({"services": {"a": {"error": ""}, "b": {"error": "refused"}}}, {"b": "refused"}),
        ({"services": {"a": {"error": ""}}}, {"b": "the task that talks to the databases did not come to its end"}),
        ({"failed": True, "msg": "no driver"}, {"a": "no driver", "b": "no driver"}),
        ({}, dict.fromkeys("ab", "the task that talks to the databases did not come to its end")),
    ],
)
def test_a_database_that_did_not_say_that_it_is_well_is_not(report: dict, wrong: dict) -> None:
    assert _reports.of_accounts(report, ["a", "b"]) == wrong


def entry(step: str = "", last: str = "", why: str = "") -> dict:
    walk = {"step": step, "slot": "b", "began": "2026-11-23T00:00:00Z", **({"why": why} if step == "back" else {})} if step else None
    held = {"result": last, "at": "2026-11-23T00:00:00Z", "why": why} if last else None
    times = {"changed_at": "2026-11-01T00:00:00Z", "generation": 4}
    return {"kind": "managed", **times, "active": "b", "slots": {"b": SLOT}, "walk": walk, "last": held, "earlier": []}


@pytest.mark.parametrize(
    ("held", "last", "parts"),
    [
        (entry(last="rotated"), "", []),
        (entry(last="failed", why="refused. Next: correct it"), "", ["postgres-dev: refused. Next: correct it. Now (generation 4) it uses x_b as before"]),
        (entry("back", why="gw2: down"), "", ["postgres-dev at step back: gw2: down. Next: correct the cause, then run rotate.yml again.", "both logins work"]),
        (entry("verified"), "the admin was refused", ["at step verified: the admin was refused", "the login before it still works"]),
        (entry("staged"), "", ["it is on its way"]),
    ],
)
def test_what_is_not_well_is_told_with_cause_state_and_next_step(held: dict, last: str, parts: list[str]) -> None:
    rows = _outcomes.of({"credentials": {"postgres-dev": held}}, ["postgres-dev"], {}, {"postgres-dev": last} if last else {}, {})
    told = _outcomes.sentence(rows[0])
    assert bool(told) is bool(parts) and all(part in told for part in parts), told
    assert "hunter2" not in _outcomes.table(rows) + told


def test_a_login_that_was_put_right_is_told_and_one_in_order_is_not() -> None:
    document = {"credentials": {"one": entry(last="rotated"), "two": entry(last="rotated"), "three": entry(last="rotated")}}
    rows = _outcomes.of(document, [], {"three": "cannot be reached"}, {}, {"one": {"changed": ["x_b: password set"]}, "two": {"changed": []}})
    assert [(row["name"], row["result"]) for row in rows] == [("one", "put right"), ("three", "failed")]


NOW = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)
DECLARATION = {"mcp_team": "t", "mcp_rotation": {"every": "30d"}}


@pytest.mark.parametrize(
    ("state", "held", "health", "due", "well"),
    [
        ({"ready": True, "why": "", "credential": "4.b"}, entry(last="rotated"), "ok", "8d", True),
        ({"ready": True, "why": "", "credential": "3.a"}, entry(last="rotated"), "uses another login than the store says", "8d", False),
        ({"ready": False, "why": "no database"}, entry(last="rotated"), "not ready: no database", "8d", False),
        (None, entry(last="rotated"), "host not reached", "8d", False),
        ({"ready": True, "why": ""}, entry(last="failed"), "ok", "8d", False),
        ({"ready": True, "why": "", "credential": "4.b"}, entry("back"), "ok", "8d", False),
        ({"ready": True, "why": ""}, entry(last="rotated") | {"changed_at": "2026-10-20T00:00:00Z"}, "ok", "now", True),
        ({"ready": True, "why": ""}, entry(last="rotated") | {"changed_at": "2026-10-01T00:00:00Z"}, "ok", "overdue, ends in 7d", False),
        ({"ready": True, "why": ""}, entry(last="rotated") | {"kind": "unmanaged"}, "ok", "unmanaged", True),
    ],
)
def test_status_says_what_needs_somebody(state: dict | None, held: dict, health: str, due: str, well: bool) -> None:
    states = None if state is None else {"gateway": {"ready": True, "why": ""}, "postgres-dev": state}
    rows = _status.rows(DECLARATION, {"credentials": {"postgres-dev": held}}, {"gw1": {"services": ["postgres-dev"], "states": states}}, NOW)
    assert [row["service"] for row in rows] == ["gateway", "postgres-dev"]
    assert (rows[1]["health"], rows[1]["due in"], _status.well(rows)) == (health, due, well)


@pytest.mark.parametrize(("why", "health"), [("", "ok"), ("it does not answer", "it does not answer")])
def test_status_has_a_row_for_an_edge(why: str, health: str) -> None:
    told = {"services": [], "states": {"gateway": {"ready": True, "why": ""}}, "edge": {"name": "https://gw:443", "protocol": "TLSv1.3", "why": why}}
    rows = _status.rows(DECLARATION, {"credentials": {}}, {"gw1": told}, NOW)
    assert [row["service"] for row in rows] == ["gateway", "edge"]
    assert (rows[1]["health"], rows[1]["last result"], _status.well(rows)) == (health, "https://gw:443 TLSv1.3", not why)


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"every": "30"}, "mcp_rotation.every"),
        ({"every": "5m"}, "mcp_rotation.every"),
        ({"every": 0}, "mcp_rotation.every"),
        ({"batch": 0}, "mcp_rotation.batch"),
        ({"batch": True}, "mcp_rotation.batch"),
        ({"lease": "1"}, "mcp_rotation.lease"),
        ({"evry": "30d"}, "mcp_rotation.evry"),
        ("30d", "mcp_rotation"),
    ],
)
def test_a_rotation_that_makes_no_sense_is_told_with_its_place(given: object, place: str) -> None:
    found = [problem for problem in _declaration_check.problems({"mcp_rotation": given}) if problem.place.startswith("mcp_rotation")]
    assert [problem.place for problem in found] == [place] and found[0].next_step


def test_a_login_ends_by_itself_a_period_after_it_was_due() -> None:
    assert _rotation.of({"mcp_rotation": {"every": "10d"}}).valid_until({"since": "2026-11-01T00:00:00Z"}) == "2026-11-21T00:00:00Z"
    assert _rotation.of({}).every == datetime.timedelta(days=30)


def test_a_verifier_is_known_by_its_password() -> None:
    # "pencil" with the salt of RFC 7677's example
    verifier = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    assert _scram.matches(verifier, "pencil") is True and _scram.matches(verifier, "pencils") is False
    assert _scram.matches(None, "pencil") is False, "no password at all"
    assert _scram.matches("md5abc", "pencil") is None and _scram.matches(verifier, "pencil é") is None, "only a login can tell"


class FakeBridge(BaseHTTPRequestHandler):
    """Only its status door; a real bridge stands behind tests/integration."""

    status: dict = {}  # noqa: RUF012 - one at a time

    def do_GET(self) -> None:
        self.send_response(200 if self.status.get("status") == "ready" else 503)
        self.end_headers()
        self.wfile.write(json.dumps(self.status).encode())

    def log_message(self, *_arguments: object) -> None:
        """Silence."""


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeBridge)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


def status(**changes: object) -> dict:
    return {"status": "ready", "credential": "3.a", "generation": 1, "in_flight": {"1": 0}, "refused": 0, "trouble": "", **changes}


def bring(port: int, reload: object, **options: object) -> dict:
    bridge = _bridges.Bridge("postgres-dev", port, "4.b", [["reload"]])
    return _bridges.bring([bridge], 2, reload, **options)["postgres-dev"]


def test_a_bridge_with_the_right_login_is_not_touched(port: int) -> None:
    FakeBridge.status = status(credential="4.b", status="not ready")
    assert bring(port, lambda _commands: pytest.fail("reloaded")) == {"credential": "4.b", "changed": False, "error": ""}


def test_a_bridge_is_told_and_waited_for(port: int) -> None:
    FakeBridge.status = status()

    def reload(commands: list) -> str:
        assert commands == [["reload"]]
        FakeBridge.status = status(credential="4.b", generation=2, in_flight={"2": 0})
        return ""

    assert bring(port, reload) == {"credential": "4.b", "changed": True, "error": ""}


@pytest.mark.parametrize(
    ("after", "options", "error"),
    [
        (status(refused=1, trouble="generation 2 was not taken"), {}, "the bridge refused what it was given: generation 2 was not taken"),
        (status(), {}, "it still uses another login"),
        (status(credential="4.b", generation=2, in_flight={"1": 1, "2": 0}), {"drained": True}, "calls are still under way on the login before"),
        (status(credential="4.b", generation=2, in_flight={"2": 0}, status="not ready", why="no database"), {}, "no database"),
    ],
)
def test_a_bridge_that_does_not_get_there_says_why(port: int, after: dict, options: dict, error: str) -> None:
    FakeBridge.status = status()

    def reload(_commands: list) -> str:
        FakeBridge.status = after
        return ""

    assert error in bring(port, reload, **options)["error"]


def test_a_check_touches_nothing(port: int) -> None:
    FakeBridge.status = status()
    assert bring(port, lambda _commands: pytest.fail("reloaded"), check=True) == {"credential": "3.a", "changed": True, "error": ""}


def test_a_bridge_that_is_gone_and_a_command_that_fails_are_told() -> None:
    assert "it does not answer" in bring(1, lambda _commands: "")["error"]
    assert bring(1, lambda _commands: "systemctl ended with 1")["error"] == "systemctl ended with 1"


def test_no_more_bridges_start_servers_at_a_time_than_there_are_processors() -> None:
    """Three of five at a time: whoever was told takes its login when it is asked for the second time, and until then is at work."""
    bridges = [_bridges.Bridge(f"postgres-{number}", number, "4.b", [[str(number)]]) for number in range(5)]
    asked, at_work, most = dict.fromkeys(range(5), 0), set(), []

    def reload(commands: list[list[str]]) -> str:
        at_work.add(int(commands[0][0]))
        most.append(len(at_work))
        return ""

    def ask(port: int) -> dict:
        asked[port] += 1
        if port in at_work and asked[port] > 2:
            at_work.discard(port)
        return status(credential="4.b" if asked[port] > 2 else "3.a")

    told = _bridges.bring(bridges, 2, reload, ask, at_once=3)
    assert all(one == {"credential": "4.b", "changed": True, "error": ""} for one in told.values()) and max(most) == 3


def test_status_says_how_old_secrets_of_our_own_are_and_which_are_on_their_way() -> None:
    values = {"MCP_OWN_SECRETS_SINCE": '{"bearers": "2026-11-20"}', "JWT_SECRET_KEY_BEFORE": "x"}
    now = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)
    rows = {row["own secret"]: (row["age"], row["state"]) for row in _status.own(values, {"rekeyed_at": "2026-11-22T10:00:00Z"}, False, now)}
    assert rows["vault key"] == ("1d", "ok") and rows["bearers"] == ("3d", "ok") and rows["admin"] == ("never changed", "ok")
    assert rows["jwt"] == ("never changed", "on its way, run own_secrets.yml again")
    assert _status.well([], _status.own({}, {}, False, now)) and not _status.well([], _status.own({}, {}, True, now))
