# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose answer is it? All callers count their requests from 1, as the official clients do, so ids collide all the time."""

from __future__ import annotations

import asyncio
import random
import time
from functools import partial

from tests.conformance.client import HANDSHAKE, STATELESS
from tests.conformance.target import Target, asleep, count, is_echo
from tests.conformance.verdict import Size, Tally, Verdict, add, case, judged, not_applicable

SLOW_SECONDS = 0.02


async def crossed(target: Target, size: Size, *, callers: int, era: str) -> Verdict:
    """Rounds: in each, every caller uses the same id at the same moment, some calls slow, some fast, in a new order each time."""
    if era == STATELESS:
        async with target.client(era, patience=5) as client:
            reply = await client.call("echo", text="hello")
            if not is_echo(reply, "hello"):
                return not_applicable(f"does not speak {era}: {reply.what}")
    rounds, seconds = size.pick({1: 30, 8: 30, 32: 12}[callers], 1000), size.pick(4, 150)
    tally, end, chance = Tally(), time.monotonic() + seconds, random.Random(callers)
    clients = await target.clients(callers, era, patience=12)

    async def one(index: int, number: int, slow: bool) -> None:
        text = f"caller {index} round {number}"
        if slow:
            reply = await clients[index].call("sleep", identifier=number, seconds=SLOW_SECONDS, text=text)
        else:
            reply = await clients[index].call("echo", identifier=number, text=text)
        count(tally, reply, text)

    done = 0
    for number in range(2, rounds + 2):
        await asyncio.gather(*(one(index, number, chance.random() < 0.3) for index in range(callers)))
        done += 1
        if time.monotonic() > end:
            break
    for client in clients:
        await client.end()
    return judged(tally.right == tally.total, str(tally) + ("" if done == rounds or size.short else f", {done} rounds in {seconds} s"))


for _era in (HANDSHAKE, STATELESS):
    for _callers in (1, 8, 32):
        _name, _title = f"crossed_answers_{_callers}_callers_{_era}", f"answers reach their callers: {_callers} at once, same ids, {_era}"
        add(_name, _title, partial(crossed, callers=_callers, era=_era))


@case("ids of odd kinds come back as they were, or are refused")
async def case_ids_of_odd_kinds(target: Target, size: Size) -> Verdict:
    legal = [1, "1", 0, -1, 2**53 - 1, "", "x" * 4000, "é\u2028\u0000\U0001f600", '"},{"id":1}', "01", "1.0", "true", "null"]
    debatable = [1.5, 2**63, 1e300]  # JSON-RPC says that they should not be; so a clear refusal is as good as an answer
    illegal = [None, True, {"a": 1}, [1]]
    problems = []

    async def one(identifier: object, index: int, refusable: bool, must_refuse: bool) -> None:
        text = f"odd {index}"
        async with target.client(patience=8) as client:
            await client.start()
            # all in flight at once, so that "1" meets 1 and 0 meets false
            reply = await client.call("sleep", identifier=identifier, seconds=0.3, text=text)
            await client.end()
        fine = (not must_refuse and is_echo(reply, text)) or ((refusable or must_refuse) and bool(reply.error))
        if not fine:
            problems.append(f"{identifier!r:.12}: {reply.what if reply.answer is None else 'answered' if must_refuse else 'wrong answer'}")

    ids = [(one_id, False, False) for one_id in legal] + [(one_id, True, False) for one_id in debatable] + [(one_id, False, True) for one_id in illegal]
    await asyncio.gather(*(one(value, index, refusable, must) for index, (value, refusable, must) in enumerate(ids)))
    return judged(not problems, f"{len(problems)} of {len(ids)} ids: " + "; ".join(problems[:3]) if problems else f"{len(ids)} ids")


@case("a late answer does not reach the next caller with that id")
async def case_late_answer(target: Target, size: Size) -> Verdict:
    """A goes away before its answer; B uses A's id while the answer is on its way (even ids) or after it came (odd ids)."""
    pairs, tally = size.pick(8, 40), Tally()

    async def pair(number: int) -> None:
        leaver, follower = await target.clients(2)
        leaving = asyncio.create_task(leaver.call("sleep", identifier=number, seconds=1.2, text=f"late {number}"))
        async with leaver.sibling() as witness:
            if not await asleep(witness, f"late {number}"):
                tally.lost += 1
                tally.examples.append("the first call did not arrive")
            leaving.cancel()
            await asyncio.wait([leaving])
            text = f"next {number}"
            if number % 2:
                await witness.call("sleep", identifier=10_000 + number, seconds=1.2, text="after the late one")
                reply = await follower.call("echo", identifier=number, text=text)
            else:
                reply = await follower.call("sleep", identifier=number, seconds=1.4, text=text)
            count(tally, reply, text)
        leaver.close()
        await follower.end()

    for batch in range(0, pairs, 8):
        await asyncio.gather(*(pair(number) for number in range(100 + batch, 100 + min(batch + 8, pairs))))
    return judged(tally.right == tally.total, str(tally))


@case("nor after the wrapper's own time limit", own={"call_seconds": 1.5})
async def case_late_answer_after_the_limit(target: Target, size: Size) -> Verdict:
    limit = target.call_seconds
    if not limit:
        return not_applicable("no time limit of its own is known")
    tally, unclear = Tally(), 0

    async def pair(number: int) -> None:
        nonlocal unclear
        first, second = await target.clients(2, patience=limit + 5)
        reply = await first.call("sleep", identifier=number, seconds=limit + 0.7, text=f"late {number}")
        if not reply.error:
            unclear += 1
            tally.examples[:] = tally.examples or [f"the limit was told as: {reply.what}"]
        text = f"next {number}"
        count(tally, await second.call("sleep", identifier=number, seconds=1, text=text), text)
        await first.end()
        await second.end()

    await asyncio.gather(*(pair(number) for number in range(2, 2 + size.pick(6, 30))))
    return judged(tally.right == tally.total and not unclear, str(tally) + (f", {unclear} time-outs not told as errors" if unclear else ""))


@case("a slow call holds up nobody")
async def case_slow_call_blocks_nobody(target: Target, size: Size) -> Verdict:
    slow, *quick = await target.clients(9)
    sleeping = asyncio.create_task(slow.call("sleep", seconds=size.pick(1.5, 3), text="slow"))
    async with slow.sibling() as witness:
        arrived = await asleep(witness, "slow")
    replies = await asyncio.gather(*(client.call("echo", text=f"quick {index}") for index, client in enumerate(quick)))
    early = not sleeping.done()
    worst = max(reply.seconds for reply in replies)
    right = all(is_echo(reply, f"quick {index}") for index, reply in enumerate(replies)) and is_echo(await sleeping, "slow")
    for client in (slow, *quick):
        await client.end()
    return judged(arrived and early and right, f"8 quick calls in {worst:.2f} s" if right else "not all answers came, or not to their callers")


@case("a call of 12 s gets its answer", limit=(30, 60))
async def case_call_of_12_seconds(target: Target, size: Size) -> Verdict:
    async with await target.started(patience=20) as client:
        reply = await client.call("sleep", seconds=12, text="long")
        await client.end()
    return judged(is_echo(reply, "long"), f"{reply.what} after {reply.seconds:.1f} s")
