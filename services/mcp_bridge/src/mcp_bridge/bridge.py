# SPDX-License-Identifier: GPL-3.0-or-later
"""One call from its arrival to its answer: checked, guarded, routed, bounded, counted and audited. Knows nothing of HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from mcp_bridge import answers, protocol
from mcp_bridge.audit import Audit
from mcp_bridge.config import Config
from mcp_bridge.errors import BUSY, INVALID_PARAMS, BridgeError
from mcp_bridge.metrics import Metrics
from mcp_bridge.service import Service

LONG_QUERY = 20_000  # characters of a query from which it is parsed in a thread, so that other callers go on
LARGE = 256 * 1024  # characters of an answer from which it is looked through in a thread

Guard = Callable[[str, dict], str | None]


class Rate:
    """At most so many calls a second, with a second's worth at once. 0: no bound."""

    def __init__(self, per_second: float) -> None:
        self._per_second, self._left, self._seen = per_second, per_second, time.monotonic()

    def take(self) -> None:
        """Raises BridgeError when there is nothing left."""
        if not self._per_second:
            return
        now = time.monotonic()
        self._left = min(self._per_second, self._left + (now - self._seen) * self._per_second)
        self._seen = now
        if self._left < 1:
            raise BridgeError(BUSY, f"more than {self._per_second:g} calls a second; wait a moment, then try again", "busy")
        self._left -= 1


class Bridge:
    """``guard`` says of a tool and its arguments why they are refused, or None."""

    def __init__(self, config: Config, service: Service, guard: Guard, audit: Audit, metrics: Metrics) -> None:
        self.config, self.service, self.metrics = config, service, metrics
        self._guard, self._audit = guard, audit
        self._rate = Rate(config.limits.calls_per_second)

    async def handle(self, request: protocol.Request, who: str) -> dict:
        """The JSON-RPC answer. Errors are answers too; only a caller that goes away raises (CancelledError)."""
        began, outcome, number = time.monotonic(), "cancelled", self.service.number
        try:
            result, number, outcome = await self._result(request)
            return protocol.answer(request.identity, result)
        except BridgeError as error:
            outcome = error.outcome
            return protocol.refusal(request.identity, error.body())
        except ServerError as error:
            outcome, number = "error", error.generation
            return protocol.refusal(request.identity, error.error)
        finally:
            seconds = time.monotonic() - began
            self.metrics.count(outcome, seconds)
            if request.method in protocol.FORWARDED:
                self._audit.write(who, request.method, request.tool, number, outcome, seconds * 1000)

    async def _result(self, request: protocol.Request) -> tuple[dict, int, str]:
        """Result, generation and outcome."""
        if request.method in ("initialize", "server/discover"):
            handshake = (await self.service.generation()).handshake
            return protocol.result_for(request, protocol.own_answer(request, handshake), handshake), self.service.number, "ok"
        own = protocol.own_answer(request, {})
        if own is not None:
            return protocol.result_for(request, own, {}), self.service.number, "ok"
        self._rate.take()
        if request.method == "tools/call" and (why := await self._refusal(request)):
            refused = {"content": [{"type": "text", "text": f"Refused by the guard of {self.config.service}: {why}"}], "isError": True}
            return protocol.result_for(request, refused, {}), self.service.number, "refused"
        message, number = await self.service.request(request.method, protocol.for_server(request.params))
        if "result" not in message or not isinstance(message["result"], dict):
            raise ServerError(message.get("error"), number)
        result = await self._bounded(message["result"]) if request.method in ("tools/call", "resources/read") else message["result"]
        handshake = self.service.current.handshake if self.service.current is not None else {}
        return protocol.result_for(request, result, handshake), number, "tool_error" if result.get("isError") else "ok"

    async def _refusal(self, request: protocol.Request) -> str | None:
        arguments = request.params.get("arguments", {})
        if request.tool is None or not isinstance(arguments, dict | None):
            raise BridgeError(INVALID_PARAMS, "a tool call has a name, and arguments that are an object", "invalid")
        arguments = arguments or {}
        if sum(len(value) for value in arguments.values() if isinstance(value, str)) > LONG_QUERY:
            return await asyncio.to_thread(self._guard, request.tool, arguments)
        return self._guard(request.tool, arguments)

    async def _bounded(self, result: dict) -> dict:
        limits = self.config.limits
        content = result.get("content")
        size = (
            sum(len(block["text"]) for block in content if isinstance(block, dict) and isinstance(block.get("text"), str)) if isinstance(content, list) else 0
        )
        if size < LARGE:
            return answers.within(result, limits.max_rows, limits.max_answer_bytes)
        return await asyncio.to_thread(answers.within, result, limits.max_rows, limits.max_answer_bytes)


class ServerError(Exception):
    """The wrapped server's own error object, passed on as it is."""

    def __init__(self, error: object, generation: int) -> None:
        super().__init__("the wrapped server answered with an error")
        well_formed = isinstance(error, dict) and isinstance(error.get("code"), int) and isinstance(error.get("message"), str)
        self.error = error if well_formed else {"code": -32603, "message": "the database server gave an answer that is none"}
        self.generation = generation
