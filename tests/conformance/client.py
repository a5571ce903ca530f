# SPDX-License-Identifier: GPL-3.0-or-later
"""An MCP client of either era that tells what it got, and believes nothing.

`2025-06-18`: initialize, notifications/initialized, then calls, with the session's id if one was given.
`2026-07-28`: no handshake; each request carries its version, method and name in headers, and who is asking in `_meta`.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.conformance.http import Connection, Head

HANDSHAKE, STATELESS = "2025-06-18", "2026-07-28"
CLIENT = {"name": "conformance", "version": "1"}
META = "io.modelcontextprotocol/"
UNSET = object()
NO_ID = (None, "", "server-error")  # what servers put into an error for a request of which they could not tell the id


@dataclass
class Reply:
    """What came back for one request: a JSON-RPC message with its id, or a reason why there is none."""

    status: int = 0
    message: dict | None = None
    problem: str = ""
    seconds: float = 0.0
    session: str = ""
    foreign: int = 0  # messages with other ids that came on this answer's stream
    raw: bytes = b""

    @property
    def answer(self) -> dict | None:
        """What the stub said, if this is a proper answer of it."""
        try:
            result = self.message["result"]
            if result.get("isError"):
                return None
            said = json.loads(result["content"][0]["text"])
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            return None
        return said if isinstance(said, dict) else None

    @property
    def error(self) -> str:
        """A refusal that a program can see and a person can read; empty if there is none."""
        if self.message:
            if "error" in self.message:
                error = self.message["error"]
                return f"{error.get('code')} {error.get('message')}" if isinstance(error, dict) and error.get("message") else ""
            result = self.message.get("result")
            if isinstance(result, dict) and result.get("isError"):
                return " ".join(part.get("text", "") for part in result.get("content", [])).strip()
            return ""
        return f"HTTP {self.status}" if self.status >= 400 else ""

    @property
    def what(self) -> str:
        """For a verdict: short."""
        if self.problem:
            return self.problem
        if self.answer is not None:
            return "answer"
        if self.error:
            return self.error[:60]
        if self.message:
            return "an empty error" if self.message.get("result", {}).get("isError") or "error" in self.message else "a result"
        return f"HTTP {self.status} without an answer"


def parse(raw: bytes) -> list[dict]:
    """The messages of a JSON body; a batch has several."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return []
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def same_id(one: object, other: object) -> bool:
    """JSON-RPC ids are equal in value and kind: 1 is not "1", and not true."""
    return type(one) is type(other) and one == other


class Client:
    def __init__(self, url: str, headers: dict[str, str], era: str = HANDSHAKE, patience: float = 15) -> None:
        parts = urlsplit(url)
        self.path = parts.path
        self.connection = Connection(parts.hostname or "127.0.0.1", parts.port or 80)
        self.credentials, self.era, self.patience = headers, era, patience
        self.session = ""
        self.next = 0

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.connection.close()

    async def start(self) -> Reply:
        """The handshake, where the era has one."""
        if self.era == STATELESS:
            return Reply(status=200)
        self.session = ""
        reply = await self.request("initialize", {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": CLIENT})
        self.session = reply.session
        if reply.message and "result" in reply.message:
            await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return reply

    def sibling(self) -> Client:
        """Another connection of the same client: same session, if there is one."""
        other = Client("", self.credentials, self.era, self.patience)
        other.path, other.session, other.next = self.path, self.session, 1_000_000
        other.connection = Connection(self.connection.host, self.connection.port)
        return other

    async def end(self) -> None:
        if self.session:
            await self.exchange("DELETE", self._headers(None), None)
        self.close()

    def _headers(self, message: dict | None) -> dict[str, str]:
        headers = {**self.credentials, "Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        method = (message or {}).get("method")
        if method != "initialize":
            headers["MCP-Protocol-Version"] = self.era
        if self.session:
            headers["Mcp-Session-Id"] = self.session
        if self.era == STATELESS and method:
            headers["Mcp-Method"] = method
            name = (message or {}).get("params", {}).get("name")
            if isinstance(name, str):
                headers["Mcp-Name"] = name
        return headers

    def message(self, method: str, params: dict | None, identifier: object = UNSET) -> dict:
        if identifier is UNSET:
            self.next += 1
            identifier = self.next
        params = dict(params or {})
        if self.era == STATELESS:
            params["_meta"] = {META + "protocolVersion": self.era, META + "clientInfo": CLIENT, META + "clientCapabilities": {}}
        return {"jsonrpc": "2.0", "id": identifier, "method": method, "params": params}

    async def request(self, method: str, params: dict | None = None, *, identifier: object = UNSET, patience: float | None = None) -> Reply:
        return await self.post(self.message(method, params, identifier), patience=patience)

    async def call(self, tool: str, *, identifier: object = UNSET, patience: float | None = None, **arguments: object) -> Reply:
        return await self.request("tools/call", {"name": tool, "arguments": arguments}, identifier=identifier, patience=patience)

    async def post(self, message: dict, *, patience: float | None = None, headers: dict[str, str] | None = None, body: bytes | None = None) -> Reply:
        """Send one message; `headers` are added, `body` replaces its encoding."""
        sent = json.dumps(message).encode() if body is None else body
        return await self.exchange("POST", {**self._headers(message), **(headers or {})}, sent, wanted=message.get("id", UNSET), patience=patience)

    async def exchange(self, method: str, headers: dict[str, str], body: bytes | None, *, wanted: object = UNSET, patience: float | None = None) -> Reply:
        reply, begun = Reply(), time.monotonic()
        try:
            async with asyncio.timeout(patience or self.patience):
                head = await self.connection.send(method, self.path, headers, body)
                reply.status, reply.session = head.status, head.headers.get("mcp-session-id", "")
                await self._read(head, reply, wanted)
        except TimeoutError:
            reply.problem = f"no answer in {patience or self.patience:.2g} s"
            self.close()
        except (OSError, asyncio.IncompleteReadError, ValueError, IndexError) as closed:
            reply.problem = f"connection lost ({closed or type(closed).__name__})"[:80]
            self.close()
        except BaseException:
            self.close()  # cancelled in the middle of an answer: what is left of it must not be read by the next call
            raise
        reply.seconds = time.monotonic() - begun
        return reply

    async def _read(self, head: Head, reply: Reply, wanted: object) -> None:
        if head.type != "text/event-stream":
            reply.raw = await self.connection.body(head)
            messages = parse(reply.raw)
            self._pick(messages, reply, wanted)
            if reply.message is None and len(messages) == 1 and "error" in messages[0] and messages[0].get("id") in NO_ID:
                reply.message, reply.foreign = messages[0], 0
            return
        events = self.connection.events(head)
        async for _, data in events:
            self._pick(parse(data.encode()), reply, wanted)
            if reply.message is not None:
                break
        try:  # the end of the stream follows at once, or the connection is not used again
            async with asyncio.timeout(0.5):
                async for _, data in events:
                    self._pick(parse(data.encode()), reply, UNSET)
        except TimeoutError:
            self.connection.close()

    @staticmethod
    def _pick(messages: list[dict], reply: Reply, wanted: object) -> None:
        for message in messages:
            if "method" in message or "id" not in message:
                continue
            if wanted is not UNSET and same_id(message["id"], wanted) and reply.message is None:
                reply.message = message
            else:
                reply.foreign += 1
