# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP server (uvicorn), with two bounds that it lacks: on the time that a client may take to send a request's head, and on idle connections.

And a stop that closes no connection under a request: uvicorn closes those without one at once, though the client may have sent its next one already.
"""

from __future__ import annotations

import asyncio

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mcp_bridge.config import Limits
from mcp_bridge.web import Web

KEEP_ALIVE_SECONDS = 75
STOP_SECONDS = 10
#: After which, when it stops, a connection without a request is closed as it is.
DRY_SECONDS = 2.0
#: Looks in a row at which no connection is there: one that was just taken becomes one a little later.
SETTLED = 5


def bounded_protocol(seconds: float, most: int) -> type[HttpToolsProtocol]:
    """Connections in bounds: one that has not sent a whole head after ``seconds`` is closed, and so is, beyond ``most`` of them, the one that
    has been without a request for longest. So whoever opens connections and leaves them open keeps nobody out."""
    waiting: dict[HttpToolsProtocol, None] = {}  # those without a request, the longest first
    open_now: set[HttpToolsProtocol] = set()

    class Bounded(HttpToolsProtocol):
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            open_now.add(self)
            waiting[self] = None
            self._late = self.loop.call_later(seconds, transport.close)
            if len(open_now) > most:  # this one waits too, so there always is one
                next(iter(waiting)).transport.close()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            if self._late is None:
                self._late = self.loop.call_later(seconds, self.transport.close)

        def on_headers_complete(self) -> None:
            self._in_time()
            waiting.pop(self, None)
            super().on_headers_complete()

        def on_response_complete(self) -> None:
            if self in open_now:  # its client may have left meanwhile
                waiting[self] = None
            super().on_response_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._in_time()
            waiting.pop(self, None)
            open_now.discard(self)
            super().connection_lost(exc)

        def _in_time(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

    return Bounded


class RunsDry(uvicorn.Server):
    """Where somebody else holds the listening socket, so that who connects meanwhile waits for the next process: every answer says
    ``Connection: close``, until no connection is left or those that are left have been silent for a while."""

    async def shutdown(self, sockets: list | None = None) -> None:
        for listening in self.servers:
            listening.close()
        close = (b"connection", b"close")
        self.server_state.default_headers = [*self.server_state.default_headers, close]
        loop = asyncio.get_running_loop()
        ends, quiet = loop.time() + DRY_SECONDS, 0
        while quiet < SETTLED and loop.time() < ends:
            await asyncio.sleep(0.02)
            quiet = 0 if self.server_state.connections else quiet + 1
        await super().shutdown(sockets)


async def serve(web: Web, listening: object, limits: Limits, *, inherited: bool) -> None:
    """Until SIGTERM or SIGINT; calls in flight may finish. ``inherited``: the listening socket outlives this process."""
    config = uvicorn.Config(
        web,
        http=bounded_protocol(limits.request_seconds, limits.max_connections),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    await (RunsDry if inherited else uvicorn.Server)(config).serve(sockets=[listening])
