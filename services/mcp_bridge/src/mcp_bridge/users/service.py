# SPDX-License-Identifier: GPL-3.0-or-later
"""One database for many people, each with a login of their own: what the bridge stands before in per-user mode."""

from __future__ import annotations

import asyncio
import logging
import time

from mcp_bridge.access import Caller
from mcp_bridge.config import Config, ConfigError
from mcp_bridge.database import Way
from mcp_bridge.errors import METHOD_NOT_FOUND, NO_LOGIN, SERVER_UNAVAILABLE, BridgeError
from mcp_bridge.users import headers, login, sandbox
from mcp_bridge.users.catalogue import Catalogue
from mcp_bridge.users.credential import Credential
from mcp_bridge.users.directory import Directory
from mcp_bridge.users.pool import Pool

log = logging.getLogger("mcp_bridge")
CONNECT_SECONDS = 5.0
HOW = {
    "headers": f"the headers {headers.USER} and {headers.PASSWORD}",
    "connection_string": f"the header {headers.STRING}",
    "stored": "nothing, where whoever runs this service has stored one for you (user_credential.yml)",
}


class UserService:
    """Counterpart of ``mcp_bridge.service.Service``."""

    def __init__(self, config: Config) -> None:
        sandbox.find(config.users.sandbox)  # without one there is no service
        self.config = config
        self.catalogue = Catalogue(config)
        self.way = Way(config)
        self.tls = self.way.material()
        self.pool = Pool(config, login.checker(config, self.way))
        self.directory = Directory.read(config)
        self.generation, self.refused, self.trouble = 1, 0, ""
        self._tasks: list[asyncio.Task] = []

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self.catalogue.learn()), loop.create_task(self.pool.sweep())]

    def serving(self, caller: Caller) -> Visit:
        return Visit(self, caller)

    async def prove(self) -> None:
        """That the tools are known and the database's port answers as it should: there is no login here to ask it more."""
        await self.catalogue.known()
        users = self.config.users
        if (closed := await self.way.closed()) is not None:
            raise closed
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _reader, writer = await asyncio.open_connection(users.host, users.port)
        except (OSError, TimeoutError):
            raise BridgeError(SERVER_UNAVAILABLE, "the database's port does not answer", "unavailable") from None
        writer.close()

    async def reload(self) -> None:
        """Take what there is now: whoever calls after another CA or client certificate came gets a process with it. Of stored logins, those that are new are
        tried first, and whose owner is at work gets a process before the old one goes.
        """
        self.way.forget()
        try:
            tls = self.way.material()
            if tls != self.tls:
                if (closed := await self.way.closed()) is not None:
                    raise closed
                self.pool.renew()
                self.tls = tls
            directory = Directory.read(self.config)
            before, new = self.directory, directory.beyond(self.directory)
            await asyncio.gather(*(self.pool.welcome(one, before.of(address)) for address, one in new.items()))
        except (BridgeError, ConfigError) as error:
            self.refused, self.trouble = self.refused + 1, str(error)
            log.warning("the stored logins are not taken: %s", error)
            return
        self.directory, self.generation, self.trouble = directory, self.generation + 1, ""
        for one in before.beyond(directory).values():
            self.pool.let_go(one)
        log.info("generation %d: %d stored logins", self.generation, len(directory))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.pool.close()

    def status(self) -> dict:
        """Without names: whoever reaches the door may read it."""
        pool = self.pool
        return {
            "service": self.config.service,
            "credential": self.directory.mark,
            "tls": self.tls,
            "generation": self.generation,
            "in_flight": {str(self.generation): sum(session.active for session in pool.sessions), **({"0": pool.leaving} if pool.leaving else {})},
            "restarts": 0,
            "users": {
                "stored": len(self.directory),
                "processes": pool.processes,
                "spares": pool.spares,
                "most": self.config.users.most,
                "waiting": pool.waiting,
                "started": pool.started,
            },
            "refused": self.refused,
            "logins_refused": pool.refused,
            "evicted": pool.evicted,
            "trouble": self.catalogue.trouble or self.trouble,
        }

    def people(self) -> list[dict]:
        """Who is active: for the team's operators, who hold the bearer."""
        now = time.monotonic()
        return [
            {
                "user": session.person,
                "login": session.credential.user,
                "in_flight": session.active,
                "calls": session.calls,
                "idle_seconds": round(now - session.used, 1),
                "memory_kib": self.pool.memory_kib(session),
            }
            for session in self.pool.sessions
        ]


class Visit:
    """One request: what there is, for everybody; calls, as the login that this request brought."""

    def __init__(self, service: UserService, caller: Caller) -> None:
        self._service, self._caller, self.number = service, caller, service.generation

    @property
    def _credential(self) -> Credential | None:
        """What the request brought, or what is stored now: a request may have taken its time to come in."""
        given, person = self._caller.credential, self._caller.person
        return given if given is not None or not person else self._service.directory.of(person)

    @property
    def audited(self) -> dict[str, str]:
        person, credential = self._caller.person, self._credential
        return {**({"user": person} if person else {}), **({} if credential is None else {"login": str(credential)})}

    @property
    def about(self) -> dict:
        return self._service.catalogue.handshake

    async def handshake(self) -> dict:
        return (await self._service.catalogue.known()).handshake

    def admit(self, method: str) -> None:
        if method not in ("tools/list", "tools/call"):
            raise BridgeError(METHOD_NOT_FOUND, "Method not found", "invalid")
        if method == "tools/call" and self._credential is None:
            ways = " or ".join(HOW[way] for way in self._service.config.users.accepts)
            none = f"; none is stored for {self._caller.person}" if self._caller.person and "stored" in self._service.config.users.accepts else ""
            raise BridgeError(NO_LOGIN, f"{self._service.config.service} needs your own database login with each request: send {ways}{none}", "no_login")

    async def request(self, method: str, params: dict | None) -> tuple[dict, int]:
        if method == "tools/list":
            return {"result": (await self._service.catalogue.known()).tools}, self.number
        answer, number = await self._service.pool.request(self._credential, method, params, self._caller.person)
        await self._service.way.explain(answer)
        return answer, number
