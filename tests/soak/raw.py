# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge's doors at the level of bytes, so that a client can stop wherever it likes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Door:
    """One bridge."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.url, self.headers = url, headers
        parts = urlsplit(url)
        self.host, self.port, self._netloc = parts.hostname, parts.port, parts.netloc

    def head(self, method: str, path: str, length: int | None = None) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._netloc}", *(f"{name}: {value}" for name, value in self.headers.items())]
        lines += [] if length is None else ["Content-Type: application/json", f"Content-Length: {length}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Dropped without ceremony in the end."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def get(self, path: str) -> tuple[int, bytes]:
        async with self.connection() as (reader, writer):
            writer.write(self.head("GET", path))
            return await answer(reader)

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        async with self.connection() as (reader, writer):
            writer.write(self.head("POST", path, len(body)) + body)
            return await answer(reader)

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[Stream]:
        """A stream of events; the first names the place for messages."""
        async with self.connection() as (reader, writer):
            writer.write(self.head("GET", "/sse"))
            yield Stream(reader)


class Stream:
    """Server-sent events, in chunks of HTTP that are of no interest here."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def event(self, seconds: float) -> bytes:
        """The data of the next event. Raises EOFError, TimeoutError."""
        async with asyncio.timeout(seconds):
            while True:
                line = await self._reader.readline()
                if not line:
                    raise EOFError("the stream ended")
                if line.startswith(b"data:"):
                    return line[5:].strip()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body, by length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    return int(head[9:12]), await reader.readexactly(length)
