# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that behave: they ask, wait, and expect their own answer whatever goes on around them."""

from __future__ import annotations

import asyncio
import itertools
import secrets

from tests.bench.channel import LOST, ask, request
from tests.bench.http1 import HttpChannel
from tests.soak.counts import Counts
from tests.soak.raw import Door

PAUSE = 0.01  # between two calls of one client: this is a test of endurance, not of speed
PATIENCE = 60.0


def question(numbers: itertools.count, rows: int = 0) -> tuple[bytes, bytes]:
    """A marker that only this call has, and the parameters of a call that gives it back; ``rows`` make the database work for a while."""
    marker = b"soak-%s-%d-end" % (secrets.token_hex(4).encode(), next(numbers))
    work = b", (SELECT count(*) FROM generate_series(1, %d)) AS work" % rows if rows else b""
    return marker, b'{"name":"query","arguments":{"sql":"SELECT \'%s\' AS marker%s"}}' % (marker, work)


async def caller(door: Door, counts: Counts, over: asyncio.Event) -> None:
    """One connection that is kept for many calls."""
    channel, numbers = HttpChannel(door.url, door.headers), itertools.count(2)
    await channel.open()
    try:
        while not over.is_set():
            marker, params = question(numbers)
            status, body = await ask(channel, 7, "tools/call", params, PATIENCE)  # every client uses the same id
            counts.answer(marker, status, body)
            if status == LOST:
                await channel.open()
            await asyncio.sleep(PAUSE)
    except TimeoutError:
        counts.wrong(f"a call got no answer in {PATIENCE:g} s")
    finally:
        channel.close()


async def listener(door: Door, counts: Counts, over: asyncio.Event) -> None:
    """The older transport: a stream for a few calls, closed and opened again."""
    numbers = itertools.count(2)
    while not over.is_set():
        async with door.stream() as stream:
            counts.streams += 1
            try:
                place = await stream.event(PATIENCE)
                for _ in range(5):
                    marker, params = question(numbers)
                    status, _body = await door.post(place.decode(), request(7, "tools/call", params))
                    if status != 202:
                        counts.wrong(f"a message to a stream was answered with {status}")
                        break
                    counts.answer(marker, 200, await stream.event(PATIENCE))
            except (OSError, EOFError, TimeoutError) as error:
                counts.wrong(f"a stream broke: {type(error).__name__} {error}")
        await asyncio.sleep(PAUSE)
