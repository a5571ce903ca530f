# SPDX-License-Identifier: GPL-3.0-or-later
"""A stop that closes no connection under a request.

uvicorn closes connections without a request as soon as it is told to stop. A client that has just had an answer may have sent its next request there
already; it gets an end of file for an answer, and cannot know whether the request was carried out. So before that, where the listening socket outlives
this process (systemd holds it, and whoever connects meanwhile waits for the next process), every answer says ``Connection: close``, until no connection
is left or those that are left have been silent for a while.
"""

from __future__ import annotations

import asyncio
import signal

import uvicorn

#: After which a connection without a request is closed as it is.
SECONDS = 2.0
#: Looks in a row at which no connection is there: one that was just taken becomes one a little later.
SETTLED = 5


async def run_dry(server: uvicorn.Server, seconds: float = SECONDS) -> None:
    """Take no more connections, and have those that are open end with their next answer."""
    for listening in server.servers:
        listening.close()
    close = (b"connection", b"close")
    server.config.encoded_headers.append(close)  # of which uvicorn makes the next line anew every second
    server.server_state.default_headers = [*server.server_state.default_headers, close]
    loop = asyncio.get_running_loop()
    ends, quiet = loop.time() + seconds, 0
    while quiet < SETTLED and loop.time() < ends:
        await asyncio.sleep(0.02)
        quiet = 0 if server.server_state.connections else quiet + 1


def install() -> None:
    """In the place of what uvicorn does at SIGTERM. To be called where its loop runs; nothing happens where nobody else holds the socket."""
    stop = signal.getsignal(signal.SIGTERM)
    server = getattr(stop, "__self__", None)
    if not isinstance(server, uvicorn.Server) or server.config.fd is None:
        return
    loop, begun = asyncio.get_running_loop(), []

    async def stop_dry(number: int) -> None:
        try:
            await run_dry(server)
        finally:
            stop(number, None)

    def on_signal(number: int, _frame: object) -> None:
        if begun:  # asked twice
            stop(number, None)
            return
        begun.append(number)
        loop.call_soon_threadsafe(lambda: begun.append(loop.create_task(stop_dry(number))))

    signal.signal(signal.SIGTERM, on_signal)
