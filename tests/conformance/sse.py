# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the older transport: answers come on one long stream, requests go to an address that the stream tells first."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import urljoin, urlsplit

from tests.conformance.client import CLIENT, HANDSHAKE, Reply, parse, same_id
from tests.conformance.http import Connection


class SseClient:
    def __init__(self, url: str, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        self.url, self.credentials = url, headers
        self.stream = Connection(parts.hostname or "127.0.0.1", parts.port or 80)
        self.requests = Connection(parts.hostname or "127.0.0.1", parts.port or 80)
        self.endpoint = ""
        self.messages: list[dict] = []
        self.news = asyncio.Event()
        self.ended = False
        self.reading: asyncio.Task | None = None

    async def open(self, patience: float = 10, *, handshake: bool = True) -> Reply:
        reply = Reply()
        try:
            async with asyncio.timeout(patience):
                head = await self.stream.send("GET", urlsplit(self.url).path, {**self.credentials, "Accept": "text/event-stream"})
                reply.status = head.status
                if head.status != 200:
                    return reply
                self.reading = asyncio.create_task(self._read(head))
                while not self.endpoint and not self.ended:
                    await self._next()
        except (TimeoutError, OSError) as error:
            reply.problem = f"no stream ({type(error).__name__})"
            return reply
        if handshake:
            reply = await self.request("init-1", "initialize", {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": CLIENT})
            await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return reply

    async def _read(self, head) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async for event, data in self.stream.events(head):
                if event == "endpoint":
                    self.endpoint = urlsplit(urljoin(self.url, data))._replace(scheme="", netloc="").geturl()
                elif event == "message":
                    self.messages += parse(data.encode())
                self.news.set()
        self.ended = True
        self.news.set()

    async def _next(self) -> None:
        await self.news.wait()
        self.news.clear()

    async def post(self, message: dict) -> int:
        import json

        headers = {**self.credentials, "Content-Type": "application/json"}
        head = await self.requests.send("POST", self.endpoint, headers, json.dumps(message).encode())
        await self.requests.body(head)
        return head.status

    async def request(self, identifier: object, method: str, params: dict, patience: float = 10) -> Reply:
        """The first message with this id is the answer, as official clients see it."""
        seen, reply = len(self.messages), Reply()
        try:
            async with asyncio.timeout(patience):
                reply.status = await self.post({"jsonrpc": "2.0", "id": identifier, "method": method, "params": params})
                while not self.ended and reply.status < 400:
                    for message in self.messages[seen:]:
                        if "method" not in message and same_id(message.get("id"), identifier):
                            reply.message = message
                            return reply
                    await self._next()
        except TimeoutError:
            reply.problem = f"no answer in {patience:.0f} s"
        except (OSError, asyncio.IncompleteReadError) as error:
            reply.problem = f"connection lost ({type(error).__name__})"
        return reply

    async def call(self, identifier: object, tool: str, patience: float = 10, **arguments: object) -> Reply:
        return await self.request(identifier, "tools/call", {"name": tool, "arguments": arguments}, patience)

    def close(self) -> None:
        if self.reading:
            self.reading.cancel()
        self.stream.close()
        self.requests.close()
