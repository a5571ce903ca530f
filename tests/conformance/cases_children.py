# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of callers when the wrapped server dies or hangs, and of the wrapped server when the wrapper dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from functools import partial

from tests.conformance.client import Client, Reply
from tests.conformance.target import RECOVERY_SECONDS, Target, asleep, count, is_echo
from tests.conformance.verdict import Size, Tally, Verdict, add, case, failed, judged
from tests.wrappers.process import wait_until

TOLD_SECONDS = 1


def kill(*pids: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@case("wrapped server killed: its calls fail at once, the next ones work", pids=True)
async def case_killed_server(target: Target, size: Size) -> Verdict:
    async with await target.started() as client, client.sibling() as witness:
        first = await client.call("echo", text="who")
        if not first.answer:
            return failed(f"no first answer: {first.what}")
        waiting = asyncio.create_task(client.call("sleep", seconds=30, text="in flight"))
        if not await asleep(witness, "in flight"):
            return failed("the call in flight did not arrive")
        kill(first.answer["pid"])
        killed = time.monotonic()
        reply = await waiting
        told = time.monotonic() - killed
        works, how = await target.works()
    clear = bool(reply.error)
    figure = f"{'error' if clear else reply.what} after {told:.1f} s, {how}"
    return judged(clear and told <= TOLD_SECONDS and works, figure)


@case("the same with a server that ends by itself during a call", pids=True)
async def case_dying_server(target: Target, size: Size) -> Verdict:
    async with await target.started() as client:
        reply = await client.call("die")
        works, how = await target.works()
    figure = f"{'error' if reply.error else reply.what} after {reply.seconds:.1f} s, {how}"
    return judged(bool(reply.error) and reply.seconds <= TOLD_SECONDS and works, figure)


@case("wrapped server killed again and again under 32 callers", pids=True, limit=(60, 180))
async def case_killed_server_under_load(target: Target, size: Size) -> Verdict:
    assert target.running
    kills, pause, tally, stop = size.pick(2, 10), size.pick(1.0, 2.0), Tally(), asyncio.Event()
    clients = await target.clients(32)
    refused: list[Reply] = []

    async def caller(index: int, client: Client) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            text = f"caller {index} call {number}"
            if number % 5:
                reply = await client.call("echo", text=text)
            else:
                reply = await client.call("sleep", seconds=0.05, text=text)
            if not count(tally, reply, text):
                refused.append(reply)
                await client.start()  # what a client does when its session is gone

    callers = [asyncio.create_task(caller(index, client)) for index, client in enumerate(clients)]
    for _ in range(kills):
        seen, until_then = tally.right, time.monotonic() + RECOVERY_SECONDS
        while tally.right < seen + 100 and time.monotonic() < until_then:  # calls flow, or will not any more
            await asyncio.sleep(0.02)
        kill(*target.running.servers())
        await asyncio.sleep(pause)  # the load between two kills
    stop.set()
    await asyncio.gather(*callers)
    works, how = await target.works()
    for client in clients:
        await client.end()
    figure = f"{kills} kills: {tally}; {how}"
    return judged(not tally.wrong and not tally.lost and works and tally.right > 100, figure)


@case("wrapper killed: nothing of it is left 1 s later (of a server that takes 10 s to end)", own={"environment": {"STUB_AFTER_EOF": "10"}}, pids=True)
async def case_killed_wrapper(target: Target, size: Size) -> Verdict:
    """The server here stays ten seconds after its input has ended, as server-postgres with an open connection does."""
    running = target.running
    assert running
    async with await target.started() as client, client.sibling() as witness:
        waiting = asyncio.create_task(client.call("sleep", seconds=30, text="in flight"))
        if not await asleep(witness, "in flight"):
            return failed("the call in flight did not arrive")
        running.kill9()
        gone = wait_until(lambda: not running.survivors(), 1)
        left = len(running.survivors())
        await waiting
    return judged(gone, "" if gone else f"{left} left")


@case("wrapper ended politely: nothing of it is left 5 s later (of a server that takes 10 s to end)", own={"environment": {"STUB_AFTER_EOF": "10"}}, pids=True)
async def case_ended_wrapper(target: Target, size: Size) -> Verdict:
    running = target.running
    assert running
    async with await target.started() as client, client.sibling() as witness:
        waiting = asyncio.create_task(client.call("sleep", seconds=2, text="in flight"))
        if not await asleep(witness, "in flight"):
            return failed("the call in flight did not arrive")
        running.descendants()
        running.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()

        def gone() -> bool:
            return not running.alive() and not running.survivors()

        while not gone() and time.monotonic() - begun < 5:
            await asyncio.sleep(0.02)
        left = len(running.survivors()) + running.alive()
        took = time.monotonic() - begun
        reply = await waiting
    told = "answered" if is_echo(reply, "in flight") else "told" if reply.error else reply.what
    return judged(not left, f"gone after {took:.1f} s, call in flight: {told}" if not left else f"{left} left, call in flight: {told}")


async def hung(target: Target, size: Size, *, kind: str) -> Verdict:
    """Eight callers after the server has stopped to read (their requests are longer than a pipe) or to answer, one of them in the same session."""
    limit = target.call_seconds
    patience = (limit or size.pick(6, 30)) + 5
    clients = await target.clients(8, patience=patience)
    await clients[0].call("hang", kind=kind)
    filling = "x" * (60_000 if kind == "reading" else 10)

    async def one(index: int, client: Client) -> Reply:
        return await client.call("echo", text=f"{index} {filling}")

    replies = await asyncio.gather(*(one(index, client) for index, client in enumerate(clients)))
    silent = [reply for reply in replies if not reply.error and not reply.answer]
    wrong = sum(1 for index, reply in enumerate(replies) if reply.answer and not is_echo(reply, f"{index} {filling}"))
    answered = sum(1 for reply in replies if reply.answer)
    worst = max(reply.seconds for reply in replies)
    for client in clients:
        client.close()
    if silent:
        return failed(f"{len(silent)} of 8 calls: {silent[0].what}")
    return judged(not wrong, f"{answered} answers, {8 - answered} errors within {worst:.1f} s")


for _kind in ("reading", "answering"):
    _title = f"wrapped server stops {_kind}: later calls are answered or refused in time"
    add(f"hung_server_{_kind}", _title, partial(hung, kind=_kind), own={"call_seconds": 2}, limit=(30, 60))


@case("the wrapped server does not see the wrapper's own variables", pids=True)
async def case_environment(target: Target, size: Size) -> Verdict:
    from tests.wrappers import CANARY

    async with await target.started() as client:
        reply = await client.call("environment")
        await client.end()
    if not reply.answer:
        return failed(reply.what)
    names = set(reply.answer["names"])
    secret = sorted(name for name in names if name == CANARY or "SECRET" in name or "TOKEN" in name)
    return judged(not secret, f"sees {', '.join(secret)}"[:80] if secret else f"{len(names)} variables")
