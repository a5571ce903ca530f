# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge's doors over HTTP: /mcp (Streamable HTTP), /sse with /messages (for older clients), /healthz, /readyz, /metrics."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

import orjson

from mcp_bridge import protocol
from mcp_bridge.access import Access, Caller
from mcp_bridge.bridge import Bridge
from mcp_bridge.errors import INVALID_REQUEST, BridgeError

Receive = Callable[[], Awaitable[dict]]
Send = Callable[[dict], Awaitable[None]]
JSON, TEXT = (b"content-type", b"application/json"), (b"content-type", b"text/plain; version=0.0.4")
PROOF_LASTS = 1.0  # seconds for which /readyz gives the same answer, so that asking often costs the database nothing
MOST_STREAMS, KEEP_ALIVE = 256, 15.0


class GoneError(Exception):
    """The client closed its connection."""


class Web:
    """The ASGI application."""

    def __init__(self, bridge: Bridge, access: Access) -> None:
        self._bridge, self._access = bridge, access
        self._streams: dict[str, Stream] = {}
        self._proof: tuple[float, str | None] = (0.0, "not asked yet")
        self._proving = asyncio.Lock()
        self._doors = {
            ("POST", "/mcp"): self._mcp,
            ("POST", "/mcp/"): self._mcp,
            ("GET", "/sse"): self._sse,
            ("POST", "/messages"): self._message,
            ("GET", "/healthz"): self._healthz,
            ("GET", "/readyz"): self._readyz,
            ("GET", "/metrics"): self._metrics,
            ("GET", "/users"): self._users,
        }

    async def __call__(self, scope: dict, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = scope["headers"]
        door = self._doors.get((scope["method"], scope["path"]))
        if not self._access.reached_well(headers):
            await reply(send, 403, problem("this service is not reached by that Host or from that Origin"))
        elif door is None:
            known = {method for method, path in self._doors if path == scope["path"]}
            allow = [(b"allow", ", ".join(sorted(known)).encode())] if known else []
            await reply(send, 405 if known else 404, problem("no such door"), *allow)
        elif scope["path"] in ("/healthz", "/readyz", "/metrics"):
            await door(scope, receive, send, None)
        else:
            await self._let_in(door, scope, receive, send)

    async def _let_in(self, door: Callable, scope: dict, receive: Receive, send: Send) -> None:
        try:
            caller = self._access.caller(scope["headers"])
        except BridgeError as error:
            await reply(send, 400, problem(str(error)))
            return
        if caller is None:
            await reply(send, 401, problem("a bearer token is needed"), (b"www-authenticate", b"Bearer"))
        else:
            await door(scope, receive, send, caller)

    async def _mcp(self, scope: dict, receive: Receive, send: Send, caller: Caller) -> None:
        message: object = None
        try:
            message = protocol.decode(await self._body(receive))
            request = protocol.read(message, scope["headers"])
        except BridgeError as error:
            refused = orjson.dumps(protocol.refusal(protocol.identity_of(message), error.body()))
            await reply(send, 413 if error.outcome == "too_large" else protocol.STATUS.get(error.code, 400), refused)
            return
        except GoneError:
            return
        if request is None:
            await reply(send, 202, b"")
            return
        answer = await self._unless_gone(self._bridge.handle(request, caller), receive)
        if answer is None:
            return
        code = answer["error"].get("code") if "error" in answer else None
        status = protocol.STATUS.get(code, 200) if code is not None and request.stateless else 200
        body = orjson.dumps(answer)
        if accepts_stream_only(scope["headers"]):
            await reply(send, status, b"event: message\ndata: " + body + b"\n\n", content=(b"content-type", b"text/event-stream"))
        else:
            await reply(send, status, body)

    async def _body(self, receive: Receive) -> bytes:
        """Raises BridgeError for one that is too long or too slow, GoneError for one that does not come."""
        limits, parts, length = self._bridge.config.limits, [], 0
        try:
            async with asyncio.timeout(limits.request_seconds):
                while True:
                    event = await receive()
                    if event["type"] == "http.disconnect":
                        raise GoneError
                    parts.append(event.get("body", b""))
                    length += len(parts[-1])
                    if length > limits.max_request_bytes:
                        raise BridgeError(INVALID_REQUEST, f"the request has more than {limits.max_request_bytes} bytes", "too_large")
                    if not event.get("more_body"):
                        return parts[0] if len(parts) == 1 else b"".join(parts)
        except TimeoutError:
            raise BridgeError(INVALID_REQUEST, f"the request was not complete within {limits.request_seconds:g} s", "invalid") from None

    @staticmethod
    async def _unless_gone(work: Awaitable[dict], receive: Receive) -> dict | None:
        """The answer; or None when the client leaves before it is there, and then the work is cancelled. A closed connection is how calls are cancelled."""
        loop = asyncio.get_running_loop()
        call, gone = loop.create_task(work), loop.create_task(disconnected(receive))
        try:
            await asyncio.wait((call, gone), return_when=asyncio.FIRST_COMPLETED)
            return call.result() if call.done() else None
        finally:
            for task in (call, gone):
                task.cancel()

    async def _sse(self, scope: dict, receive: Receive, send: Send, caller: Caller) -> None:
        if len(self._streams) >= MOST_STREAMS:
            await reply(send, 503, problem(f"{MOST_STREAMS} streams are open, which is all that this service takes"))
            return
        name, stream = secrets.token_urlsafe(24), Stream(caller)
        self._streams[name] = stream
        head = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache, no-transform")]
        gone = asyncio.get_running_loop().create_task(disconnected(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": f"event: endpoint\ndata: /messages?session={name}\n\n".encode(), "more_body": True})
            while not gone.done():
                if piece := await stream.next_or_gone(gone):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            gone.cancel()
            del self._streams[name]
            stream.close()

    async def _message(self, scope: dict, receive: Receive, send: Send, caller: Caller) -> None:
        stream = self._streams.get(parse_qs(scope["query_string"].decode("latin-1")).get("session", [""])[0])
        if stream is None or stream.caller != caller:
            await reply(send, 404, problem("no such session; open /sse again"))
            return
        message: object = None
        try:
            message = protocol.decode(await self._body(receive))
            request = protocol.read(message)
        except BridgeError as error:
            await reply(send, 400, orjson.dumps(protocol.refusal(protocol.identity_of(message), error.body())))
            return
        except GoneError:
            return
        if request is not None:
            stream.run(request.identity, self._bridge.handle(request, caller))
        elif isinstance(message, dict) and message.get("method") == "notifications/cancelled":
            stream.cancel((message.get("params") or {}).get("requestId"))
        await reply(send, 202, b"")

    async def _healthz(self, _scope: dict, _receive: Receive, send: Send, _caller: None) -> None:
        """That the process lives, and what it uses. Asks no database."""
        await reply(send, 200, orjson.dumps({"status": "alive", **self._bridge.service.status()}))

    async def _readyz(self, _scope: dict, _receive: Receive, send: Send, _caller: None) -> None:
        """A real question to the database, asked at most once a second however many want to know."""
        async with self._proving:
            if time.monotonic() - self._proof[0] > PROOF_LASTS:
                service = self._bridge.service
                try:
                    await service.prove()
                    why = None
                except BridgeError as error:
                    why = str(error)
                self._proof = (time.monotonic(), why)
        why = self._proof[1]
        said = {"status": "not ready" if why else "ready", "why": why, "bearers": self._access.bearers, **self._bridge.service.status()}
        await reply(send, 503 if why else 200, orjson.dumps(said))

    async def _users(self, _scope: dict, _receive: Receive, send: Send, _caller: Caller) -> None:
        await reply(send, 200, orjson.dumps(self._bridge.service.people()))

    async def _metrics(self, _scope: dict, _receive: Receive, send: Send, _caller: None) -> None:
        await reply(send, 200, self._bridge.metrics.text(), content=TEXT)


class Stream:
    """One client of the older SSE transport: its own queue, its own calls; nobody else's answer can come into it."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(64)
        self._calls: dict[str | int, asyncio.Task] = {}

    def run(self, identity: str | int, work: Awaitable[dict]) -> None:
        async def answer() -> None:
            try:
                await self._queue.put(b"event: message\ndata: " + orjson.dumps(await work) + b"\n\n")
            finally:
                if self._calls.get(identity) is task:
                    del self._calls[identity]

        task = asyncio.get_running_loop().create_task(answer())
        self._calls[identity] = task

    def cancel(self, identity: object) -> None:
        if isinstance(identity, str | int) and identity in self._calls:
            self._calls[identity].cancel()

    async def next_or_gone(self, gone: asyncio.Task) -> bytes | None:
        """The next event, a comment after a while of silence, None when the client is gone."""
        following = asyncio.get_running_loop().create_task(self._queue.get())
        done, _waiting = await asyncio.wait((following, gone), timeout=KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED)
        if following in done:
            return following.result()
        following.cancel()
        return None if gone in done else b": still here\n\n"

    def close(self) -> None:
        for call in list(self._calls.values()):
            call.cancel()


async def disconnected(receive: Receive) -> None:
    """Returns when the client has closed its connection; what it still sends before that is of no interest."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def reply(send: Send, status: int, body: bytes, *more: tuple[bytes, bytes], content: tuple[bytes, bytes] = JSON) -> None:
    headers = [content, (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def problem(message: str) -> bytes:
    """An error outside of JSON-RPC's own, in its form, so that MCP clients show the text."""
    return orjson.dumps(protocol.refusal(None, {"code": INVALID_REQUEST, "message": message}))


def accepts_stream_only(headers: list[tuple[bytes, bytes]]) -> bool:
    accepted = b",".join(value.lower() for name, value in headers if name == b"accept")
    return b"text/event-stream" in accepted and b"application/json" not in accepted and b"*/*" not in accepted
