# SPDX-License-Identifier: GPL-3.0-or-later
"""A steady load through the gateway over all services, and what became of each call while something else happened."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.integration.conftest import Demo

CALLERS, PAUSE = 8, 0.1  # seconds between two calls of one caller


@dataclass
class Load:
    """What was measured. ``wrong``: failed, or answered with somebody else's rows. ``seconds``: of each call, with the moment at which it began.

    ``failed_at``: the moments at which calls began of which ``wrong`` tells, in the same order.
    """

    wrong: list[str] = field(default_factory=list)
    failed_at: list[float] = field(default_factory=list)
    seconds: list[tuple[float, float]] = field(default_factory=list)
    logins: set[str] = field(default_factory=set)

    @property
    def longest(self) -> float:
        return max(took for _began, took in self.seconds)


@contextmanager
def under_load(demo: Demo) -> Iterator[Load]:
    """8 callers over postgres and mongodb, dev and prod, until the block ends; then ``load`` says what they saw."""
    load, stop = Load(), threading.Event()

    async def run() -> None:
        await asyncio.gather(*(_caller(demo, number, load, stop) for number in range(CALLERS)))

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        yield load
    finally:
        stop.set()
        thread.join()


async def _caller(demo: Demo, number: int, load: Load, stop: threading.Event) -> None:
    engine, environment = ("postgres", "mongodb")[number % 2], ("dev", "prod")[number // 2 % 2]
    count = 0
    async with httpx.AsyncClient(timeout=60) as client:
        while not stop.is_set():
            count += 1
            began = time.monotonic()
            try:
                await _ask(client, demo.clients[f"demo-{environment}"], engine, environment, f"caller {number} call {count}", load)
            except Exception as error:  # whatever it was, the call failed
                load.failed_at.append(began)
                load.wrong.append(f"caller {number} call {count} at {engine}-{environment}: {type(error).__name__} {error}")
            load.seconds.append((began, time.monotonic() - began))
            await asyncio.sleep(PAUSE)


async def _ask(client: httpx.AsyncClient, entry: dict, engine: str, environment: str, marker: str, load: Load) -> None:
    """Raises when the answer is not this caller's own."""
    headers = {**entry["headers"], "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
    if engine == "postgres":
        tool, arguments = "query", {"sql": f"SELECT '{marker}' AS marker, current_database() AS database, session_user AS login"}
    else:
        pipeline = [{"$match": {"_id": 1}}, {"$project": {"environment": 1, "marker": {"$literal": marker}}}]
        tool, arguments = "aggregate", {"connectionId": "preconfigured", "database": f"shop_{environment}", "collection": "reviews", "pipeline": pipeline}
    params = {"name": f"demo-{environment}-{engine}-{tool}", "arguments": arguments}
    answer = await client.post(entry["url"], json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, headers=headers)
    result = answer.json()["result"]
    text = "\n".join(block["text"] for block in result["content"])
    if result.get("isError"):
        raise RuntimeError(text[:300])
    if engine == "postgres":
        (row,) = json.loads(text)
        assert (row["marker"], row["database"]) == (marker, f"shop_{environment}"), text[:300]
        load.logins.add(row["login"])
    else:
        assert marker in text and f'"{environment}"' in text, text[:300]
