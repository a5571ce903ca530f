# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that open and never close, and clients that never finish a sentence."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time

from tests.conformance.client import CLIENT, HANDSHAKE, Client
from tests.conformance.http import Connection
from tests.conformance.target import Target, is_echo
from tests.conformance.verdict import Size, Verdict, case, failed, judged, not_applicable

MEGABYTE = 1024 * 1024
MORE_MEMORY = 128 * MEGABYTE  # what ten thousand forgotten clients may cost the wrapper
CHILDREN = 40  # where we stop, before the machine does


def raise_open_files() -> int:
    """As many sockets as the system lets us have: of the load generator only, the wrapper keeps the usual limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@case("500 clients that send half a request hold up nobody", own={})
async def case_half_open_connections(target: Target, size: Size) -> Verdict:
    raise_open_files()
    client = await target.started(patience=5)
    half_head = f"POST {client.path} HTTP/1.1\r\nHost: {client.connection.host}:{client.connection.port}\r\nContent-Ty".encode()
    headers = "".join(f"{name}: {value}\r\n" for name, value in client._headers({"method": "ping"}).items())
    half_body = half_head[: -len("Content-Ty")] + f'{headers}Content-Length: 1000\r\n\r\n{{"jsonrpc": "2.0", '.encode()
    sockets = []
    for number in range(500):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(client.connection.host, client.connection.port)
            writer.write(half_head if number % 2 else half_body)
            sockets.append(writer)
    replies = []
    for number in range(20):  # each on a new connection
        async with client.sibling() as other:
            reply = await other.call("echo", text=f"among them {number}", patience=5)
            replies.append((reply, is_echo(reply, f"among them {number}")))
    for writer in sockets:
        writer.close()
    await client.end()
    right, worst = sum(good for _, good in replies), max(reply.seconds for reply, _ in replies)
    return judged(right == len(replies), f"{len(sockets)} held, {right} of {len(replies)} calls right, slowest {worst:.2f} s")


@case("sessions that are opened and never closed cost next to nothing", own={}, pids=True, limit=(40, 400))
async def case_forgotten_sessions(target: Target, size: Size) -> Verdict:
    running = target.running
    assert running
    wanted, before, most, opened, problem = size.pick(400, 10_000), running.memory(), 0, 0, ""
    hello = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": CLIENT}
    openers = [target.client(patience=10) for _ in range(8)]
    end = time.monotonic() + size.pick(12, 300)

    async def opener(client: Client) -> None:
        nonlocal opened, problem
        while opened < wanted and not problem and time.monotonic() < end:
            opened += 1
            reply = await client.request("initialize", hello)
            if reply.message is None or "result" not in reply.message:
                if not reply.error:
                    problem = f"at {opened}: {reply.what}"
                return  # it says that it has enough of us: fine

    async def watch() -> None:
        nonlocal most, problem
        while True:
            most = max(most, len(running.servers()))
            if most > CHILDREN:
                problem = f"{most} servers after {opened} sessions"
            await asyncio.sleep(0.2)

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(opener(client) for client in openers))
    most = max(most, len(running.servers()))
    watcher.cancel()
    grown = running.memory() - before
    for client in openers:
        client.close()
    works, how = await target.works()
    figure = f"{opened:,} opened: +{grown // MEGABYTE} MB, {most} servers, {how}"
    if problem:
        return failed(f"{problem}; +{grown // MEGABYTE} MB")
    return judged(grown < MORE_MEMORY and works and most <= CHILDREN, figure)


@case("connections that are opened and never closed cost next to nothing", own={}, pids=True, limit=(40, 400))
async def case_forgotten_connections(target: Target, size: Size) -> Verdict:
    """Each makes one request and stays. A wrapper may close the idle ones; it must not close its door."""
    running = target.running
    assert running
    wanted, hard = size.pick(1_500, 10_000), raise_open_files()
    if hard < wanted + 200:
        return not_applicable(f"this system gives {hard} sockets")
    client, before = await target.started(), running.memory()
    kept: list[Connection] = []
    refused, silent, gate = 0, 0, asyncio.Semaphore(16)

    async def one() -> None:
        nonlocal refused, silent
        async with gate:
            if silent >= 16:
                return  # nobody answers any more: what follows will say so
            other = client.sibling()
            reply = await other.request("ping", identifier=1, patience=10)
            kept.append(other.connection)
            if reply.problem.startswith("no answer"):
                silent += 1
            elif not reply.message:
                refused += 1  # also by closing: that is an answer, too

    await asyncio.gather(*(one() for _ in range(wanted)))
    grown = running.memory() - before
    reply = await client.sibling().call("echo", text="one more", patience=5)
    works = is_echo(reply, "one more")
    for connection in kept:
        connection.close()
    await client.end()
    again, how = await target.works()
    figure = f"{len(kept):,} opened: +{grown // MEGABYTE} MB, {silent} without an answer, {refused} refused"
    figure += f", one more call: {'right' if works else reply.what}" + ("" if again else f"; when all are closed: {how}")
    return judged(works and again and grown < MORE_MEMORY and not silent, figure)
