# SPDX-License-Identifier: GPL-3.0-or-later
"""A spare that died while it waited is nobody's error, however late that is noticed. Real processes; `cat` is the server that says what it is told."""

from __future__ import annotations

import asyncio
import os
import signal
from types import SimpleNamespace

import pytest

from mcp_bridge.stdio import StdioLink
from mcp_bridge.users.spares import SpareLink

ECHO, MUTE = ["cat"], ["sleep", "60"]
WHO = b'{"PGUSER":"anna"}'


async def process(command: list[str]) -> StdioLink:
    limits = SimpleNamespace(max_answer_bytes=9)
    found = StdioLink(SimpleNamespace(command=command, variables=lambda: {"PATH": os.environ["PATH"]}, directory="/", limits=limits, users=None))
    found.on_message = found.on_end = lambda _told: None
    await found.start()
    return found


class Rack:
    """What a link takes its processes from, in this order: some that waited, then fresh ones."""

    def __init__(self, waiting: list[StdioLink], fresh: list[str] = ECHO) -> None:
        self.waiting, self.fresh, self.taken = waiting, fresh, 0

    async def take(self) -> tuple[StdioLink, bool]:
        self.taken += 1
        return (self.waiting.pop(0), True) if self.waiting else (await process(self.fresh), False)


class Heard(list):
    """What the owner of a link was told: lines, and reasons of an end."""

    def __init__(self, link: SpareLink) -> None:
        super().__init__()
        link.on_message, link.on_end = self.append, lambda reason: self.append(("ended", reason))

    async def until(self, number: int) -> None:
        async with asyncio.timeout(10):
            while len(self) < number:
                await asyncio.sleep(0.005)


def dies(link: StdioLink) -> None:
    """Before anybody can notice: the loop does not run in between."""
    os.kill(link.pids[0], signal.SIGKILL)


@pytest.mark.parametrize("when", ["before it is taken", "before a word is sent", "after a word was sent"])
def test_one_that_died_while_it_waited_is_replaced_and_the_next_is_told_the_same(when: str) -> None:
    async def run() -> None:
        first, second = await process(MUTE), await process(MUTE)
        rack = Rack([first, second])
        link = SpareLink(rack, {"PGUSER": "anna"})
        heard = Heard(link)
        if when == "before it is taken":
            dies(first)
        await link.start()
        if when == "before a word is sent":
            dies(first)
        link.send(b"hello")
        if when == "after a word was sent":
            dies(first)
        await asyncio.sleep(0)
        dies(second)
        await heard.until(2)
        assert heard == [WHO, b"hello"] and rack.taken == 3
        link.send(b"more")
        await heard.until(3)
        await link.stop()
        await heard.until(4)
        assert heard[2] == b"more" and heard[3][0] == "ended" and len(heard) == 4

    asyncio.run(run())


def test_one_that_has_spoken_is_not_replaced() -> None:
    async def run() -> None:
        rack = Rack([await process(ECHO)])
        link = SpareLink(rack, {"PGUSER": "anna"})
        heard = Heard(link)
        await link.start()
        await heard.until(1)
        os.kill(link.pids[0], signal.SIGKILL)
        await heard.until(2)
        assert heard == [WHO, ("ended", "signal 9")] and rack.taken == 1

    asyncio.run(run())


def test_one_that_is_ended_by_its_owner_is_not_replaced_and_a_fresh_one_that_dies_neither() -> None:
    async def run() -> None:
        for rack in (Rack([await process(MUTE)]), Rack([], MUTE)):
            link = SpareLink(rack, {"PGUSER": "anna"})
            heard = Heard(link)
            await link.start()
            link.kill() if rack.fresh is ECHO else dies(link)
            await heard.until(1)
            assert heard == [("ended", "signal 9")] and rack.taken == 1

    asyncio.run(run())
