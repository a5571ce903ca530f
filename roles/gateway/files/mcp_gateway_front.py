# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's application behind a filter for request headers that must never reach it from a client.

ContextForge 1.1.0 lets a client's ``X-Upstream-Authorization`` replace the credential that is stored for an upstream (CVE-2026-110279), lets a
client-chosen session id select another user's upstream session, and has no reason to believe a client about who it is. Until a fixed
version is pinned this closes the holes in the gateway's own process, whatever stands in front of it (docs/upstream.md).
"""

from __future__ import annotations

from mcpgateway.main import app as gateway

#: Request headers that are dropped, lower-case as ASGI has them.
DROPPED = {b"x-upstream-authorization", b"mcp-session-id", b"x-mcp-session-id", b"x-forwarded-internally"}
DROPPED_PREFIXES = (b"x-forwarded-user", b"x-contextforge-")


def passes(name: bytes) -> bool:
    """Whether a request header may reach the gateway."""
    lowered = name.lower()
    return lowered not in DROPPED and not lowered.startswith(DROPPED_PREFIXES)


async def app(scope: dict, receive: object, send: object) -> None:
    """The ASGI application that the server runs."""
    if scope["type"] in ("http", "websocket"):
        scope = {**scope, "headers": [header for header in scope["headers"] if passes(header[0])]}
    await gateway(scope, receive, send)
