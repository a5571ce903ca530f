# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers and requests that are too long for somebody."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

from tests.conformance.target import Target
from tests.conformance.verdict import Size, Verdict, add, case, judged

MEGABYTE = 1024 * 1024
ENOUGH = 64 * MEGABYTE
LIMIT = {"call_seconds": 6}


async def big_answer(target: Target, size: Size, *, megabytes: int) -> Verdict:
    """Whole, or refused in a way that one can see. A text that is shorter and says nothing of it is the one bad outcome."""
    async with await target.started(patience=(target.call_seconds or 30) + 5) as client:
        reply = await client.call("big", megabytes=megabytes)
        await client.end()
    whole = reply.answer is not None and len(reply.answer.get("text", "")) == megabytes * MEGABYTE
    works, how = await target.works()
    memory = f", wrapper holds {target.running.memory() // MEGABYTE} MB" if target.running and target.running.alive() else ""
    figure = f"{'whole' if whole else reply.what} after {reply.seconds:.1f} s{memory}" + ("" if works else f", {how}")
    return judged((whole or bool(reply.error)) and works, figure)


add("answer_of_20_MB", "an answer of 20 MB arrives whole, or is refused clearly", partial(big_answer, megabytes=20), own=LIMIT)
add("answer_of_41_MB", "an answer of 41 MB does not end or stop the wrapper", partial(big_answer, megabytes=41), own=LIMIT)


@case("a request of 2 MB is refused clearly, or answered")
async def case_request_of_2_MB(target: Target, size: Size) -> Verdict:
    text = "y" * (2 * MEGABYTE)
    async with await target.started() as client:
        reply = await client.call("echo", text=text)
        await client.end()
    limit = target.running.max_request_bytes if target.running else None
    refused = 400 <= reply.status < 500
    good = refused if limit else refused or (reply.answer is not None and reply.answer.get("text") == text)
    works, how = await target.works()
    return judged(good and works, f"{'answered' if reply.answer else reply.what}{'' if works else ', ' + how}")


@case("a request without end is cut off")
async def case_request_without_end(target: Target, size: Size) -> Verdict:
    """Chunks without a length until the wrapper has had enough, or all of 64 MB have been taken."""
    sent, said = 0, "closed"
    client = await target.started()
    connection = client.sibling().connection
    await connection.open()
    assert connection.writer and connection.reader
    headers = {**client._headers({"method": "tools/call", "params": {"name": "echo"}}), "Transfer-Encoding": "chunked"}
    lines = [f"POST {client.path} HTTP/1.1", f"Host: {connection.host}:{connection.port}", *(f"{name}: {value}" for name, value in headers.items())]
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    answer = asyncio.create_task(connection.head())
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(20):
            connection.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            while sent < ENOUGH and not answer.done():
                connection.writer.write(piece)
                await connection.writer.drain()
                sent += 65536
                await asyncio.sleep(0)
    cut = sent < ENOUGH
    with contextlib.suppress(OSError, ValueError, TimeoutError):
        async with asyncio.timeout(1):
            said = f"HTTP {(await answer).status}"
    connection.close()
    await client.end()
    works, how = await target.works()
    return judged(cut and works, f"{said if cut else 'not cut off'} after {sent // MEGABYTE} MB" + ("" if works else f", {how}"))
