# SPDX-License-Identifier: GPL-3.0-or-later
"""One contender, once: start-up, memory, and a load at each number of callers. Cold starts are no part of a load: each has its own warm-up."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from tests.bench import usage
from tests.bench.channel import Channel
from tests.bench.contenders import BARE, Contender, started
from tests.bench.database import Wrapped
from tests.bench.figures import quantiles
from tests.bench.http1 import HttpChannel
from tests.bench.load import Tally, drive
from tests.bench.stdio import StdioChannel
from tests.wrappers.process import Running

READY_SECONDS, POLL_SECONDS, SETTLE_SECONDS = 60.0, 0.01, 1.0
WARM_SECONDS, WARM_CALLS = 3.0, 1500  # a warm-up ends with either: the wrapped server gets faster with its first thousand calls, whoever wraps it
ONE_CALL = 0.0  # a load that ends with its first answer


@dataclass
class Measured:
    """``loads``: by number of callers. Memory in MiB, as a pair: the wrapper, what it wraps; None where it cannot be known."""

    ready: float = 0.0
    idle: tuple[float | None, float | None] = (None, None)
    loaded: tuple[float | None, float | None] = (None, None)
    loads: dict[str, dict] = field(default_factory=dict)


async def _first_answer(running: Running) -> None:
    end = time.monotonic() + READY_SECONDS
    while running.alive() and time.monotonic() < end:
        channel = HttpChannel(running.url, running.headers)
        with contextlib.suppress(OSError, TimeoutError):
            await channel.open()
            answered = (await drive([channel], ONE_CALL)).right
            await channel.leave()
            if answered:
                return
        channel.close()
        await asyncio.sleep(POLL_SECONDS)
    raise RuntimeError(f"{running.name} gives no answer; {_last_words(running)}")


def _last_words(running: Running) -> str:
    state = "it runs" if running.alive() else f"it ended with {running.process.returncode}"
    return f"{state} and said:\n{running.log.read_text(errors='replace')[-2000:]}"


def _load(tally: Tally, wrapper: float, child: float) -> dict:
    calls = max(1, tally.right + tally.wrong)
    figures = {
        "right_per_second": tally.right / tally.seconds,
        **quantiles(tally.latencies),
        "cpu_wrapper": wrapper / calls * 1000,
        "cpu_child": child / calls * 1000,
    }
    return figures | {"right": tally.right, "wrong": tally.wrong, "failed": tally.failed}


async def _loaded(channels: list[Channel], seconds: float, pids: Callable[[], tuple[list[int], list[int]]]) -> dict:
    await drive(channels, WARM_SECONDS, WARM_CALLS)
    wrapper, child = pids()
    before = usage.processor(wrapper), usage.processor(child)
    tally = await drive(channels, seconds)
    return _load(tally, usage.processor(wrapper) - before[0], usage.processor(child) - before[1])


async def _wrapper(contender: Contender, wrapped: Wrapped, callers: list[int], seconds: float) -> Measured:
    measured, began = Measured(), time.monotonic()
    with started(contender, wrapped) as running:

        def pids() -> tuple[list[int], list[int]]:
            children = running.servers()
            return [running.pid, *(pid for pid in running.descendants() if pid not in children)], children

        def memory() -> tuple[float | None, float | None]:
            return tuple(usage.pss(some) for some in pids())

        await _first_answer(running)
        measured.ready = time.monotonic() - began
        await asyncio.sleep(SETTLE_SECONDS)
        measured.idle = memory()
        for number in callers:
            channels = [HttpChannel(running.url, running.headers) for _ in range(number)]
            try:
                await asyncio.gather(*(channel.open() for channel in channels))
            except OSError as error:
                raise RuntimeError(f"{running.name} takes no callers any more ({error}); {_last_words(running)}") from None
            measured.loads[str(number)] = await _loaded(channels, seconds, pids)
            measured.loaded = memory()
            await asyncio.gather(*(channel.leave() for channel in channels))
    return measured


async def _bare(wrapped: Wrapped, callers: list[int], seconds: float) -> Measured:
    measured, began = Measured(), time.monotonic()
    channel = StdioChannel(wrapped)
    try:
        await channel.open()
        await drive([channel], ONE_CALL)
        measured.ready = time.monotonic() - began
        await asyncio.sleep(SETTLE_SECONDS)
        pid = [channel.process.pid]
        measured.idle = (None, usage.pss(pid))
        for number in callers:
            measured.loads[str(number)] = await _loaded([channel] * number, seconds, lambda: ([], pid))
            measured.loaded = (None, usage.pss(pid))
    finally:
        channel.close()
    return measured


def measure(contender: Contender, wrapped: Wrapped, callers: list[int], seconds: float) -> dict:
    """From the main thread: what is started ends with the thread that started it."""
    if contender.name == BARE:
        return asdict(asyncio.run(_bare(wrapped, callers, seconds)))
    return asdict(asyncio.run(_wrapper(contender, wrapped, callers, seconds)))
