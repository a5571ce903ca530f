# SPDX-License-Identifier: GPL-3.0-or-later
"""Places for processes, given out in the order in which they are asked for. No I/O."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from mcp_bridge.errors import BUSY, BridgeError


class Slots:
    """``make_room`` begins to end something that nobody needs now, and says whether there was such a thing; its place comes by ``give_back``."""

    def __init__(self, most: int, make_room: Callable[[], bool]) -> None:
        self._free, self._make_room = most, make_room
        self._waiting: deque[asyncio.Future] = deque()
        self._coming = 0  # places that are being made

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def take(self, seconds: float) -> None:
        """Raises BridgeError when none was free for that long."""
        if self._free and not self._waiting:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self.something_idle()
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # it was given just now, and there is nobody to use it
                self._pass_on()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise BridgeError(BUSY, "all processes for users are at work for others; try again in a while", "busy") from None
            raise

    def give_back(self) -> None:
        """A process has ended."""
        self._coming = max(0, self._coming - 1)
        self._pass_on()

    def something_idle(self) -> None:
        """Somebody may have become superfluous: make as many places as there are waiting."""
        while self._coming < len(self._waiting) and self._make_room():
            self._coming += 1

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
