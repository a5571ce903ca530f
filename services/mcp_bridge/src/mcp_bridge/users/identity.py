# SPDX-License-Identifier: GPL-3.0-or-later
"""Who calls, as the gateway says: a short-lived signed claim that it puts in the place of whatever the client sent under that name.

The gateway's own identity headers (upstream's ``X-Forwarded-User-*``) are signed without a time, so that one that was seen once is good for ever. This one
is made in the gateway's process by the filter in front of it (``roles/gateway``, ``mcp_gateway_identity.py``), which has the same three constants.
"""

from __future__ import annotations

from collections.abc import Iterable

import jwt

from mcp_bridge.errors import INVALID_REQUEST, BridgeError

HEADER = "X-Database-Identity"
AUDIENCE, ALGORITHM = "mcp.tenancy bridge", "HS256"
_RAW = HEADER.lower().encode()


def person(headers: Iterable[tuple[bytes, bytes]], key: str) -> str:
    """The address of whoever calls, or "" where the gateway does not say. Raises BridgeError for a claim that is not the gateway's of now."""
    given = [value for name, value in headers if name == _RAW]
    if not given or not key:
        return ""
    if len(given) > 1:
        raise BridgeError(INVALID_REQUEST, f"{HEADER} is given twice", "invalid")
    try:
        claims = jwt.decode(given[0].decode("latin-1"), key, algorithms=[ALGORITHM], audience=AUDIENCE, options={"require": ["exp", "iat", "sub"]})
    except jwt.PyJWTError as error:
        raise BridgeError(INVALID_REQUEST, f"{HEADER} is not a claim of the gateway's that holds now ({type(error).__name__})", "invalid") from None
    return claims["sub"].lower()
