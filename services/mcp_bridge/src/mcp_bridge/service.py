# SPDX-License-Identifier: GPL-3.0-or-later
"""One service for as long as the bridge runs: a current generation, replaced when it dies, succeeded when it is told to reload."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from mcp_bridge.access import Caller
from mcp_bridge.config import Config, ConfigError
from mcp_bridge.database import Way
from mcp_bridge.errors import BUSY, SERVER_UNAVAILABLE, BridgeError, GoneError
from mcp_bridge.generation import Generation
from mcp_bridge.link import Link
from mcp_bridge.rate import Rate

log = logging.getLogger("mcp_bridge")
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0  # seconds between two starts of a server that keeps dying
HEALTHY_AFTER = 10.0  # seconds that a server must live for the pause to be forgotten
PROOF_SECONDS = 30.0
NEWS = 0.02  # seconds until the end of a server is looked for again
#: A question to the database itself, since a server answers initialize and tools/list while its database is down.
PROOFS = {
    "postgres": ("tools/call", {"name": "query", "arguments": {"sql": "SELECT 1"}}),
    "mongodb": ("tools/call", {"name": "list-collections", "arguments": {"connectionId": "preconfigured", "database": ""}}),
    "other": ("tools/list", {}),
}


class Service:
    """``link`` makes the way to a wrapped server, with the secrets that are valid at that moment."""

    def __init__(self, config: Config, link: Callable[[], Link]) -> None:
        self.config, self._make_link = config, link
        self.way = Way(config)
        self.current: Generation | None = None
        self.draining: set[Generation] = set()
        self.number, self.restarts, self.reloads = 1, 0, 0
        self.refused = 0  # reloads whose generation was not taken
        self.trouble = ""  # the last thing that went wrong with a start or a reload
        self.audited: dict[str, str] = {}  # every caller is known by the bearer alone
        self._rate = Rate(config.limits.calls_per_second)
        self._up = asyncio.Event()
        self._pause = FIRST_PAUSE
        self._tasks: set[asyncio.Task] = set()
        self._reloading = asyncio.Lock()
        self._closing = False

    def start(self) -> None:
        """Begin to start the wrapped server; calls wait for it."""
        self._spawn(self._revive())

    def _spawn(self, work: object) -> asyncio.Task:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _revive(self) -> None:
        """Start the current generation's server until one lives."""
        while not self._closing and self.current is None:
            generation = Generation(self.number, self._make_link(), self.config, self._on_end)
            try:
                generation.credential, generation.tls = self.config.credential(), self.way.material()
                await generation.start()
            except (BridgeError, ConfigError, OSError, TimeoutError) as error:
                self.trouble = f"the wrapped server does not start: {str(error) or type(error).__name__}"
                log.warning("%s; again in %.2f s", self.trouble, self._pause)
                await asyncio.sleep(self._pause)
                self._pause = min(LONGEST_PAUSE, self._pause * 2)
                continue
            if not generation.alive:  # it died between handshake and now: _on_end of one that is not current does nothing
                continue
            if self.current is not None or generation.number != self.number:
                # A reload was faster: its generation has newer secrets, and this one must not take its place.
                await generation.link.stop()
                continue
            self.current, self.trouble = generation, ""
            self._up.set()
            return

    def _on_end(self, generation: Generation, reason: str) -> None:
        if generation is not self.current or self._closing:
            return
        self.current = None
        self._up.clear()
        self.restarts += 1
        lived = time.monotonic() - generation.began
        log.warning("the wrapped server ended (%s) after %.1f s; starting another", reason, lived)
        self._spawn(self._start_again(0.0 if lived > HEALTHY_AFTER else self._pause))

    async def _start_again(self, pause: float) -> None:
        self._pause = min(LONGEST_PAUSE, pause * 2) if pause else FIRST_PAUSE
        await asyncio.sleep(pause)
        await self._revive()

    async def generation(self) -> Generation:
        """The one that takes calls now; waits for a server that is being started. Raises BridgeError."""
        if self.current is None:
            try:
                async with asyncio.timeout(self.config.limits.wait_seconds):
                    await self._up.wait()
            except TimeoutError:
                pass
        if self.current is None:
            raise BridgeError(SERVER_UNAVAILABLE, f"{self.config.service} is being started and does not answer yet; try again", "unavailable")
        return self.current

    def serving(self, _caller: Caller) -> Service:
        """One server answers all."""
        return self

    @property
    def about(self) -> dict:
        return self.current.handshake if self.current is not None else {}

    def admit(self, _method: str) -> None:
        self._rate.take()

    def people(self) -> list[dict]:
        """All share one login."""
        return []

    async def handshake(self) -> dict:
        return (await self.generation()).handshake

    async def request(self, method: str, params: dict | None) -> tuple[dict, int]:
        """One call to the wrapped server: its whole answer, and the generation that gave it. Raises BridgeError."""
        deadline = time.monotonic() + self.config.limits.wait_seconds
        while True:
            generation = await self.generation()
            if len(generation.calls) >= self.config.limits.max_in_flight:
                raise BridgeError(BUSY, f"{len(generation.calls)} calls are in flight, which is all that this service takes; try again", "busy")
            try:
                answer = await generation.request(method, params, self.config.limits.call_seconds)
                await self.way.explain(answer)
                return answer, generation.number
            except GoneError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(NEWS)  # its last words are still being read

    async def prove(self, generation: Generation | None = None) -> None:
        """A real question to the database, by the generation that takes calls or by another. Raises BridgeError when it is not answered."""
        generation = generation or await self.generation()
        method, params = PROOFS[self.config.engine]
        if self.config.engine == "mongodb":
            params = {**params, "arguments": {**params["arguments"], "database": self.config.database}}
        answer = await generation.request(method, params, PROOF_SECONDS)
        if "error" in answer or answer.get("result", {}).get("isError"):
            if (closed := await self.way.closed()) is not None:
                raise closed
            # The database's own words may name hosts and logins, so they are not passed on.
            raise BridgeError(SERVER_UNAVAILABLE, "the database server answers, but not its database", "unavailable")

    async def reload(self) -> None:
        """Start the next generation beside this one, prove it, send new calls to it, let the old one finish. Raises BridgeError, ConfigError."""
        async with self._reloading:
            self.way.forget()
            generation = Generation(self.number + 1, self._make_link(), self.config, self._on_end)
            try:
                generation.credential, generation.tls = self.config.credential(), self.way.material()
                await generation.start()
                await self.prove(generation)
                if not generation.alive:
                    raise BridgeError(SERVER_UNAVAILABLE, "the new generation ended at once", "unavailable")
            except (BridgeError, ConfigError, OSError, TimeoutError) as error:
                self.refused += 1
                self.trouble = f"generation {generation.number} was not taken: {str(error) or type(error).__name__}"
                log.error("%s; generation %d goes on", self.trouble, self.number)
                await generation.link.stop()
                raise BridgeError(SERVER_UNAVAILABLE, self.trouble, "unavailable") from None
            old, self.current = self.current, generation
            self.number, self.reloads, self.trouble = generation.number, self.reloads + 1, ""
            self._up.set()
            if old is not None:
                self.draining.add(old)
                self._spawn(self._retire(old))

    async def _retire(self, old: Generation) -> None:
        await old.drain(self.config.limits.call_seconds)
        self.draining.discard(old)

    async def close(self) -> None:
        """Let calls in flight finish for a moment, then end everything."""
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
        running = [generation for generation in (self.current, *self.draining) if generation is not None]
        await asyncio.gather(*(generation.drain(5) for generation in running))

    def status(self) -> dict:
        """For people and for the rotation: which generation takes calls, and what is still in flight in which."""
        running = [generation for generation in (self.current, *self.draining) if generation is not None]
        return {
            "service": self.config.service,
            "generation": self.number,
            "in_flight": {str(generation.number): len(generation.calls) for generation in running},
            "restarts": self.restarts,
            "reloads": self.reloads,
            "refused": self.refused,
            "credential": self.current.credential if self.current is not None else "",
            "tls": self.current.tls if self.current is not None else "",
            "trouble": self.trouble,
        }
