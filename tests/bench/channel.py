# SPDX-License-Identifier: GPL-3.0-or-later
"""What the load speaks through: something that takes a message and gives back, once, a status and the bytes that came for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

OnAnswer = Callable[[int, bytes], None]
LOST = 0  # the status of an answer that will never come


class Channel(Protocol):
    """One call at a time for each caller. Callbacks and not coroutines: the load runs on the same cores as what it loads, so it must cost little."""

    def send(self, identity: int, method: str, params: bytes, on_answer: OnAnswer) -> None:
        """Ask; ``on_answer(status, body)`` follows, with LOST when the connection ends first."""

    def close(self) -> None:
        """Let go of it."""


async def ask(channel: Channel, identity: int, method: str, params: bytes, seconds: float = 30) -> tuple[int, bytes]:
    """The same for whoever has time to wait."""
    answer = asyncio.get_running_loop().create_future()

    def settle(status: int, body: bytes) -> None:
        if not answer.done():
            answer.set_result((status, body))

    channel.send(identity, method, params, settle)
    return await asyncio.wait_for(answer, seconds)


def request(identity: int, method: str, params: bytes) -> bytes:
    """A JSON-RPC request on one line, as the wrapped server and `translate` want it."""
    return b'{"jsonrpc":"2.0","id":%d,"method":"%s","params":%s}' % (identity, method.encode(), params)


HELLO = b'{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}'
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
