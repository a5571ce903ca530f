# SPDX-License-Identifier: GPL-3.0-or-later
"""Rounds: all clients at once for some seconds, a reload or a kill in the middle, then nobody, and a look at what is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Callable

from tests.soak.bad_clients import dropper, stream_dropper
from tests.soak.counts import Counts
from tests.soak.good_clients import caller, listener
from tests.soak.raw import Door
from tests.soak.rest import Rest, come_to_rest, look, own_processes
from tests.wrappers.process import Running

CLIENTS = [caller] * 4 + [dropper] * 4 + [listener] * 2 + [stream_dropper] * 2
FEWEST_ROUNDS, LONGEST_ROUND = 12, 10.0
READY_SECONDS = 60.0
DURING_A_RELOAD = 0.3
LAST_WORDS = 90.0  # for clients that wait for an answer when a round is over


async def disturb(number: int, running: Running, counts: Counts) -> None:
    """A reload in every second round, the wrapped server's death in every third; in every sixth it dies while its successor is being started."""
    if number % 2:
        counts.reloads += 1
        os.kill(running.pid, signal.SIGHUP)
    if number % 3 == 2:
        await asyncio.sleep(random.uniform(0, DURING_A_RELOAD))
        for pid in running.servers()[:1]:
            counts.killed()
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


async def one_round(number: int, seconds: float, running: Running, door: Door, counts: Counts) -> None:
    over = asyncio.Event()
    clients = [asyncio.create_task(client(door, counts, over)) for client in CLIENTS]
    await asyncio.sleep(seconds / 2)
    await disturb(number, running, counts)
    await asyncio.sleep(seconds / 2)
    over.set()
    _done, late = await asyncio.wait(clients, timeout=LAST_WORDS)
    for client in clients:
        if client in late:
            client.cancel()
            counts.wrong("a client did not come to an end")
        elif (error := client.exception()) is not None:
            counts.wrong(f"a client failed: {type(error).__name__} {error}")


async def soak(running: Running, seconds: float, counts: Counts, tell: Callable[[Rest, Counts], None]) -> list[Rest]:
    """The rests after all rounds."""
    door, rests = Door(running.url, running.headers), []
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if (await door.get("/readyz"))[0] == 200:
                break
        await asyncio.sleep(0.1)
    began, processes = time.monotonic(), len(own_processes(running))
    length = min(LONGEST_ROUND, seconds / FEWEST_ROUNDS)
    while time.monotonic() - began < seconds or len(rests) < FEWEST_ROUNDS:
        await one_round(len(rests), length, running, door, counts)
        await come_to_rest(running, door, processes)
        rests.append(await look(running, door, began))
        tell(rests[-1], counts)
    return rests
