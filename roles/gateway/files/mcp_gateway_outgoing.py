# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives the gateway's own requests the bearer that a service for people asks for, where a person registered it and so cannot know that bearer.

It is added on the way out and stored nowhere: a person never learns it, a changed one needs no new registration, and who is no longer a member of the
environment gets no further with what they registered while they were. A request that has a bearer already is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from mcp_gateway_targets import Target


@dataclass(frozen=True)
class Caller:
    """Who a request to the gateway comes from. ``address``: lower-case, "" for nobody who can be named."""

    address: str = ""
    admin: bool = False


#: Whose request this task works on; None for the gateway's own work, as its health checks are.
CALLER: ContextVar[Caller | None] = ContextVar("mcp_gateway_caller", default=None)


def bearer(url: str, caller: Caller | None, known: Sequence[Target]) -> str:
    """The bearer for an outgoing request without one; "" where none is due."""
    for target in known:
        if target.at(url) and (caller is None or caller.admin or caller.address in target.members):
            return target.bearer
    return ""


def install(transport: type, known: Sequence[Target]) -> None:
    """Have every request that ``transport`` (a class of the HTTP library) sends pass by here."""
    send = transport.handle_async_request

    async def handle_async_request(self: object, request: object) -> object:
        due = "" if "authorization" in request.headers else bearer(str(request.url), CALLER.get(), known)
        if due:
            headers = [*request.headers.raw, (b"Authorization", f"Bearer {due}".encode())]  # a copy: nobody who keeps the request has the bearer
            request = type(request)(request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions)
        return await send(self, request)

    transport.handle_async_request = handle_async_request
