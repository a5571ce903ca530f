# SPDX-License-Identifier: GPL-3.0-or-later
"""The same promise as seen by the official client: whatever we believe of the protocol, this is what people have."""

from __future__ import annotations

import asyncio
import json
import logging
from functools import partial

import httpx2
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from tests.conformance.client import STATELESS
from tests.conformance.target import Target
from tests.conformance.verdict import Size, Tally, Verdict, add, judged, not_applicable

logging.getLogger("mcp").setLevel(logging.CRITICAL)  # it prints what we count
ERA = {"legacy": "handshake", "auto": "as it likes", STATELESS: STATELESS}


async def official(target: Target, size: Size, *, mode: str) -> Verdict:
    """Eight at once, each with a connection of its own, quick and slow calls mixed; each answer names its caller."""
    tally, eras = Tally(), set()

    async def caller(index: int) -> None:
        async with (
            httpx2.AsyncClient(headers=target.headers, timeout=20) as http,
            Client(streamable_http_client(target.url, http_client=http), mode=mode, read_timeout_seconds=12) as client,
        ):
            eras.add(str(client.protocol_version))
            await calls(client, index, size.pick(10, 100), tally)

    trouble = await asyncio.gather(*(caller(index) for index in range(8)), return_exceptions=True)
    failures = [error for error in trouble if error is not None]
    if mode == STATELESS and not tally.right and not tally.wrong:
        return not_applicable(f"does not speak {STATELESS}: {tally.examples[0] if tally.examples else first(failures[0])}")
    figure = f"{tally}, spoke {', '.join(sorted(eras))}" + (f"; {len(failures)} of 8 clients: {first(failures[0])}" if failures else "")
    return judged(tally.right == tally.total and not failures, figure)


async def calls(client: Client, index: int, number: int, tally: Tally) -> None:
    for one in range(number):
        text = f"client {index} call {one}"
        name, more = ("sleep", {"seconds": 0.02}) if one % 3 == 0 else ("echo", {})
        try:
            result = await client.call_tool(name, {"text": text, **more})
            said = json.loads(result.content[0].text)["text"]
        except Exception as error:  # the client's own errors are of many kinds; each means that there was no answer
            tally.lost += 1
            tally.examples[:] = tally.examples or [first(error)]
            if tally.lost > 16:
                return
            continue
        if said == text:
            tally.right += 1
        else:
            tally.wrong += 1


async def official_sse(target: Target, size: Size) -> Verdict:
    if not target.sse_url:
        return not_applicable("has no SSE door here")
    tally = Tally()

    async def caller(index: int) -> None:
        async with Client(sse_client(target.sse_url, headers=target.headers), mode="legacy", read_timeout_seconds=12) as client:
            await calls(client, index, size.pick(10, 100), tally)

    trouble = await asyncio.gather(*(caller(index) for index in range(8)), return_exceptions=True)
    failures = [error for error in trouble if error is not None]
    return judged(tally.right == tally.total and not failures, str(tally) + (f"; {len(failures)} of 8 clients: {first(failures[0])}" if failures else ""))


def first(error: BaseException) -> str:
    """The innermost reason; task groups wrap it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__} {str(error).partition(chr(10))[0]}".strip()[:60]


for _mode, _name in (("legacy", "handshake"), ("auto", "auto"), (STATELESS, "stateless")):
    add(f"official_client_{_name}", f"the official client, 8 at once ({ERA[_mode]})", partial(official, mode=_mode))
add("official_client_sse", "the official client, 8 at once (SSE)", official_sse)
