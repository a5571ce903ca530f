# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of all logins: found by the credential of the request and by nothing else, few enough, ended when nobody needs them."""

from __future__ import annotations

import asyncio
import os
import time

from mcp_bridge.config import Config
from mcp_bridge.errors import SERVER_ENDED, BridgeError, GoneError
from mcp_bridge.link import Link
from mcp_bridge.stdio import StdioLink
from mcp_bridge.users import usage, wrapped
from mcp_bridge.users.credential import Credential
from mcp_bridge.users.dense.process import DenseLink, DenseProcess
from mcp_bridge.users.login import Check, LoginRefusedError
from mcp_bridge.users.session import Session
from mcp_bridge.users.slots import Slots
from mcp_bridge.users.spares import Spares

CHECKS_AT_A_TIME = 16
REFUSED_FOR = 2.0  # seconds for which a login that was refused is refused without asking again
MOST_REFUSED = 4096  # of them remembered
SWEEP = 5.0  # seconds
LEFT = 0.1  # seconds until a process of all logins that is no longer used is looked at again
RUNAWAY = 0.5  # of a processor, over a sweep without a call: no wrapped server has anything to do then


class Pool:
    """``check`` asks the database about a login."""

    def __init__(self, config: Config, check: Check) -> None:
        self._config, self._ask = config, check
        self._dense = DenseProcess(config) if config.users.dense else None
        self._spares = Spares(config) if config.users.spares and not config.users.dense and wrapped.can_wait(config) else None
        self._secret = os.urandom(32)
        self._sessions: dict[bytes, Session] = {}
        self._slots = Slots(config.users.most, self._end_the_idlest)
        self._checks = asyncio.Semaphore(CHECKS_AT_A_TIME)
        self._refused: dict[bytes, float] = {}  # until when
        self._tasks: set[asyncio.Task] = set()
        self._leaving: set[Session] = set()
        self.started, self.evicted, self.refused, self.processes = 0, 0, 0, 0

    @property
    def sessions(self) -> list[Session]:
        return list(self._sessions.values())

    @property
    def leaving(self) -> int:
        """Processes of stored logins that are no longer used, and still finish what they do."""
        return len(self._leaving)

    @property
    def spares(self) -> int:
        return 0 if self._spares is None else len(self._spares)

    @property
    def waiting(self) -> int:
        return self._slots.waiting

    async def request(self, credential: Credential, method: str, params: dict | None, person: str = "") -> tuple[dict, int]:
        """One call as this login, by whom the gateway names. Raises BridgeError."""
        try:
            return await self._request(credential, method, params, person)
        except GoneError:  # between two of its calls; a new process is started for this one
            return await self._request(credential, method, params, person)

    async def _request(self, credential: Credential, method: str, params: dict | None, person: str) -> tuple[dict, int]:
        key = credential.key(self._secret)
        session = self._sessions.get(key)
        if session is None or session.closing:
            session = self._open(key, credential)
        session.active, session.person = session.active + 1, person
        try:
            await asyncio.shield(session.ready)
            return await session.request(method, params)
        except GoneError:
            session.closing = True
            raise
        finally:
            session.active -= 1
            if not session.active:
                self._slots.something_idle()

    async def welcome(self, credential: Credential, instead_of: Credential | None) -> None:
        """A stored login before it is used: the database takes it, and whose old one is at work has a process with the new one. Raises BridgeError."""
        if instead_of is None or instead_of.key(self._secret) not in self._sessions:
            await self._check(credential)
            return
        key = credential.key(self._secret)
        session = self._sessions.get(key) or self._open(key, credential)
        try:
            await asyncio.shield(session.ready)
        except BridgeError as error:
            if error.outcome != "busy":  # proven, but without a place: it gets one when it is called
                raise

    def let_go(self, credential: Credential) -> None:
        """A stored login that is no longer used: what runs on it may finish."""
        session = self._sessions.get(credential.key(self._secret))
        if session is not None:
            self._leave(session)

    def _leave(self, session: Session) -> None:
        if session in self.sessions:
            self._leaving.add(session)
            self._retire(session)

    def renew(self) -> None:
        """What runs may finish; whoever calls from now on gets a process that has seen the files of now."""
        for session in self.sessions:
            if session.ready.done():
                self._leave(session)
            else:  # it may have begun before the files came
                session.ready.add_done_callback(lambda _task, session=session: self._leave(session))
        if self._spares is not None:
            self._spawn(self._spares.renew())
        if self._dense is not None:
            old, self._dense = self._dense, DenseProcess(self._config)
            self._spawn(self._end_when_left(old))

    async def _end_when_left(self, old: DenseProcess) -> None:
        while old.sessions:
            await asyncio.sleep(LEFT)
        await old.stop()

    def _open(self, key: bytes, credential: Credential) -> Session:
        if self._refused.get(key, 0) > time.monotonic():
            raise LoginRefusedError
        session = self._sessions[key] = Session(self._config, credential, self._link, self._check, self._ended)
        session.ready = self._spawn(self._start(key, session))
        return session

    def _link(self, credential: Credential) -> Link:
        if self._dense is not None:
            return DenseLink(self._dense, credential)
        return StdioLink(wrapped.settings(self._config, credential)) if self._spares is None else self._spares.link(credential)

    def memory_kib(self, session: Session) -> int:
        """Its process; of a process that is shared, its share."""
        if self._dense is None:
            return usage.memory_kib(session.pids)
        return usage.memory_kib(self._dense.pids) // max(1, len(self._sessions))

    async def _start(self, key: bytes, session: Session) -> None:
        """The login first: whoever has a wrong one takes no place and starts no process."""
        try:
            await session.prove()
            for other in self.sessions:
                if other is not session and other.credential.user == session.credential.user and other.ready.done():
                    other.prove_aside()  # the database knows one password for a user: the other one may have been replaced
            await self._slots.take(self._config.limits.wait_seconds)
        except BaseException as error:
            if isinstance(error, LoginRefusedError):
                self._remember(key)
            self._forget(key, session)
            raise
        self.processes += 1
        try:
            await session.start()
            self.started += 1
        except (OSError, TimeoutError) as error:
            why = f"a process for this login cannot be started ({type(error).__name__}); tell whoever runs this service"
            raise BridgeError(SERVER_ENDED, why, "ended") from None
        finally:
            if session.closing or not session.generation.alive:
                self._forget(key, session)

    async def _check(self, credential: Credential) -> None:
        async with self._checks:
            await self._ask(credential)

    def _remember(self, key: bytes) -> None:
        self.refused += 1
        if len(self._refused) >= MOST_REFUSED:
            del self._refused[next(iter(self._refused))]
        self._refused[key] = time.monotonic() + REFUSED_FOR

    def _forget(self, key: bytes, session: Session) -> None:
        if self._sessions.get(key) is session:
            del self._sessions[key]

    def _ended(self, session: Session) -> None:
        self.processes -= 1
        self._leaving.discard(session)
        self._forget(session.credential.key(self._secret), session)
        self._slots.give_back()

    def _end_the_idlest(self) -> bool:
        idle = [session for session in self.sessions if session.ready.done() and not session.active]
        if not idle:
            return False
        self.evicted += 1
        self._retire(min(idle, key=lambda session: session.used))
        return True

    def _retire(self, session: Session) -> None:
        self._forget(session.credential.key(self._secret), session)
        session.closing = True
        self._spawn(session.retire())

    def _spawn(self, work: object) -> asyncio.Task:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it hears of it

    async def sweep(self) -> None:
        """For ever: end who is idle for too long, and what works although nobody asked it to."""
        if self._spares is not None:
            self._spares.fill()
        seen: dict[int, tuple[float, int, float]] = {}  # by session: processor seconds, calls, when
        while True:
            await asyncio.sleep(min(SWEEP, self._config.users.idle_seconds / 2))
            before, seen = seen, {}
            for session in self.sessions:
                used = usage.processor_seconds(session.pids)
                earlier, calls, then = before.get(id(session), (used, -1, 0.0))
                now = time.monotonic()
                seen[id(session)] = (used, session.calls, now)
                if session.active or not session.ready.done():
                    continue
                if now - session.used > self._config.users.idle_seconds:
                    self._retire(session)
                elif calls == session.calls and used - earlier > RUNAWAY * (now - then):
                    session.end("it is busy although nobody calls")

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*(session.retire() for session in self.sessions if session.generation is not None))
        if self._spares is not None:
            await self._spares.close()
        if self._dense is not None:
            await self._dense.stop()
