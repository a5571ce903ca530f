# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP server (uvicorn), with one thing that it lacks: a bound on the time that a client may take to send a request's head."""

from __future__ import annotations

import asyncio

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mcp_bridge.config import Limits
from mcp_bridge.web import Web

KEEP_ALIVE_SECONDS = 75
STOP_SECONDS = 10


def bounded_protocol(seconds: float) -> type[HttpToolsProtocol]:
    """Connections that have not sent a whole head after that time are closed; those between requests are uvicorn's own business."""

    class Bounded(HttpToolsProtocol):
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._late = self.loop.call_later(seconds, transport.close)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            if self._late is None:
                self._late = self.loop.call_later(seconds, self.transport.close)

        def on_headers_complete(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._late is not None:
                self._late.cancel()
            super().connection_lost(exc)

    return Bounded


async def serve(web: Web, listening: object, limits: Limits) -> None:
    """Until SIGTERM or SIGINT; calls in flight may finish."""
    config = uvicorn.Config(
        web,
        http=bounded_protocol(limits.request_seconds),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=limits.max_connections,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    await uvicorn.Server(config).serve(sockets=[listening])
