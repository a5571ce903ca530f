# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to call, asked once of a server that can log in nowhere: tools are the same for everybody, and whoever lists them needs no login."""

from __future__ import annotations

import asyncio
import logging

from mcp_bridge.config import Config
from mcp_bridge.errors import SERVER_UNAVAILABLE, BridgeError
from mcp_bridge.generation import Generation
from mcp_bridge.stdio import StdioLink
from mcp_bridge.users import wrapped

log = logging.getLogger("mcp_bridge")
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0


class Catalogue:
    """``handshake`` and ``tools`` are {} until it is known."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.handshake: dict = {}
        self.tools: dict = {}
        self.trouble = "the tools are not known yet"
        self._known = asyncio.Event()

    async def learn(self) -> None:
        """Until it is known."""
        pause = FIRST_PAUSE
        while not self._known.is_set():
            try:
                await self._ask()
            except (BridgeError, OSError, TimeoutError) as error:
                self.trouble = f"a wrapped server does not start: {str(error) or type(error).__name__}"
                log.warning("%s; again in %.1f s", self.trouble, pause)
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 2)

    async def _ask(self) -> None:
        settings = wrapped.settings(self._config, None)
        generation = Generation(1, StdioLink(settings), settings, lambda _generation, _reason: None)
        await generation.start()
        try:
            answer = await generation.request("tools/list", {}, self._config.limits.start_seconds)
        finally:
            await generation.link.stop()
        if not isinstance(answer.get("result"), dict):
            raise BridgeError(SERVER_UNAVAILABLE, "it does not list its tools", "unavailable")
        # What else it offers would be asked of the database, with a login.
        self.handshake = {**generation.handshake, "capabilities": {"tools": {}}}
        self.tools, self.trouble = answer["result"], ""
        self._known.set()

    async def known(self) -> Catalogue:
        """Itself, once it is known. Raises BridgeError when that takes too long."""
        try:
            async with asyncio.timeout(self._config.limits.wait_seconds):
                await self._known.wait()
        except TimeoutError:
            raise BridgeError(SERVER_UNAVAILABLE, f"{self._config.service} is being started and does not answer yet; try again", "unavailable") from None
        return self
