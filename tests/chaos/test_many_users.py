# SPDX-License-Identifier: GPL-3.0-or-later
"""U2 at length: many people with logins of their own, in processes of their own and in dense ones, at the bridge and through the gateway."""

from __future__ import annotations

import asyncio
import json
import os
import random
from pathlib import Path

import httpx
import pytest

from tests.integration.users_bridge import WHO, Databases, Person, UsersBridge, is_right, rounds, running

CALLS = 20_000
THROUGH_THE_GATEWAY = 2_000
COMERS = int(os.environ.get("MCP_CHAOS_COMERS", "10000"))
SERVER = "demo-dev-postgres-users"
#: How many people, and how many of their calls are under way at a time.
APART = {"postgres": (30, 16), "mongodb": (10, 4)}
DENSE = {"postgres": (200, 32), "mongodb": (200, 16)}


@pytest.fixture(scope="module")
def databases(demo) -> Databases:
    return Databases(demo)


@pytest.mark.parametrize("engine", APART)
def test_u2_processes_of_their_own_20000_calls_none_as_another(demo, databases, tmp_path, engine) -> None:
    number, at_once = APART[engine]
    people, calls = databases.crowd(engine, number), CALLS * number // 40
    with running(demo, engine, tmp_path, {"most": number}) as bridge:
        assert rounds(bridge, people, calls, at_once, engine) == [], bridge.log[-2000:]
        assert len(bridge.people()) == number and bridge.status()["evicted"] == 0


@pytest.mark.parametrize("engine", DENSE)
def test_u2_dense_200_people_20000_calls_none_as_another(demo, databases, tmp_path, engine) -> None:
    number, at_once = DENSE[engine]
    people = databases.crowd(engine, number)
    with running(demo, engine, tmp_path, {"dense": True, "idle_seconds": 3600}) as bridge:
        assert rounds(bridge, people, CALLS // 2, at_once, engine) == [], bridge.log[-2000:]
        assert len(bridge.people()) == number


def test_u2_2000_calls_through_the_gateway_none_as_another(demo, databases) -> None:
    """The demo's own service for people, with those who are not its own."""
    people = databases.crowd("postgres", 20)
    entry = json.loads((demo.home / "client-alice.json").read_text())["mcpServers"][SERVER]
    shared = {name: value for name, value in entry["headers"].items() if not name.startswith("X-Database")}
    shared |= {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
    wrong: list[str] = []

    async def run() -> None:
        places = asyncio.Semaphore(8)
        async with httpx.AsyncClient(timeout=120) as client:

            async def one(person: Person) -> None:
                body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": f"{SERVER}-query", "arguments": {"sql": WHO}}}
                async with places:
                    answer = (await client.post(entry["url"], json=body, headers={**shared, **person.headers})).json()
                if not is_right("postgres", person, answer):
                    wrong.append(f"{person.login}: {answer}")

            await asyncio.gather(*(one(random.choice(people)) for _ in range(THROUGH_THE_GATEWAY)))

    asyncio.run(run())
    assert wrong == []


def of_the_bridge(bridge: UsersBridge) -> tuple[int, int]:
    """Open descriptors, and KiB of memory that are its own."""
    pid = bridge.pid()
    memory = sum(int(line.split()[1]) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if line.startswith("Private_"))
    return len(list(Path(f"/proc/{pid}/fd").iterdir())), memory


def test_u2_people_come_and_go_and_nothing_grows(demo, databases, tmp_path) -> None:
    """Each comes once, with a new password, does one call and is never seen again: as many digests, checks, sessions and connections as there are people."""
    names = [Person(f"crowd{count}") for count in range(50)]
    with running(demo, "postgres", tmp_path, {"dense": True, "most": 20}) as bridge:

        def come(number: int) -> None:
            for _ in range(number // len(names)):
                people = [Person(one.login) for one in names]
                databases.add_postgres(*people)
                assert rounds(bridge, people, len(people), 8) == [], bridge.log[-2000:]

        come(COMERS // 5)
        before = of_the_bridge(bridge)
        come(COMERS - COMERS // 5)
        after = of_the_bridge(bridge)
        print(f"{COMERS} people: descriptors {before[0]} -> {after[0]}, KiB {before[1]} -> {after[1]}")
        assert after[0] <= before[0] + 10 and after[1] <= before[1] * 1.1 + 2048
        assert bridge.status()["users"]["processes"] <= 20
