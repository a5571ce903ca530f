# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrapped servers that are started before anybody needs them: they have no login, so whose they become does not matter. They hide the start of slow servers."""

from __future__ import annotations

import asyncio
import logging

import orjson

from mcp_bridge.config import Config
from mcp_bridge.errors import GoneError
from mcp_bridge.lines import TooLong
from mcp_bridge.stdio import StdioLink
from mcp_bridge.users import wrapped
from mcp_bridge.users.credential import Credential

log = logging.getLogger("mcp_bridge")


class Spares:
    """``users.spares`` of them are kept; each that is taken is replaced."""

    def __init__(self, config: Config) -> None:
        self._config, self._settings = config, wrapped.spare(config)
        self._waiting: list[StdioLink] = []
        self._starting: asyncio.Task | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def link(self, credential: Credential) -> SpareLink:
        """The way to a server that becomes this login's."""
        return SpareLink(self, wrapped.login(self._config, credential))

    async def take(self) -> tuple[StdioLink, bool]:
        """One that waited, or else a new one, and which of the two. Raises OSError."""
        waited = bool(self._waiting)
        link = self._waiting.pop(0) if waited else await self._started()
        self.fill()
        return link, waited

    def fill(self) -> None:
        """Start what is missing, beside the calls."""
        if self._starting is None or self._starting.done():
            self._starting = asyncio.get_running_loop().create_task(self._fill())

    async def _fill(self) -> None:
        while len(self._waiting) < self._config.users.spares:
            try:
                self._waiting.append(await self._started())
            except OSError as error:
                log.warning("a spare process cannot be started: %s", type(error).__name__)
                return

    async def _started(self) -> StdioLink:
        link = StdioLink(self._settings)
        link.on_message, link.on_end = lambda _line: None, lambda _reason: self._lost(link)
        await link.start()
        return link

    def _lost(self, link: StdioLink) -> None:
        """One that ended while it waited is not replaced at once, but with the next that is taken: what ends at once would end for ever."""
        if link in self._waiting:
            self._waiting.remove(link)
            log.warning("a spare process ended")

    async def renew(self) -> None:
        """Others in the place of those that wait."""
        waiting, self._waiting = self._waiting, []
        self.fill()
        await asyncio.gather(*(link.stop() for link in waiting))

    async def close(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
        waiting, self._waiting = self._waiting, []
        await asyncio.gather(*(link.stop() for link in waiting))


class SpareLink:
    """A ``Link``; its process has the login from the first line that it is sent.

    One that waited and ends before it says a word was dead when it was taken, or as good as: another takes its place and is told the same.
    """

    def __init__(self, spares: Spares, login: dict[str, str]) -> None:
        self._spares = spares
        self._told = [orjson.dumps(login)]  # until it says a word
        self._link: StdioLink | None = None
        self._waited = self._closed = False
        self._moving: asyncio.Task | None = None

    async def start(self) -> None:
        while True:
            link, self._waited = await self._spares.take()
            link.on_message, link.on_end = self._heard, self._over
            try:
                for message in self._told:
                    link.send(message)
            except GoneError:
                if not self._waited:
                    raise
                link.on_end = lambda _reason: None
                continue
            self._link = link
            if self._closed:
                link.kill()
            return

    def _heard(self, line: bytes | TooLong) -> None:
        self._told, self._waited = [], False
        self.on_message(line)

    def _over(self, reason: str) -> None:
        if self._waited and not self._closed:
            self._link = None
            self._moving = asyncio.get_running_loop().create_task(self._move(reason))
        else:
            self.on_end(reason)

    async def _move(self, reason: str) -> None:
        try:
            await self.start()
        except OSError:
            self.on_end(reason)

    def send(self, message: bytes) -> None:
        """Raises BridgeError."""
        if self._told:
            self._told.append(message)
        if self._link is not None:
            try:
                self._link.send(message)
            except GoneError:
                if not self._waited:
                    raise
        elif self._moving is None:
            raise GoneError

    def kill(self) -> None:
        self._closed = True
        if self._link is not None:
            self._link.kill()

    async def stop(self) -> None:
        self._closed = True
        if self._moving is not None:
            await self._moving
        if self._link is not None:
            await self._link.stop()

    @property
    def pids(self) -> list[int]:
        return [] if self._link is None else self._link.pids
