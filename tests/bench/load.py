# SPDX-License-Identifier: GPL-3.0-or-later
"""A closed loop: N callers, each asks again as soon as it is answered, each looks for its own marker in what it gets."""

from __future__ import annotations

import asyncio
import re
import secrets
import sys
import time
from dataclasses import dataclass, field

from tests.bench.channel import Channel

MARKER = re.compile(rb"m[0-9a-f]{8}c\d+n\d+z")
PATIENCE = 15.0  # seconds that a call may stay without an answer after the end of the load
FIRST_ID = 2  # official clients count from the same number, all of them


@dataclass
class Tally:
    """What came of one load. ``wrong``: an answer with somebody else's marker. ``failed``: no answer, or one without any marker."""

    callers: int
    seconds: float = 0.0
    right: int = 0
    wrong: int = 0
    failed: int = 0
    latencies: list[float] = field(default_factory=list)  # of the right ones, in seconds


class _Caller:
    def __init__(self, number: int, channel: Channel, tally: Tally, salt: str, end: float, most: int) -> None:
        self._channel, self._tally, self._end, self._most = channel, tally, end, most
        self._prefix = f"m{salt}c{number}n".encode()
        self._count, self._began, self._marker = 0, 0.0, b""
        self.finished: asyncio.Future = asyncio.get_running_loop().create_future()

    def ask(self) -> None:
        self._marker = b"%s%dz" % (self._prefix, self._count)
        params = b'{"name":"query","arguments":{"sql":"SELECT \'%s\' AS marker"}}' % self._marker
        self._count += 1
        self._began = time.perf_counter()
        self._channel.send(self._count + FIRST_ID, "tools/call", params, self._answered)

    def _answered(self, status: int, body: bytes) -> None:
        now, tally = time.perf_counter(), self._tally
        if self.finished.done():
            return
        if status == 200 and self._marker in body:
            tally.right += 1
            tally.latencies.append(now - self._began)
        elif MARKER.search(body):
            tally.wrong += 1
        else:
            tally.failed += 1
            if status == 0:  # the connection is gone, and with it this caller
                self.finished.set_result(None)
                return
        if now < self._end and tally.right + tally.wrong < self._most:
            self.ask()
        else:
            self.finished.set_result(None)


async def drive(channels: list[Channel], seconds: float, most: int = sys.maxsize) -> Tally:
    """One caller for each channel, for that long or for that many answers, whichever is reached first."""
    tally, salt, began = Tally(len(channels)), secrets.token_hex(4), time.perf_counter()
    callers = [_Caller(number, channel, tally, salt, began + seconds, most) for number, channel in enumerate(channels)]
    for caller in callers:
        caller.ask()
    _done, late = await asyncio.wait([caller.finished for caller in callers], timeout=seconds + PATIENCE)
    tally.seconds = time.perf_counter() - began
    tally.failed += len(late)
    for future in late:
        future.set_result(None)
    return tally
