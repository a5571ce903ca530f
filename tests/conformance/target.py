# SPDX-License-Identifier: GPL-3.0-or-later
"""The wrapper that a case talks to: one that the suite has started, or one of which only the address is known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.conformance.client import HANDSHAKE, Client, Reply
from tests.conformance.verdict import Tally
from tests.wrappers.process import Running

RECOVERY_SECONDS = 5


@dataclass
class Target:
    url: str
    headers: dict[str, str]
    sse_url: str | None = None
    running: Running | None = None

    @classmethod
    def of(cls, running: Running) -> Target:
        return cls(running.url, running.headers, running.sse_url, running)

    @property
    def call_seconds(self) -> float | None:
        return self.running.call_seconds if self.running else None

    def client(self, era: str = HANDSHAKE, patience: float = 15) -> Client:
        return Client(self.url, self.headers, era, patience)

    async def started(self, era: str = HANDSHAKE, patience: float = 15) -> Client:
        client = self.client(era, patience)
        await client.start()
        return client

    async def clients(self, count: int, era: str = HANDSHAKE, patience: float = 15) -> list[Client]:
        clients = [self.client(era, patience) for _ in range(count)]
        await asyncio.gather(*(client.start() for client in clients))
        return clients

    async def works(self, seconds: float = RECOVERY_SECONDS) -> tuple[bool, str]:
        """Whether a client that comes now gets its answer, with tries until the time is over; and what it saw."""
        begun, tries, last = time.monotonic(), 0, "nothing tried"
        while (left := seconds - (time.monotonic() - begun)) > 0:
            async with self.client(patience=left) as client:
                await client.start()
                reply = await client.call("echo", text=f"works-{tries}", patience=max(0.1, seconds - (time.monotonic() - begun)))
                if is_echo(reply, f"works-{tries}"):
                    took = f"{time.monotonic() - begun:.1f} s"
                    return True, f"works after {took}" + (f", {tries} refused before" if tries else "")
                last, tries = reply.what, tries + 1
                await client.end()
            await asyncio.sleep(0.05)  # between tries, not instead of a condition
        return False, f"does not work {seconds:.0f} s later: {last}"


def is_echo(reply: Reply, text: str) -> bool:
    return reply.answer is not None and reply.answer.get("text") == text


def count(tally: Tally, reply: Reply, text: str) -> bool:
    """Right, wrong (somebody else's answer), refused (an error one can see) or lost."""
    if is_echo(reply, text):
        tally.right += 1
        return True
    if reply.what in ("answer", "a result"):
        tally.wrong += 1
    elif reply.error:
        tally.refused += 1
        _example(tally, reply)
    else:
        tally.lost += 1
        _example(tally, reply)
    return False


def _example(tally: Tally, reply: Reply) -> None:
    if not tally.examples:
        tally.examples.append(reply.what)


async def until(condition: Callable, seconds: float) -> bool:
    """Waits for an awaited condition."""
    end = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.02)
    return True


async def asleep(client: Client, *texts: str, seconds: float = 5) -> bool:
    """Waits until the wrapped server of this client's session has begun all these sleeping calls."""

    async def condition() -> bool:
        reply = await client.call("count")
        return reply.answer is not None and set(texts) <= set(reply.answer.get("sleeping", []))

    return await until(condition, seconds)
