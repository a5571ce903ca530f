# SPDX-License-Identifier: GPL-3.0-or-later
"""How many calls one client may make."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import pytest

from tests.unit.test_gateway_front import SERVER, front

SPEC = importlib.util.spec_from_file_location("rate", Path(__file__).parents[2] / "roles/gateway/files/mcp_gateway_rate.py")
rate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(rate)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def request(token: str = "", address: str = "192.0.2.1") -> list[tuple[bytes, bytes]]:
    headers = [(b"x-edge-client", address.encode())]
    return [*headers, (b"authorization", f"Bearer {token}".encode())] if token else headers


def scope(headers: list[tuple[bytes, bytes]], method: str = "POST") -> dict:
    return {"type": "http", "method": method, "headers": headers}


def person(bearer: bytes) -> str:
    return "alice@example.com" if bearer.startswith(b"Bearer good") else ""


def test_a_burst_passes_then_it_goes_by_the_second(clock: Clock) -> None:
    bound = rate.Rate(10, 5, clock)
    assert [bound.wait("a") for _ in range(6)] == [0, 0, 0, 0, 0, 1]
    clock.now += 0.1
    assert [bound.wait("a"), bound.wait("a")] == [0, 1]
    clock.now += 1000
    assert [bound.wait("a") for _ in range(6)] == [0, 0, 0, 0, 0, 1], "nobody saves up more than a burst"


def test_refused_calls_cost_nothing_so_that_waiting_helps(clock: Clock) -> None:
    bound = rate.Rate(1, 1, clock)
    assert bound.wait("a") == 0 and all(bound.wait("a") for _ in range(100))
    clock.now += 1
    assert bound.wait("a") == 0


def test_one_client_does_not_use_up_anothers(clock: Clock) -> None:
    bound = rate.Rate(1, 2, clock)

    def ask(*given: str) -> int:
        return rate.seconds_to_wait(bound, scope(request(*given)), person)

    assert [ask("good-1"), ask("good-1"), ask("good-1")] == [0, 0, 1]
    assert ask("good-2") == 0, "another token behind the same address"
    assert ask("bad-1") == 0 and ask("bad-2") > 0, "who guesses uses up the address's, whatever the guess"
    assert ask() > 0 and ask("bad", "192.0.2.2") == 0
    assert ask("good-2") == 0


def test_a_page_is_read_at_the_price_of_a_call_and_a_guess_is_dearer(clock: Clock) -> None:
    bound = rate.Rate(1, 10, clock)
    assert all(rate.seconds_to_wait(bound, scope(request(), "GET"), person) == 0 for _ in range(8))
    assert rate.seconds_to_wait(bound, scope([*request(), (b"authorization", b"Bearer ")], "GET"), person) == 0, "which is none"
    assert rate.seconds_to_wait(bound, scope(request("bad"), "GET"), person) > 0 and rate.seconds_to_wait(bound, scope(request()), person) > 0
    assert rate.seconds_to_wait(bound, scope(request(), "HEAD"), person) == 0


def test_a_network_of_ipv6_is_one_client() -> None:
    one, other, far = (rate.address(request(address=text)) for text in ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"))
    assert one == other != far
    assert rate.address(request(address="fe80::1%eth0")) == "fe80::/64" and rate.address(request(address="x")) == "unknown"


def test_what_does_not_come_through_the_edge_is_not_counted(clock: Clock) -> None:
    bound = rate.Rate(1, 1, clock)
    assert all(rate.seconds_to_wait(bound, scope([(b"authorization", b"Bearer good")]), person) == 0 for _ in range(10))
    assert all(rate.seconds_to_wait(None, scope(request("good")), person) == 0 for _ in range(10))


def test_two_bearers_are_none(clock: Clock) -> None:
    bound = rate.Rate(1, 1, clock)
    both = [*request("good-1"), (b"authorization", b"Bearer good-2")]
    assert rate.seconds_to_wait(bound, scope(both), person) == 0 and rate.seconds_to_wait(bound, scope(request("bad")), person) > 0


def test_memory_ends_somewhere(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "MOST", 10)
    bound = rate.Rate(1, 1, clock)
    for number in range(1000):
        bound.wait(str(number))
    assert len(bound._buckets) == 10


@pytest.mark.parametrize(("told", "there"), [({}, False), ({"MCP_EDGE_CALLS_PER_SECOND": "5"}, True), ({"MCP_EDGE_CALLS_PER_SECOND": "0"}, False)])
def test_bounds_come_from_the_deploy(told: dict, there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MCP_EDGE_CALLS_PER_SECOND", raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert (rate.of_environment() is not None) is there


def test_the_filter_turns_away_who_calls_too_often_before_anything_else() -> None:
    told, reached = [], []

    async def gateway(scope: dict, _receive: object, _send: object) -> None:
        reached.append(scope["headers"])

    async def send(message: dict) -> None:
        told.append(message)

    app = front.behind_filter(gateway, wait=lambda scope: 3)
    asyncio.run(app({"type": "http", "path": SERVER, "headers": request("good")}, None, send))
    assert told[0]["status"] == 429 and (b"retry-after", b"3") in told[0]["headers"] and not reached
    app = front.behind_filter(gateway, wait=lambda scope: 0)
    asyncio.run(app({"type": "http", "path": SERVER, "headers": request("good")}, None, send))
    assert reached == [[(b"authorization", b"Bearer good")]], "what the edge says of the address goes no further"
