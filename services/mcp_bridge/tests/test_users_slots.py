# SPDX-License-Identifier: GPL-3.0-or-later
"""Places for processes: in the order in which they are asked for, none lost and none given twice, whoever gives up."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from mcp_bridge.errors import BridgeError
from mcp_bridge.users.slots import Slots


def nothing_idle() -> bool:
    return False


def test_who_asks_first_is_served_first() -> None:
    async def run() -> None:
        slots, served = Slots(1, nothing_idle), []
        await slots.take(1)

        async def ask(number: int) -> None:
            await slots.take(5)
            served.append(number)
            slots.give_back()

        waiting = [asyncio.create_task(ask(number)) for number in range(20)]
        await asyncio.sleep(0)
        assert slots.waiting == 20 and served == []
        slots.give_back()
        await asyncio.gather(*waiting)
        assert served == list(range(20))

    asyncio.run(run())


def test_who_waits_too_long_is_told_and_nobody_behind_loses_by_it() -> None:
    async def run() -> None:
        slots = Slots(1, nothing_idle)
        await slots.take(1)
        impatient, patient = asyncio.create_task(slots.take(0.01)), asyncio.create_task(slots.take(5))
        with pytest.raises(BridgeError, match="try again") as error:
            await impatient
        assert error.value.outcome == "busy" and slots.waiting == 1
        slots.give_back()
        await patient

    asyncio.run(run())


def test_room_is_made_for_as_many_as_wait() -> None:
    async def run() -> None:
        made = []

        def make_room() -> bool:
            made.append(1)
            return len(made) <= 2

        slots = Slots(2, make_room)
        await slots.take(1)
        await slots.take(1)
        waiting = [asyncio.create_task(slots.take(5)) for _ in range(3)]
        await asyncio.sleep(0)
        assert len(made) == 3, "two are on their way out, and for the third there is nobody"
        slots.give_back()
        slots.give_back()
        await asyncio.sleep(0)
        assert [task.done() for task in waiting] == [True, True, False]
        slots.something_idle()
        slots.give_back()
        await waiting[2]

    asyncio.run(run())


def test_no_place_is_lost_or_made_up_by_those_who_give_up() -> None:
    async def run(seed: int) -> None:
        chance = random.Random(seed)
        slots, held, most = Slots(3, nothing_idle), 0, 0

        async def ask() -> None:
            nonlocal held, most
            with contextlib.suppress(BridgeError):
                await slots.take(chance.choice([0.001, 0.05]))
                held += 1
                most = max(most, held)
                try:
                    await asyncio.sleep(chance.choice([0, 0.001]))
                finally:
                    held -= 1
                    slots.give_back()

        tasks = [asyncio.create_task(ask()) for _ in range(200)]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            chance.choice(tasks).cancel()
        assert most == 3 and held == 0 and slots.waiting == 0
        for _ in range(3):
            await slots.take(0.1)
        with pytest.raises(BridgeError):
            await slots.take(0.001)

    for seed in range(20):
        asyncio.run(run(seed))
