# SPDX-License-Identifier: GPL-3.0-or-later
"""The one process that all logins share, and a session of one login in it. Its words are described in ``sessions.mjs``."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time

import orjson

from mcp_bridge.config import Config
from mcp_bridge.errors import GoneError
from mcp_bridge.lines import TooLong
from mcp_bridge.stdio import StdioLink
from mcp_bridge.users import wrapped
from mcp_bridge.users.credential import Credential

log = logging.getLogger("mcp_bridge")
PING_EVERY, PATIENCE = 5.0, 20.0  # seconds; silent for that long although it was asked: it hangs


class DenseProcess:
    """Started when the first session is opened, and again when it has ended. Its end is the end of all its sessions."""

    def __init__(self, config: Config) -> None:
        self._settings = wrapped.dense(config)
        self._link: StdioLink | None = None
        self._starting: asyncio.Task | None = None
        self._watch: asyncio.Task | None = None
        self._sessions: dict[int, DenseLink] = {}
        self._numbers = itertools.count(1)
        self._heard = 0.0

    @property
    def pids(self) -> list[int]:
        return [] if self._link is None else self._link.pids

    @property
    def sessions(self) -> int:
        return len(self._sessions)

    async def open(self, session: DenseLink, credential: Credential) -> int:
        """The new session's number. Raises BridgeError or OSError."""
        while self._link is None:
            if self._starting is None:
                self._starting = asyncio.get_running_loop().create_task(self._start())
            await asyncio.shield(self._starting)
        number = next(self._numbers)
        self._sessions[number] = session
        self._order({"open": number, "user": credential.user, "password": credential.password})
        return number

    async def _start(self) -> None:
        try:
            link = StdioLink(self._settings)
            link.on_message, link.on_end = self._on_message, self._on_end
            await link.start()
            self._heard = time.monotonic()
            self._link = link
            self._watch = asyncio.get_running_loop().create_task(self._notice_a_hang())
        finally:
            self._starting = None

    def send(self, number: int, message: bytes) -> None:
        """Raises BridgeError."""
        if self._link is None:
            raise GoneError
        self._link.send(b"%d %b" % (number, message))

    def close(self, number: int) -> None:
        """No message reaches this session any more."""
        if self._sessions.pop(number, None) is not None and self._link is not None:
            self._order({"close": number})

    def _order(self, order: dict) -> None:
        self._link.send(b"0 " + orjson.dumps(order))

    def _on_message(self, line: bytes | TooLong) -> None:
        self._heard = time.monotonic()
        if isinstance(line, TooLong):  # whose it is stood at its beginning, which is gone; its id is one call's alone
            for session in list(self._sessions.values()):
                session.on_message(line)
            return
        number, _blank, message = line.partition(b" ")
        session = self._sessions.get(int(number)) if number.isdigit() else None
        if session is not None:
            session.on_message(message)

    def _on_end(self, reason: str) -> None:
        log.warning("the process of all logins ended: %s", reason)
        self._link = None
        self._watch.cancel()
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            session.ended(reason)

    async def _notice_a_hang(self) -> None:
        while True:
            self._order({"ping": 1})
            await asyncio.sleep(PING_EVERY)
            if time.monotonic() - self._heard > PATIENCE:
                log.warning("the process of all logins hangs; replacing it")
                self._link.kill()
                return

    async def stop(self) -> None:
        if self._link is not None:
            await self._link.stop()


class DenseLink:
    """A ``Link`` to one session."""

    def __init__(self, process: DenseProcess, credential: Credential) -> None:
        self._process, self._credential = process, credential
        self._number: int | None = None
        self._over = False

    async def start(self) -> None:
        self._number = await self._process.open(self, self._credential)

    def send(self, message: bytes) -> None:
        self._process.send(self._number, message)

    def ended(self, reason: str) -> None:
        if not self._over:
            self._over = True
            self.on_end(reason)

    def kill(self) -> None:
        if self._number is not None:
            self._process.close(self._number)
        self.ended("closed")

    async def stop(self) -> None:
        self.kill()

    @property
    def pids(self) -> list[int]:
        """None of its own."""
        return []
