# SPDX-License-Identifier: GPL-3.0-or-later
"""One call from its arrival to its answer: checked, guarded, routed, bounded, counted and audited. Knows nothing of HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from mcp_bridge import answers, protocol
from mcp_bridge.access import Caller
from mcp_bridge.audit import Audit
from mcp_bridge.config import Config
from mcp_bridge.errors import INVALID_PARAMS, BridgeError
from mcp_bridge.metrics import Metrics

LONG_QUERY = 20_000  # characters of a query from which it is parsed in a thread, so that other callers go on
LARGE = 256 * 1024  # characters of an answer from which it is looked through in a thread

Guard = Callable[[str, dict], str | None]


class Backend(Protocol):
    """What answers one caller. ``number``: the generation that takes calls. ``about``: its server's handshake as far as it is known, else {}.

    ``audited``: what the audit writes about the caller, beyond the bearer's name.
    """

    number: int
    about: dict
    audited: dict

    def admit(self, method: str) -> None:
        """Raises BridgeError for a call that is not even looked at."""

    async def handshake(self) -> dict:
        """The result of its server's initialize; waits for it. Raises BridgeError."""

    async def request(self, method: str, params: dict | None) -> tuple[dict, int]:
        """One call: the server's whole answer, and the generation that gave it. Raises BridgeError."""


class Service(Protocol):
    """What a bridge stands before: one wrapped server for all (``service``), or one for each credential (``users``)."""

    def serving(self, caller: Caller) -> Backend:
        """What answers this caller."""

    async def prove(self) -> None:
        """Raises BridgeError when the database does not answer."""

    def status(self) -> dict:
        """For people and for the rotation; whoever reaches the door may read it."""

    def people(self) -> list[dict]:
        """Whose logins are in use, for whoever holds the bearer."""


class Bridge:
    """``guard`` says of a tool and its arguments why they are refused, or None."""

    def __init__(self, config: Config, service: Service, guard: Guard, audit: Audit, metrics: Metrics) -> None:
        self.config, self.service, self.metrics = config, service, metrics
        self._guard, self._audit = guard, audit

    async def handle(self, request: protocol.Request, caller: Caller) -> dict:
        """The JSON-RPC answer. Errors are answers too; only a caller that goes away raises (CancelledError)."""
        backend = self.service.serving(caller)
        began, outcome, number = time.monotonic(), "cancelled", backend.number
        try:
            result, number, outcome = await self._result(request, backend)
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
                self._audit.write(caller.name, request.method, request.tool, number, outcome, seconds * 1000, backend.audited)

    async def _result(self, request: protocol.Request, backend: Backend) -> tuple[dict, int, str]:
        """Result, generation and outcome."""
        if request.method in ("initialize", "server/discover"):
            handshake = await backend.handshake()
            return protocol.result_for(request, protocol.own_answer(request, handshake), handshake), backend.number, "ok"
        own = protocol.own_answer(request, {})
        if own is not None:
            return protocol.result_for(request, own, {}), backend.number, "ok"
        backend.admit(request.method)
        if request.method == "tools/call" and (why := await self._refusal(request)):
            refused = {"content": [{"type": "text", "text": f"Refused by the guard of {self.config.service}: {why}"}], "isError": True}
            return protocol.result_for(request, refused, {}), backend.number, "refused"
        message, number = await backend.request(request.method, protocol.for_server(request.params))
        if "result" not in message or not isinstance(message["result"], dict):
            raise ServerError(message.get("error"), number)
        result = await self._bounded(message["result"]) if request.method in ("tools/call", "resources/read") else message["result"]
        return protocol.result_for(request, result, backend.about), number, "tool_error" if result.get("isError") else "ok"

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
