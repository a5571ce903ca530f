# SPDX-License-Identifier: GPL-3.0-or-later
"""Says to the upstreams who calls: a short-lived claim, put in the place of whatever the client sent under that name.

The gateway has identity headers of its own, but signs them without a time (docs/upstream.md), so one that was seen once is good for ever. Registrations
of services for people name this header among those that are handed on, and only those do; the bridge's counterpart is ``users/identity.py``.

The bearer is verified here too, since its claims are what is signed. Whether it was revoked is the gateway's to say, before it hands anything on.
"""

from __future__ import annotations

import os
import time

import jwt

HEADER = b"x-database-identity"
AUDIENCE, ALGORITHM = "mcp.tenancy bridge", "HS256"
LIFE = 120  # seconds: longer than a call may wait in the gateway


def person(authorization: bytes, key: str) -> tuple[str, bool]:
    """The address in a genuine bearer, and whether it is an administrator's; "" for any other."""
    scheme, _blank, token = authorization.decode("latin-1").partition(" ")
    if scheme.lower() != "bearer":
        return "", False
    try:
        claims = jwt.decode(token.strip(), key, algorithms=[ALGORITHM], options={"verify_aud": False, "require": ["exp"]})
    except jwt.PyJWTError:
        return "", False
    user = claims.get("user")
    address = user.get("email") if isinstance(user, dict) else None
    return (address.lower(), user.get("is_admin") is True) if isinstance(address, str) else ("", False)


def caller(headers: list[tuple[bytes, bytes]]) -> tuple[str, bool]:
    """Who calls, by the request's one bearer."""
    given = [value for name, value in headers if name.lower() == b"authorization"]
    return person(given[0], os.environ.get("JWT_SECRET_KEY", "")) if len(given) == 1 else ("", False)


def stamped(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The same request, with the claim where there is one person who can be named, and without the client's own in any case."""
    kept = [(name, value) for name, value in headers if name.lower() != HEADER]
    secret = os.environ.get("MCP_IDENTITY_SECRET", "")
    address = caller(kept)[0] if secret else ""
    if not address:
        return kept
    now = int(time.time())
    claim = jwt.encode({"sub": address, "aud": AUDIENCE, "iat": now, "exp": now + LIFE}, secret, algorithm=ALGORITHM)
    return [*kept, (HEADER, claim.encode())]
