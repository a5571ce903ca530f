# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may stop a call: the one who made it, by going away; nobody else."""

from __future__ import annotations

import asyncio

from tests.conformance.client import STATELESS
from tests.conformance.target import Target, asleep, is_echo, until
from tests.conformance.verdict import Size, Verdict, case, failed, judged, not_applicable

CANCELLED = {"jsonrpc": "2.0", "method": "notifications/cancelled"}


@case("a client that goes away cancels its call, and no other")
async def case_client_goes_away(target: Target, size: Size) -> Verdict:
    if target.running and not target.running.promises_cancellation:
        return not_applicable("not promised")
    stayer, leaver = await target.clients(2)
    staying = asyncio.create_task(stayer.call("sleep", identifier=9, seconds=1.5, text="stays"))
    leaving = asyncio.create_task(leaver.call("sleep", identifier=9, seconds=20, text="leaves"))
    async with leaver.sibling() as witness:
        if not await asleep(witness, "leaves"):
            return failed("the call did not arrive")
        leaving.cancel()
        await asyncio.wait([leaving])

        async def told() -> bool:
            reply = await witness.call("cancelled")
            return reply.answer is not None and "leaves" in reply.answer["cut"]

        cut = await until(told, 2)
    stayed = is_echo(await staying, "stays")
    for client in (stayer, leaver):
        await client.end()
    return judged(cut and stayed, "" if cut and stayed else "the server was not told in 2 s" if stayed else "another call was hit")


@case("a client cannot cancel another's call by its id")
async def case_cancel_anothers_call(target: Target, size: Size) -> Verdict:
    """Ids are small numbers that everybody uses: a cancellation counts for the calls of its sender alone."""
    victim, attacker = await target.clients(2)
    waiting = asyncio.create_task(victim.call("sleep", identifier=3, seconds=1, text="victim"))
    async with victim.sibling() as witness:
        if not await asleep(witness, "victim"):
            return failed("the call did not arrive")
    stateless = target.client(STATELESS)
    for identifier in (3, "3", *range(20)):
        await attacker.post({**CANCELLED, "params": {"requestId": identifier}}, patience=5)
        await stateless.post({**CANCELLED, "params": {"requestId": identifier}}, patience=5)
    reply = await waiting
    for client in (victim, attacker, stateless):
        await client.end()
    return judged(is_echo(reply, "victim"), "" if is_echo(reply, "victim") else f"the victim's call: {reply.what}")
