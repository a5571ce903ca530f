# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.bench.echo PORT``: answers each request with its own body. What the load reaches here is the load's own ceiling."""

from __future__ import annotations

import asyncio
import sys


class Echo(asyncio.Protocol):
    """One connection, one request in flight, as the load does it."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().rpartition(b"content-length:")[2].split(b"\r\n")[0]):
            return
        self._buffer = b""
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
