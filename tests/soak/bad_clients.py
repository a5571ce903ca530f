# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that leave: before they said anything, in the middle of a sentence, while their call runs, in the middle of the answer."""

from __future__ import annotations

import asyncio
import itertools
import random

from tests.bench.channel import request
from tests.soak.counts import Counts
from tests.soak.good_clients import question
from tests.soak.raw import Door

PAUSE = 0.01
WORK_ROWS = 200_000  # some ten milliseconds of the database's time: long enough to leave in the middle


async def dropper(door: Door, counts: Counts, over: asyncio.Event) -> None:
    """Leaves at every stage of a request, in turn. Nothing that it gets is of interest; what it leaves behind is."""
    numbers = itertools.count(2)
    stages = itertools.cycle((_at_once, _within_the_head, _within_the_body, _while_it_runs, _within_the_answer, _with_nonsense))
    while not over.is_set():
        _marker, params = question(numbers, WORK_ROWS)
        try:
            async with door.connection() as (reader, writer):
                await next(stages)(door, reader, writer, request(7, "tools/call", params), counts)
        except (OSError, asyncio.IncompleteReadError):
            pass  # it was closed on us: also an end
        counts.dropped += 1
        await asyncio.sleep(PAUSE)


async def _at_once(_door: Door, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, _body: bytes, _counts: Counts) -> None:
    return


async def _within_the_head(door: Door, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes, _counts: Counts) -> None:
    head = door.head("POST", "/mcp", len(body))
    writer.write(head[: random.randrange(1, len(head) - 1)])
    await asyncio.sleep(0.005)


async def _within_the_body(door: Door, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes, _counts: Counts) -> None:
    writer.write(door.head("POST", "/mcp", len(body)) + body[: len(body) // 2])
    await asyncio.sleep(0.005)


async def _while_it_runs(door: Door, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes, counts: Counts) -> None:
    writer.write(door.head("POST", "/mcp", len(body)) + body)
    await asyncio.sleep(random.uniform(0.001, 0.02))
    counts.cancelled += 1


async def _within_the_answer(door: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes, _counts: Counts) -> None:
    writer.write(door.head("POST", "/mcp", len(body)) + body)
    async with asyncio.timeout(30):
        await reader.readexactly(20)


async def _with_nonsense(_door: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _body: bytes, _counts: Counts) -> None:
    writer.write(random.randbytes(200) + b"\r\n\r\n")
    async with asyncio.timeout(30):
        await reader.read(100)


async def stream_dropper(door: Door, counts: Counts, over: asyncio.Event) -> None:
    """Opens streams of the older transport and drops them: before the first event, after it, and with a call in flight."""
    numbers = itertools.count(2)
    for stage in itertools.cycle(range(3)):
        if over.is_set():
            return
        try:
            async with door.stream() as stream:
                counts.streams += 1
                if stage:
                    place = await stream.event(30)
                if stage == 2:
                    _marker, params = question(numbers, WORK_ROWS)
                    await door.post(place.decode(), request(7, "tools/call", params))
                    counts.cancelled += 1
        except (OSError, EOFError, TimeoutError) as error:
            counts.wrong(f"a stream did not open: {type(error).__name__}")
        await asyncio.sleep(PAUSE)
