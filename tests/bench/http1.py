# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 with keep-alive, as little of it as a load needs: one request in flight on each connection, bodies by length or in chunks."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from tests.bench.channel import HELLO, INITIALIZED, LOST, OnAnswer, ask, request


class HttpChannel(asyncio.Protocol):
    """One connection, and the MCP session on it when the server gives one out."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._path, self._host = parts.path, parts.netloc
        self._given = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json", "MCP-Protocol-Version": "2025-06-18", **headers}
        self._head = self._make_head()
        self._transport: asyncio.Transport | None = None
        self._waiting: OnAnswer | None = None
        self._buffer = b""
        self._answer_head = b""  # of the answer that is being read, lower case
        self.session: str | None = None

    def _make_head(self, method: str = "POST") -> bytes:
        lines = [f"{method} {self._path} HTTP/1.1", f"Host: {self._host}", *(f"{name}: {value}" for name, value in self._given.items())]
        return ("\r\n".join(lines) + "\r\nContent-Length: ").encode()

    async def open(self) -> None:
        """Connect and shake hands, as a client does once."""
        await asyncio.get_running_loop().create_connection(lambda: self, *self._address)
        status, _body = await ask(self, 1, "initialize", HELLO)
        if status != 200:
            raise ConnectionError(f"initialize was answered with {status}")
        for line in self._answer_head.split(b"\r\n"):
            if line.lower().startswith(b"mcp-session-id:"):
                self.session = line.partition(b":")[2].strip().decode()
                self._given["Mcp-Session-Id"] = self.session
                self._head = self._make_head()
        acknowledged = asyncio.get_running_loop().create_future()
        self._waiting = lambda status, _body: acknowledged.done() or acknowledged.set_result(status)
        self._write(self._head, INITIALIZED)
        await asyncio.wait_for(acknowledged, 30)

    async def leave(self) -> None:
        """End the session, where there is one, so that its server can go."""
        if self.session is not None and not self._transport.is_closing() and self._waiting is None:
            gone = asyncio.get_running_loop().create_future()
            self._waiting = lambda status, _body: gone.done() or gone.set_result(status)
            self._write(self._make_head("DELETE"), b"")
            await asyncio.wait({gone}, timeout=5)
        self.close()

    def send(self, identity: int, method: str, params: bytes, on_answer: OnAnswer) -> None:
        if self._transport.is_closing():
            on_answer(LOST, b"")
            return
        self._waiting = on_answer
        self._write(self._head, request(identity, method, params))

    def _write(self, head: bytes, body: bytes) -> None:
        self._transport.write(b"%s%d\r\n\r\n%s" % (head, len(body), body))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle(LOST, b"")

    def _settle(self, status: int, body: bytes) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting(status, body)

    def data_received(self, data: bytes) -> None:
        self._buffer = buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head, body = buffer[:end], end + 4
        small = head.lower()
        at = small.find(b"content-length:")
        if at >= 0:
            length = int(small[at + 15 :].split(b"\r\n", 1)[0])
            if len(buffer) < body + length:
                return
            content, self._buffer = buffer[body : body + length], buffer[body + length :]
        elif b"transfer-encoding: chunked" in small:
            read = dechunk(buffer, body)
            if read is None:
                return
            content, self._buffer = read[0], buffer[read[1] :]
        else:
            content, self._buffer = b"", buffer[body:]  # 202 and 204 of some servers
        self._answer_head = head
        self._settle(int(head[9:12]), content)


def dechunk(buffer: bytes, start: int) -> tuple[bytes, int] | None:
    """The body that is in chunks from ``start`` on, and where it ends; None while it is not complete."""
    parts = []
    while True:
        end = buffer.find(b"\r\n", start)
        if end < 0:
            return None
        size = int(buffer[start:end].split(b";")[0], 16)
        if len(buffer) < end + 2 + size + 2:
            return None
        if size == 0:
            return b"".join(parts), end + 4
        parts.append(buffer[end + 2 : end + 2 + size])
        start = end + 2 + size + 2
