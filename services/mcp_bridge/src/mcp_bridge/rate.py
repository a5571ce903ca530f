# SPDX-License-Identifier: GPL-3.0-or-later
"""How many calls there may be in a second. No I/O."""

from __future__ import annotations

import time

from mcp_bridge.errors import BUSY, BridgeError


class Rate:
    """At most so many calls a second, with a second's worth at once. 0: no bound."""

    def __init__(self, per_second: float) -> None:
        self._per_second, self._left, self._seen = per_second, per_second, time.monotonic()

    def take(self) -> None:
        """Raises BridgeError when there is nothing left."""
        if not self._per_second:
            return
        now = time.monotonic()
        self._left = min(self._per_second, self._left + (now - self._seen) * self._per_second)
        self._seen = now
        if self._left < 1:
            raise BridgeError(BUSY, f"more than {self._per_second:g} calls a second; wait a moment, then try again", "busy")
        self._left -= 1
