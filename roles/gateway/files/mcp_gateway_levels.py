# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that ask for a log level right after they have connected, as VS Code and the MCP Inspector do.

The gateway says that it has logging, and refuses ``logging/setLevel`` to everybody but administrators, since it would change the level of the whole gateway.
Clients take that for a failed connection. Here the request becomes a ``ping``: it still needs a good token, its answer has the same shape (an empty
result), and no level changes. For an administrator too: the level is a setting of the deploy.
"""

from __future__ import annotations

import json
import re

SERVER_DOOR = re.compile(r"/servers/[0-9a-f-]{32,36}/mcp/?")
METHOD, INSTEAD = "logging/setLevel", "ping"
#: Bytes of a body that is looked into; such a request has about a hundred.
MOST = 1024


def length(scope: dict) -> int:
    """What the request says about its body; -1 when it does not say."""
    given = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(given[0]) if len(given) == 1 and given[0].isdigit() else -1


def instead(body: bytes) -> bytes | None:
    """The body that the gateway gets; None when it is no request for a level."""
    if METHOD.encode() not in body and rb"logging\/setLevel" not in body:
        return None
    try:
        request = json.loads(body)
    except ValueError:
        return None
    if not isinstance(request, dict) or request.get("method") != METHOD:
        return None
    params = request.get("params")
    meta = {"params": {"_meta": params["_meta"]}} if isinstance(params, dict) and "_meta" in params else {}
    return json.dumps({**{key: value for key, value in request.items() if key != "params"}, "method": INSTEAD, **meta}).encode()


def without_levels(gateway: object) -> object:
    """The ASGI application ``gateway``, which never hears of a log level at a virtual server's door."""

    async def app(scope: dict, receive: object, send: object) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not 0 < length(scope) <= MOST or not SERVER_DOOR.fullmatch(scope["path"]):
            await gateway(scope, receive, send)
            return
        first, body = await receive(), b""
        while first["type"] == "http.request":
            body += first.get("body", b"")
            if not first.get("more_body"):
                break
            first = await receive()
        if first["type"] != "http.request":  # it went away before it was whole
            return
        if (other := instead(body)) is not None:
            body, new = other, {b"content-length": str(len(other)).encode(), b"mcp-method": INSTEAD.encode()}
            scope = {**scope, "headers": [(name, new.get(name, value)) for name, value in scope["headers"]]}
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def told() -> dict:
            return messages.pop() if messages else await receive()

        await gateway(scope, told, send)

    return app
