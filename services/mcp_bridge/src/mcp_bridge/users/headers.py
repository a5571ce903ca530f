# SPDX-License-Identifier: GPL-3.0-or-later
"""The login that a request brings in its headers, by one strict rule. Pure. No message holds a part of a value: it may be a password.

A value is visible ASCII as it stands. What has anything else in it, or a blank at its ends, comes as ``=?base64?...?=`` of its UTF-8 bytes (the form that MCP
has for its own headers): proxies cut blanks off and disagree about every other byte, and a password that was changed on its way is a riddle for its owner.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterable

from mcp_bridge.config import Users
from mcp_bridge.errors import INVALID_REQUEST, BridgeError
from mcp_bridge.users import connection_string
from mcp_bridge.users.credential import Credential

STRING, USER, PASSWORD = "X-Database-Connection-String", "X-Database-User", "X-Database-Password"
OURS = {name.lower().encode(): name for name in (STRING, USER, PASSWORD)}
LONGEST = {STRING: 4096, USER: 256, PASSWORD: 2048}  # bytes of a value
_VISIBLE = re.compile(rb"[!-~](?:[ -~]*[!-~])?")
_ENCODED = re.compile(r"=\?base64\?(.*)\?=", re.DOTALL)


def credential(headers: Iterable[tuple[bytes, bytes]], engine: str, users: Users) -> Credential | None:
    """None for a request that brings no login. Raises BridgeError for one that is not well-formed, not accepted here, or for another database."""
    given: dict[str, str] = {}
    for raw, value in headers:
        name = OURS.get(raw)
        if name is None:
            if raw.replace(b"_", b"-") in OURS:
                raise _refused(f"a header is spelt with _ where {OURS[raw.replace(b'_', b'-')]} has -")
            continue
        if name in given:
            raise _refused(f"{name} is given twice")
        given[name] = _text(name, value)
    if not given:
        return None
    if STRING in given:
        if len(given) > 1:
            raise _refused(f"send {STRING}, or {USER} and {PASSWORD}; not both")
        _accepted("connection_string", STRING, users)
        return _from_string(given[STRING], engine, users)
    _accepted("headers", USER, users)
    if len(given) < 2:
        raise _refused(f"{USER} and {PASSWORD} belong together; one of them is missing")
    return Credential(_sound(given[USER], USER), _sound(given[PASSWORD], PASSWORD))


def _accepted(way: str, name: str, users: Users) -> None:
    if way not in users.accepts:
        raise _refused(f"{name} is not accepted here; this service takes {' or '.join(users.accepts)}")


def _text(name: str, value: bytes) -> str:
    if len(value) > LONGEST[name]:
        raise _refused(f"{name} has more than {LONGEST[name]} bytes")
    if not _VISIBLE.fullmatch(value):
        raise _refused(f"{name} is empty or has something other than visible ASCII in it; send it as =?base64?...?= of its UTF-8 bytes")
    text = value.decode("ascii")
    encoded = _ENCODED.fullmatch(text)
    if not encoded:
        return text
    try:
        return base64.b64decode(encoded[1], validate=True).decode()
    except (binascii.Error, ValueError):
        raise _refused(f"{name} is not base64 of UTF-8 between =?base64? and ?=") from None


def _sound(value: str, name: str) -> str:
    if not value or any(unicodedata.category(character) == "Cc" for character in value):
        raise _refused(f"{name} is empty or has a control character in it")
    if unicodedata.normalize("NFKC", value) != value:
        raise _refused(f"{name} is not in Unicode normal form NFKC, so drivers and servers would disagree about it")
    return value


def _from_string(text: str, engine: str, users: Users) -> Credential:
    """Only user and password are taken out of it. Where it leads to is compared, and otherwise forgotten."""
    try:
        read = connection_string.parse(text, engine)
    except connection_string.ConnectionStringError as error:
        raise _refused(f"{STRING} {error}") from None
    target = {"host": users.host, "port": users.port, "database": users.database, "parameters": users.parameters}
    if wrong := connection_string.disagreements(read, target):
        parts = ", ".join(part.partition(" ")[0] for part in wrong)
        raise _refused(f"{STRING} leads elsewhere than this service: {parts} differ from what is declared")
    return Credential(_sound(read.user, STRING), _sound(read.password, STRING))


def _refused(why: str) -> BridgeError:
    return BridgeError(INVALID_REQUEST, why, "invalid")
