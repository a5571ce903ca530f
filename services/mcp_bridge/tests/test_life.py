# SPDX-License-Identifier: GPL-3.0-or-later
"""Generations, restarts, deadlines and bounds, on a real bridge with a real child. What callers may do to each other is in tests/conformance."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable

import httpx
import pytest

from mcp_bridge.audit import broken
from running_bridge import TOKEN, Running, lives, wait_for


async def load(bridge: Running, callers: int, until: asyncio.Event) -> tuple[int, list]:
    """Calls answered right, and what went wrong; each caller has markers of its own and all use the same ids."""
    right, wrong = 0, []

    async def caller(number: int) -> None:
        nonlocal right
        async with bridge.client() as client:
            count = 0
            while not until.is_set():
                count += 1
                marker = f"{number}/{count}"
                body = {"jsonrpc": "2.0", "id": count, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": marker}}}
                try:
                    answer = (await client.post("/mcp", json=body)).json()
                except (httpx.TransportError, ValueError) as error:
                    wrong.append(repr(error))
                    continue
                if answer.get("id") == count and "result" in answer and json.loads(answer["result"]["content"][0]["text"])["text"] == marker:
                    right += 1
                else:
                    wrong.append(answer)

    await asyncio.gather(*(caller(number) for number in range(callers)))
    return right, wrong


def under_load(bridge: Running, disturb: Callable[[], None], callers: int = 32) -> tuple[int, list]:
    async def run() -> tuple[int, list]:
        until = asyncio.Event()
        work = asyncio.create_task(load(bridge, callers, until))
        await asyncio.sleep(0.2)
        try:
            await asyncio.to_thread(disturb)
        finally:
            until.set()
        return await work

    return asyncio.run(run())


def test_b1_reload_under_32_callers_loses_nothing_and_mixes_nothing(start) -> None:
    bridge = start()
    first = set(bridge.children())

    def reload() -> None:
        for number in range(1, 11):
            bridge.process.send_signal(signal.SIGHUP)
            wait_for(lambda wanted=number: bridge.status()["reloads"] == wanted, 20, "the next generation is taken")

    right, wrong = under_load(bridge, reload)
    assert wrong == [] and right > 100
    assert bridge.status()["generation"] == 11
    wait_for(lambda: len(bridge.children()) == 1 and not set(bridge.children()) & first, 10, "older generations are gone")


def test_a_generation_whose_secrets_are_missing_is_not_taken_and_the_old_one_goes_on(start, tmp_path) -> None:
    env = tmp_path / "env.json"
    env.write_text(json.dumps({"process": {}, "wrapped": {"SECRET_OF_ONE": "1"}}))
    bridge = start(env_file=str(env))
    before = bridge.children()
    env.unlink()
    bridge.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "was not taken" in bridge.status()["trouble"], 10, "the refusal is told")
    assert bridge.children() == before and bridge.status()["generation"] == 1
    env.write_text(json.dumps({"process": {}, "wrapped": {"SECRET_OF_TWO": "2"}}))
    bridge.process.send_signal(signal.SIGHUP)
    wait_for(lambda: bridge.status()["generation"] == 2, 10, "the next one is taken")
    text = json.dumps(bridge.call("environment"))
    assert "SECRET_OF_TWO" in text and "SECRET_OF_ONE" not in text and "MCP_BRIDGE_TOKEN" not in text


def test_a_child_that_dies_during_a_reload_does_not_come_back_with_old_secrets(start) -> None:
    bridge = start()
    for number in range(1, 9):
        dying = bridge.children()
        bridge.process.send_signal(signal.SIGHUP)
        time.sleep(0.02 * (number % 4))  # at several moments of the reload
        for child in dying:
            with contextlib.suppress(ProcessLookupError):  # the reload was faster
                os.kill(child, signal.SIGKILL)
        wait_for(lambda wanted=number: bridge.status()["reloads"] == wanted, 20, "the next generation is taken")
        wait_for(lambda: len(bridge.children()) == 1, 10, "one server, and no other beside it")
        assert bridge.status()["generation"] == number + 1
        assert bridge.status()["in_flight"] == {str(number + 1): 0}
        assert "result" in bridge.call("environment")


def test_b2_a_killed_child_costs_at_most_the_calls_in_flight(start) -> None:
    bridge = start()

    def kill() -> None:
        for _ in range(5):
            (child,) = bridge.children()
            os.kill(child, signal.SIGKILL)
            wait_for(lambda dead=child: bridge.children() and dead not in bridge.children(), 10, "another child")
            time.sleep(0.3)  # some calls in between

    right, wrong = under_load(bridge, kill)
    assert right > 100 and len(wrong) <= 5 * 32
    assert all(answer["error"]["code"] in (-32001, -32004) for answer in wrong), wrong[:3]


def test_b2_a_killed_bridge_leaves_no_orphan_and_its_socket_refuses_nobody(start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.set_inheritable(True)
        bridge = start(listening=listening)
        children = bridge.children()
        bridge.process.kill()
        bridge.process.wait()
        wait_for(lambda: not any(lives(pid) for pid in children), 1, "no orphan")
        early = socket.create_connection(("127.0.0.1", bridge.port), timeout=5)  # while no bridge runs: it waits in the socket's queue
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        head = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{bridge.port}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
        early.sendall((head + body).encode())
        start(listening=listening)
        early.settimeout(20)
        assert b"200 OK" in early.recv(1000)
        early.close()


def test_a_bridge_that_is_restarted_under_load_fails_no_call(start) -> None:
    """Its callers keep their connections: none of these is closed under a request that is on its way."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        listening.set_inheritable(True)
        bridge = start(listening=listening)

        def restart() -> None:
            running = bridge
            for _ in range(3):
                running.stop()
                running = start(listening=listening)

        right, wrong = under_load(bridge, restart)
    assert wrong == [] and right > 100


def test_b3_a_call_that_takes_too_long_is_cancelled_at_the_server_and_the_next_one_gets_its_own_answer(start) -> None:
    bridge = start(limits={"call_seconds": 1})
    answer = bridge.call("sleep", seconds=3, text="late")
    assert answer["error"]["code"] == -32003 and "1 s" in answer["error"]["message"]
    assert "late" not in json.dumps(bridge.call("echo", text="mine"))


def test_b3_more_calls_than_fit_are_refused_at_once(start) -> None:
    bridge = start(limits={"max_in_flight": 2})

    async def run() -> list[dict]:
        async with bridge.client() as client:
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "sleep", "arguments": {"seconds": 1, "text": "x"}}}
            return [answer.json() for answer in await asyncio.gather(*(client.post("/mcp", json=body) for _ in range(6)))]

    answers = asyncio.run(run())
    assert sum("result" in answer for answer in answers) == 2
    assert [answer["error"]["code"] for answer in answers if "error" in answer] == [-32004] * 4


@pytest.mark.parametrize("sql", ["DELETE FROM orders", "SELECT 1; COMMIT", "SELECT pg_sleep(100)"])
def test_the_sql_guard_stands_before_the_server(start, sql) -> None:
    bridge = start(engine="postgres", door="/healthz")
    answer = bridge.call("query", sql=sql)
    assert answer["result"]["isError"] and "Refused by the guard" in answer["result"]["content"][0]["text"]


def test_the_door_for_a_glance_tells_what_readyz_tells_and_asks_the_server_nothing(start) -> None:
    bridge = start(engine="postgres", door="/healthz")  # of which no question gets an answer
    ready = httpx.get(f"{bridge.url}/readyz", timeout=60)  # waits until its server lives
    alive = httpx.get(f"{bridge.url}/healthz")
    assert (alive.status_code, alive.json()["status"], ready.status_code) == (200, "alive", 503)
    told = ("service", "generation", "credential", "tls", "in_flight")
    assert {name: alive.json()[name] for name in told} == {name: ready.json()[name] for name in told}


def test_each_call_leaves_one_line_without_values(start) -> None:
    bridge = start()
    bridge.call("echo", text="a-value-that-is-nobodys-business")
    bridge.rpc("tools/list")
    bridge.rpc("ping")
    assert broken(bridge.audit) is None
    lines = [json.loads(line) for line in bridge.audit.read_text().splitlines()]
    assert [(line["method"], line["tool"], line["outcome"]) for line in lines] == [("tools/call", "echo", "ok"), ("tools/list", None, "ok")]
    assert "nobodys-business" not in bridge.audit.read_text() and TOKEN not in bridge.audit.read_text()


def test_metrics_are_told(start) -> None:
    bridge = start()
    bridge.call("echo", text="x")
    text = httpx.get(f"{bridge.url}/metrics").text
    assert 'mcp_bridge_calls_total{outcome="ok",service="stub"} 1.0' in text and 'mcp_bridge_up{service="stub"} 1.0' in text
