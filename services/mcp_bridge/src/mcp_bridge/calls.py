# SPDX-License-Identifier: GPL-3.0-or-later
"""The routing core: every call gets an id that no other call ever had, and its answer goes to that call alone. No I/O."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

from mcp_bridge.errors import BridgeError


class Calls:
    """Calls in flight at one wrapped server. Ids come from one counter for the whole process, so a late answer never meets a later call."""

    _ids: Iterator[int] = itertools.count(1)

    def __init__(self) -> None:
        self._open: dict[int, asyncio.Future] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self) -> tuple[int, asyncio.Future]:
        """A new id, and the future of its answer: the whole JSON-RPC message."""
        identity = next(self._ids)
        self._open[identity] = answer = asyncio.get_running_loop().create_future()
        return identity, answer

    def close(self, identity: int) -> None:
        """Forget a call; what still comes for it is dropped."""
        self._open.pop(identity, None)

    def settle(self, message: dict) -> bool:
        """Give an answer to its call. False for one that nobody waits for: unknown, late, or the second for the same call."""
        identity = message.get("id")
        if not isinstance(identity, int) or isinstance(identity, bool):
            return False
        answer = self._open.pop(identity, None)
        if answer is None or answer.done():
            return False
        answer.set_result(message)
        return True

    def fail(self, error: BridgeError, identity: int | None = None) -> None:
        """End one call, or all of them, with an error."""
        ended = [identity] if identity is not None else list(self._open)
        for one in ended:
            answer = self._open.pop(one, None)
            if answer is not None and not answer.done():
                answer.set_exception(error)
