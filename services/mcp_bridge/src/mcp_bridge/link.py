# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to one wrapped server: messages out, messages in, and the news of its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mcp_bridge.lines import TooLong

OnMessage = Callable[[bytes | TooLong], None]
OnEnd = Callable[[str], None]


class Link(Protocol):
    """One wrapped server, started once. ``on_message`` gets each message, ``on_end`` is called once, with the reason."""

    on_message: OnMessage
    on_end: OnEnd

    async def start(self) -> None:
        """Start it; returns when messages can be sent. Raises BridgeError or OSError."""

    def send(self, message: bytes) -> None:
        """Hand over one message (JSON, no line end). Raises BridgeError when the server does not read."""

    def kill(self) -> None:
        """End it at once; ``on_end`` follows."""

    async def stop(self) -> None:
        """Let it end, kill it when it does not; ``on_end`` follows."""

    @property
    def pids(self) -> list[int]:
        """Of the processes that this link started."""
