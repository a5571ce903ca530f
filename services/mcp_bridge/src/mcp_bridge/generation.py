# SPDX-License-Identifier: GPL-3.0-or-later
"""One wrapped server, from its handshake to its end, and the calls that are in flight in it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import orjson

from mcp_bridge.calls import Calls
from mcp_bridge.config import Config
from mcp_bridge.errors import BUSY, SERVER_ENDED, TIMED_OUT, TOO_LARGE, BridgeError
from mcp_bridge.lines import TooLong
from mcp_bridge.link import Link

log = logging.getLogger("mcp_bridge")
#: What wrapped servers are spoken to with; callers may speak another version (protocol.py).
VERSION = "2025-06-18"
PARSE_ASIDE = 512 * 1024  # bytes from which an answer is parsed in a thread, so that other callers go on
PING_AFTER, PING_PATIENCE = 5.0, 15.0  # seconds of silence with calls in flight; seconds for the answer


class Generation:
    """``number`` rises with each reload; a server that was replaced because it died keeps its generation's number."""

    def __init__(self, number: int, link: Link, config: Config, ended: Callable[[Generation, str], None]) -> None:
        self.number, self.link, self.began = number, link, time.monotonic()
        self.calls = Calls()
        self.handshake: dict = {}  # the result of initialize
        self.alive = False
        self.credential = ""  # the name of its login, read before the login itself: it may be older than that, never newer
        self.tls = ""  # the name of what its connections are made with, read before it starts too
        self._config, self._ended = config, ended
        self._heard = self.began
        self._watch: asyncio.Task | None = None
        link.on_message, link.on_end = self._on_message, self._on_end

    async def start(self) -> None:
        """Start the server and shake hands. Raises BridgeError, OSError or TimeoutError; then nothing is left behind."""
        try:
            async with asyncio.timeout(self._config.limits.start_seconds):
                self.alive = True
                await self.link.start()
                hello = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "mcp-bridge", "version": "1"}}
                answer = await self.request("initialize", hello, self._config.limits.start_seconds)
                if "result" not in answer:
                    raise BridgeError(SERVER_ENDED, "the database server refused the handshake")
                self.handshake = answer["result"]
                self.notify("notifications/initialized")
        except BaseException:
            self.link.kill()
            raise
        self._watch = asyncio.get_running_loop().create_task(self._notice_a_hang())

    async def request(self, method: str, params: dict | None, seconds: float) -> dict:
        """One call: the server's whole answer. Raises BridgeError; a call that is given up is cancelled at the server."""
        identity, answer = self.calls.open()
        try:
            message = {"jsonrpc": "2.0", "id": identity, "method": method}
            self.link.send(orjson.dumps(message if params is None else {**message, "params": params}))
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            self._cancel(identity, "timed out")
            raise BridgeError(TIMED_OUT, f"no answer within {seconds:g} s; the call was cancelled. Ask for less, or try again", "timeout") from None
        except asyncio.CancelledError:
            self._cancel(identity, "the caller is gone")
            raise
        finally:
            self.calls.close(identity)

    def notify(self, method: str, params: dict | None = None) -> None:
        message = {"jsonrpc": "2.0", "method": method}
        self.link.send(orjson.dumps(message if params is None else {**message, "params": params}))

    def _cancel(self, identity: int, reason: str) -> None:
        try:
            self.notify("notifications/cancelled", {"requestId": identity, "reason": reason})
        except BridgeError:
            log.debug("no cancellation: the server does not read")

    def _on_message(self, line: bytes | TooLong) -> None:
        self._heard = time.monotonic()
        if isinstance(line, TooLong):
            error = BridgeError(TOO_LARGE, f"the answer has {line.length} bytes, more than this service allows; ask for fewer rows or columns", "too_large")
            if line.identity is None:
                log.warning("the wrapped server wrote a line of %d bytes without an id at its end; dropped", line.length)
            else:
                self.calls.fail(error, line.identity)
        elif len(line) > PARSE_ASIDE:
            asyncio.get_running_loop().run_in_executor(None, _parse, line).add_done_callback(lambda parsed: self._take(parsed.result()))
        else:
            self._take(_parse(line))

    def _take(self, message: object) -> None:
        if not isinstance(message, dict):
            log.warning("the wrapped server wrote a line that is no JSON-RPC message; dropped")
        elif "method" in message:
            self._answer_server(message)
        elif not self.calls.settle(message):
            log.debug("an answer that nobody waits for; dropped")

    def _answer_server(self, message: dict) -> None:
        """Servers may ask too. There is no caller to ask on its behalf, so only a ping is answered; notifications end here."""
        if "id" not in message:
            return
        answer = {"result": {}} if message["method"] == "ping" else {"error": {"code": -32601, "message": "not offered"}}
        try:
            self.link.send(orjson.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}))
        except (BridgeError, TypeError):
            log.debug("a request of the server was not answered")

    async def _notice_a_hang(self) -> None:
        """Calls in flight and nothing heard for a while: a ping. No answer to that: the server hangs, and is replaced."""
        while self.alive:
            await asyncio.sleep(PING_AFTER)
            if not len(self.calls) or time.monotonic() - self._heard < PING_AFTER:
                continue
            try:
                await self.request("ping", None, PING_PATIENCE)
            except BridgeError as error:
                if error.code == TIMED_OUT and time.monotonic() - self._heard > PING_PATIENCE:
                    log.warning("the wrapped server hangs: no answer to a ping within %g s; replacing it", PING_PATIENCE)
                    self.link.kill()
                    return

    def _on_end(self, reason: str) -> None:
        self.alive = False
        if self._watch is not None:
            self._watch.cancel()
        self.calls.fail(BridgeError(SERVER_ENDED, f"the database server ended ({reason}) during this call and is being replaced; try again", "ended"))
        self._ended(self, reason)

    async def drain(self, seconds: float) -> None:
        """Wait until no call is left, or that long; then stop the server."""
        deadline = time.monotonic() + seconds
        while len(self.calls) and self.alive and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        if len(self.calls):
            self.calls.fail(BridgeError(BUSY, "this call outlived its generation of the database server; try again", "ended"))
        await self.link.stop()


def _parse(line: bytes) -> object:
    """Any JSON value, None for what is none."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
