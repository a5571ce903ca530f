# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 on bare asyncio streams.

The load generator must not be what is measured, and several cases need bytes that a library would not send (half a request, two
requests at once, a Host of somebody else). So there is no library: one connection, one request at a time, kept alive.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

LINE_LIMIT = 1024 * 1024
PIECE = 1024 * 1024


class ClosedError(ConnectionError):
    """The other side closed the connection before it had answered."""


@dataclass
class Head:
    status: int
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Connection:
    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None
        self.fresh = True

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port, limit=LINE_LIMIT)
        self.fresh = True

    def close(self) -> None:
        if self.writer:
            self.writer.close()
        self.reader = self.writer = None

    async def send(self, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> Head:
        """One request; a kept connection that the server has closed meanwhile is opened again, as any client does."""
        lines = [f"{method} {path} HTTP/1.1"]
        if "Host" not in headers:
            lines.append(f"Host: {self.host}:{self.port}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        data = ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")
        if not self.writer:
            await self.open()
        reused = not self.fresh
        try:
            return await self._exchange(data)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.close()
            if not reused:
                raise
        await self.open()
        try:
            return await self._exchange(data)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.close()
            raise

    async def _exchange(self, data: bytes) -> Head:
        assert self.writer and self.reader
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):  # refused while we were writing: the answer may be there already
            await self.writer.drain()
        self.fresh = False
        return await self.head()

    async def head(self) -> Head:
        assert self.reader
        while True:
            line = await self.reader.readline()
            if not line:
                raise ClosedError("closed without an answer")
            head = Head(int(line.split()[1]))
            while (line := await self.reader.readline()) not in (b"\r\n", b"\n"):
                if not line:
                    raise ClosedError("closed within the headers")
                name, _, value = line.decode("latin-1").partition(":")
                head.headers[name.strip().lower()] = value.strip()
            if head.status != 100:
                return head

    async def pieces(self, head: Head) -> AsyncIterator[bytes]:
        """The body as it comes."""
        assert self.reader
        if "chunked" in head.headers.get("transfer-encoding", "").lower():
            while size := int((await self.reader.readline() or b"!").split(b";")[0], 16):
                while size:
                    piece = await self.reader.read(min(size, PIECE))
                    if not piece:
                        raise ClosedError("closed within the body")
                    size -= len(piece)
                    yield piece
                await self.reader.readline()
            await self.reader.readline()
        elif "content-length" in head.headers:
            left = int(head.headers["content-length"])
            while left:
                piece = await self.reader.read(min(left, PIECE))
                if not piece:
                    raise ClosedError("closed within the body")
                left -= len(piece)
                yield piece
        elif head.status not in (202, 204, 304):
            while piece := await self.reader.read(PIECE):
                yield piece
            self.close()
        if head.headers.get("connection", "").lower() == "close":
            self.close()

    async def body(self, head: Head) -> bytes:
        try:
            return b"".join([piece async for piece in self.pieces(head)])
        except ValueError as broken:
            raise ClosedError(f"closed within the body: {broken}") from broken

    async def events(self, head: Head) -> AsyncIterator[tuple[str, str]]:
        """Server-sent events: (type, data)."""
        rest, event, data = bytearray(), "message", []
        looked = 0
        with contextlib.suppress(ValueError):  # the last chunk did not come: the stream has ended
            async for piece in self.pieces(head):
                rest += piece
                while (end := rest.find(b"\n", looked)) >= 0:
                    line, looked = bytes(rest[:end]).rstrip(b"\r").decode(errors="replace"), 0
                    del rest[: end + 1]
                    name, _, value = line.partition(":")
                    value = value.removeprefix(" ")
                    if not line:
                        if data:
                            yield event, "\n".join(data)
                        event, data = "message", []
                    elif name == "event":
                        event = value
                    elif name == "data":
                        data.append(value)
                looked = len(rest)
