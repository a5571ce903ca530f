# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""One MCP round trip over Streamable HTTP with the official SDK (2.x): connect, list the tools, call one."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

try:
    import httpx2
    import mcp
    from mcp.client.streamable_http import streamable_http_client

    HAS_LIBRARIES, IMPORT_ERROR = True, None
except ImportError:
    HAS_LIBRARIES, IMPORT_ERROR = False, traceback.format_exc()


class ProbeError(Exception):
    """The round trip did not end well. The text names the step and the reason, never a header's value."""


def headers_of(token: str | None, headers: dict | None) -> dict[str, str]:
    """Request headers as text, the token's among them. Nothing in them is put into a message."""
    return {**{name: str(value) for name, value in (headers or {}).items()}, **({"Authorization": f"Bearer {token}"} if token else {})}


def shortened(text: str, limit: int) -> str:
    """The text, cut at ``limit`` characters with a word about how much is missing."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} more characters)"


def reasons(error: BaseException) -> Iterator[str]:
    """What went wrong, of a group of exceptions each one; the SDK's task groups nest them."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from reasons(inner)
    elif isinstance(error, TimeoutError):
        yield "no answer in time"
    else:
        yield f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def probe(url: str, headers: dict[str, str], tool: str | None, arguments: dict, timeout: float, answer_limit: int, mode: str = "auto") -> dict:
    """Connect, list, and call ``tool`` when one is named, all within ``timeout`` seconds.

    The answer is ``{"tools": [names], "answer": text, "is_error": bool, "seconds": {"connect", "list", "call"}, "protocol_version"}``. Raises ProbeError.
    """
    status: list[int] = []
    step = ["connect"]
    try:
        return asyncio.run(asyncio.wait_for(_round_trip(url, headers, tool, arguments, answer_limit, mode, status, step), timeout))
    except (Exception, asyncio.CancelledError) as error:  # the SDK raises what its transport, its task groups and the server's words make of it
        said = f" (HTTP {status[-1]})" if status and status[-1] >= 400 else ""
        text = f"{step[0]} failed{said}: {'; '.join(dict.fromkeys(reasons(error)))}"
        for value in headers.values():
            text = text.replace(value.removeprefix("Bearer "), "<redacted>") if len(value) > 5 else text
        raise ProbeError(shortened(text, 600)) from None


async def _round_trip(url: str, headers: dict, tool: str | None, arguments: dict, answer_limit: int, mode: str, status: list[int], step: list[str]) -> dict:
    async def remember(response: Any) -> None:
        status.append(response.status_code)

    seconds, started = {}, time.monotonic()

    def lap(name: str) -> None:
        nonlocal started
        now = time.monotonic()
        seconds[name], started = round(now - started, 3), now

    # No proxy from the environment: it would see the token.
    async with (
        httpx2.AsyncClient(headers=headers, timeout=None, trust_env=False, event_hooks={"response": [remember]}) as http,
        mcp.Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        lap("connect")
        step[0] = "tools/list"
        tools = await _all_tools(client)
        lap("list")
        answer, is_error = "", False
        if tool:
            step[0] = f"tools/call {tool}"
            result = await client.call_tool(tool, arguments)
            lap("call")
            text = "\n".join(block.text for block in result.content if getattr(block, "text", None) is not None)
            answer, is_error = shortened(text, answer_limit), bool(result.is_error)
        return {"tools": tools, "answer": answer, "is_error": is_error, "seconds": seconds, "protocol_version": client.session.protocol_version}


async def _all_tools(client: Any) -> list[str]:
    names: list[str] = []
    cursor = None
    while True:
        page = await client.list_tools(cursor=cursor)
        names += [tool.name for tool in page.tools]
        if not page.next_cursor or page.next_cursor == cursor:
            return names
        cursor = page.next_cursor


def until_it_works(attempt: Callable[[], dict], retries: int, delay: float) -> tuple[dict, int]:
    """What ``attempt`` gives and how many tries it took; the last ProbeError when none of ``1 + retries`` works."""
    for tries in range(1, retries + 2):
        try:
            return attempt(), tries
        except ProbeError:
            if tries > retries:
                raise
            time.sleep(delay)
    raise AssertionError("unreachable")
