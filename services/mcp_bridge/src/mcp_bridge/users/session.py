# SPDX-License-Identifier: GPL-3.0-or-later
"""One login's process, from the check of the login to the process's end, and how long ago the database last took that login."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from mcp_bridge.config import Config
from mcp_bridge.errors import BUSY, BridgeError, GoneError
from mcp_bridge.generation import Generation
from mcp_bridge.link import Link
from mcp_bridge.rate import Rate
from mcp_bridge.users.credential import Credential
from mcp_bridge.users.login import Check, LoginRefusedError

log = logging.getLogger("mcp_bridge")


class Session:
    """``link`` makes the way to its server; ``ended`` is called once, when nothing of it is left."""

    def __init__(self, config: Config, credential: Credential, link: Callable[[Credential], Link], check: Check, ended: Callable[[Session], None]) -> None:
        self.credential, self.began, self.used = credential, time.monotonic(), time.monotonic()
        self.person = ""  # who used it last, where the gateway says
        self.calls, self.active = 0, 0  # ever; now, from the moment at which one waits for the process
        self.closing = False
        self._over = False
        self._rate = Rate(config.limits.calls_per_second)
        self.ready: asyncio.Task | None = None  # done when calls can be made; its exception says why they cannot
        self._config, self._link, self._check, self._ended = config, link, check, ended
        self._proven = float("-inf")
        self._proving: asyncio.Task | None = None
        self.generation: Generation | None = None

    @property
    def pids(self) -> list[int]:
        return self.generation.link.pids if self.generation is not None else []

    async def start(self) -> None:
        """Raises BridgeError, OSError or TimeoutError; then nothing is left behind."""
        self.generation = Generation(1, self._link(self.credential), self._config, self._on_end)
        try:
            await self.generation.start()
        except BaseException:
            self.closing = True
            if not self._over and not self.pids:  # there never was a process whose end could be told
                self._on_end(self.generation, "not started")
            raise

    async def prove(self) -> None:
        """Ask the database; one question at a time, however many wait for the answer. Raises BridgeError."""
        self.prove_aside()
        await asyncio.shield(self._proving)

    def prove_aside(self) -> None:
        """Ask, and wait for nothing."""
        if self._proving is None or self._proving.done():
            self._proving = asyncio.get_running_loop().create_task(self._prove())
            self._proving.add_done_callback(_heard)

    async def _prove(self) -> None:
        began = time.monotonic()
        try:
            await self._check(self.credential)
        except LoginRefusedError:
            self._proven = float("-inf")
            self.end("the database refuses this login")
            raise
        self._proven = began

    async def request(self, method: str, params: dict | None) -> tuple[dict, int]:
        """A call runs only on a login that the database took within the time of grace; asked early, so that who calls steadily never waits."""
        grace, age = self._config.users.grace_seconds, time.monotonic() - self._proven
        if age > grace:
            await self.prove()
        elif age > grace / 2:
            self.prove_aside()
        if self.closing or not self.generation.alive:
            raise GoneError
        if len(self.generation.calls) >= self._config.limits.max_in_flight:
            raise BridgeError(BUSY, f"{len(self.generation.calls)} calls of this login are in flight, which is all that it may have; try again", "busy")
        self._rate.take()
        self.calls += 1
        self.used = time.monotonic()
        try:
            answer = await self.generation.request(method, params, self._config.limits.call_seconds)
        finally:
            self.used = time.monotonic()
        result = answer.get("result")
        if not isinstance(result, dict) or result.get("isError"):
            self.prove_aside()  # an error may be the first sign that the login is not what it was
        return answer, self.generation.number

    def end(self, why: str) -> None:
        """At once; calls in flight are told."""
        if not self.closing:
            log.info("the process of %s ends: %s", self.credential, why)
        self.closing = True
        if self.generation is not None:
            self.generation.link.kill()

    async def retire(self) -> None:
        """No more calls; those in flight may finish."""
        self.closing = True
        if self.generation is not None:
            await self.generation.drain(self._config.limits.call_seconds)

    def _on_end(self, _generation: Generation, reason: str) -> None:
        if not self.closing:
            log.info("the process of %s ended: %s", self.credential, reason)
        self.closing = self._over = True
        self._ended(self)


def _heard(task: asyncio.Task) -> None:
    """Whoever waits for it hears of its error; nobody has to."""
    if not task.cancelled():
        task.exception()
