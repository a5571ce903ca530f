# SPDX-License-Identifier: GPL-3.0-or-later
"""The older transport: long streams, so one that is everybody's stream is everybody's answer."""

from __future__ import annotations

import asyncio

from tests.conformance.sse import SseClient
from tests.conformance.target import Target, count, is_echo
from tests.conformance.verdict import Size, Tally, Verdict, case, failed, judged, not_applicable

NONE = not_applicable("has no SSE door here")


@case("SSE: a listener hears nothing of others")
async def case_sse_passive_listener(target: Target, size: Size) -> Verdict:
    if not target.sse_url:
        return NONE
    listener, speaker = (SseClient(target.sse_url, target.headers) for _ in range(2))
    try:
        for client in (listener, speaker):
            opened = await client.open()
            if not opened.message:
                return failed(f"no stream: {opened.what}")
        own = len(listener.messages)
        for number in range(1, 21):
            reply = await speaker.call(number, "echo", text=f"secret {number}")
            if not is_echo(reply, f"secret {number}"):
                return failed(f"the speaker: {reply.what}")
        # the listener's own answer comes after whatever it has overheard
        reply = await listener.call("mine", "echo", text="mine")
        overheard = len(listener.messages) - own - 1
        return judged(overheard == 0 and is_echo(reply, "mine"), f"overheard {overheard} of 20" if overheard > 0 else reply.what if not reply.answer else "")
    finally:
        listener.close()
        speaker.close()


@case("SSE: 20 clients with the same ids get their own answers")
async def case_sse_crossed_answers(target: Target, size: Size) -> Verdict:
    if not target.sse_url:
        return NONE
    clients, tally, foreign = [SseClient(target.sse_url, target.headers) for _ in range(20)], Tally(), 0

    async def one(index: int, client: SseClient) -> None:
        nonlocal foreign
        for number in range(1, size.pick(10, 50) + 1):
            text = f"client {index} call {number}"
            if (index + number) % 3:
                reply = await client.call(number, "echo", text=text)
            else:
                reply = await client.call(number, "sleep", seconds=0.02, text=text)
            count(tally, reply, text)
        foreign += sum(1 for message in client.messages if "result" in message and f"client {index} " not in str(message)) - 1

    try:
        opened = await asyncio.gather(*(client.open() for client in clients))
        unopened = [reply for reply in opened if not reply.message]
        if unopened:
            return failed(f"{len(unopened)} of 20 have no stream: {unopened[0].what}")
        await asyncio.gather(*(one(index, client) for index, client in enumerate(clients)))
    finally:
        for client in clients:
            client.close()
    return judged(tally.right == tally.total and foreign == 0, f"{tally}{f', {foreign:,} messages of others overheard' if foreign else ''}")


@case("SSE: a foreign Host, a foreign Origin, no token: refused")
async def case_sse_door(target: Target, size: Size) -> Verdict:
    if not target.sse_url:
        return NONE
    tries = {"Host": {**target.headers, "Host": "attacker.example"}, "Origin": {**target.headers, "Origin": "https://attacker.example"}}
    if target.headers:
        tries["no token"] = {}
    let_in, host = [], SseClient(target.sse_url, target.headers)
    right = await host.open(5, handshake=False)
    host.close()
    if right.status != 200:
        return failed(f"no stream for the right one either: {right.what}")
    for name, headers in tries.items():
        client = SseClient(target.sse_url, headers)
        reply = await client.open(5, handshake=False)
        client.close()
        if not 400 <= reply.status < 500:
            let_in.append(name)
    return judged(not let_in, f"let in: {', '.join(let_in)}" if let_in else "")


@case("SSE: a listener that goes away ends nothing but itself")
async def case_sse_leaver(target: Target, size: Size) -> Verdict:
    if not target.sse_url:
        return NONE
    stayer, *leavers = (SseClient(target.sse_url, target.headers) for _ in range(6))
    try:
        opened = await asyncio.gather(*(client.open() for client in (stayer, *leavers)))
        if not all(reply.message for reply in opened):
            return failed("not all have a stream")
        waiting = asyncio.create_task(stayer.call(7, "sleep", seconds=1, text="stayer"))
        others = [asyncio.create_task(client.call(7, "sleep", seconds=0.5, text="leaver")) for client in leavers]
        await asyncio.sleep(0)
        for client, other in zip(leavers, others, strict=True):
            other.cancel()
            client.close()
        reply = await waiting
        works, how = await target.works()
    finally:
        for client in (stayer, *leavers):
            client.close()
    right = is_echo(reply, "stayer")
    return judged(right and works, "" if right and works else f"{'wrong answer' if reply.answer else reply.what}, {how}")
