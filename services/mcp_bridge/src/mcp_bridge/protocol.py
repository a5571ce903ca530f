# SPDX-License-Identifier: GPL-3.0-or-later
"""MCP as callers speak it: the stateless version of 2026-07-28 and the session versions before it. Pure.

The bridge answers the handshake of the older versions itself, from the one that it had with the wrapped server, and gives out no session: there is
nothing that one caller's handshake could change for another.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from mcp_bridge.errors import HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, UNSUPPORTED_VERSION, BridgeError

OLDER = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
STATELESS = ("2026-07-28",)
_META = "io.modelcontextprotocol/"
META_VERSION, META_CAPABILITIES, META_SERVER = f"{_META}protocolVersion", f"{_META}clientCapabilities", f"{_META}serverInfo"
ROUTING_HEADERS = (b"mcp-protocol-version", b"mcp-method", b"mcp-name")
NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
#: Methods that go to the wrapped server. What is not here could change something for other callers, or is not known.
FORWARDED = {"tools/list", "tools/call", "resources/list", "resources/templates/list", "resources/read", "prompts/list", "prompts/get", "completion/complete"}
CACHEABLE = {"tools/list", "resources/list", "resources/templates/list", "resources/read", "prompts/list", "server/discover"}
STATUS = {PARSE_ERROR: 400, INVALID_REQUEST: 400, INVALID_PARAMS: 400, HEADER_MISMATCH: 400, UNSUPPORTED_VERSION: 400, METHOD_NOT_FOUND: 404}
_ENCODED = re.compile(r"=\?base64\?(.*)\?=")


@dataclass
class Request:
    """One request of a caller. ``identity`` is the caller's own id, and goes nowhere but back."""

    identity: str | int
    method: str
    params: dict
    stateless: bool

    @property
    def tool(self) -> str | None:
        name = self.params.get("name") if self.method == "tools/call" else None
        return name if isinstance(name, str) else None


def decode(body: bytes) -> object:
    """Raises BridgeError for what is no JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BridgeError(PARSE_ERROR, "the body is not JSON in UTF-8", "invalid") from None


def identity_of(message: object) -> str | int | None:
    """The id to answer to, None where there is none that can be answered."""
    identity = message.get("id") if isinstance(message, dict) else None
    return identity if isinstance(identity, str | int) and not isinstance(identity, bool) else None


def read(message: object, headers: Iterable[tuple[bytes, bytes]] = ()) -> Request | None:
    """A request; None for a notification or an answer, which are acknowledged and end here. Raises BridgeError."""
    if isinstance(message, list):
        raise BridgeError(INVALID_REQUEST, "batches are not accepted; send one message a request", "invalid")
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise BridgeError(INVALID_REQUEST, "not a JSON-RPC 2.0 message", "invalid")
    method = message.get("method")
    if "method" in message and not isinstance(method, str):
        raise BridgeError(INVALID_REQUEST, "method must be a string", "invalid")
    if method is None or "id" not in message:
        return None
    if identity_of(message) is None:
        raise BridgeError(INVALID_REQUEST, "id must be a string or a whole number", "invalid")
    params = message.get("params", {})
    if not isinstance(params, dict):
        raise BridgeError(INVALID_PARAMS, "params must be an object", "invalid")
    stateless = _check_version(method, params, headers)
    return Request(message["id"], method, params, stateless)


def _check_version(method: str, params: dict, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether this is a request of the stateless version. Raises BridgeError when headers and body disagree, or nobody speaks that version."""
    routing: dict[bytes, str] = {}
    for name, value in headers:
        if name in ROUTING_HEADERS:
            if name in routing:
                raise BridgeError(HEADER_MISMATCH, f"{name.decode()} is given twice", "invalid")
            routing[name] = value.decode("latin-1").strip()
    meta = params.get("_meta")
    meta = meta if isinstance(meta, dict) else {}
    version = routing.get(b"mcp-protocol-version")
    # The header decides: the gateway passes a client's envelope on inside of its own, older connection (docs/upstream.md).
    if version in OLDER or (META_VERSION not in meta and version not in STATELESS):
        if version is not None and version not in OLDER and method != "initialize":
            raise BridgeError(UNSUPPORTED_VERSION, "Unsupported protocol version", "invalid", _supported(version))
        return False
    missing = [key for key in (META_VERSION, META_CAPABILITIES) if key not in meta]
    if missing:
        raise BridgeError(INVALID_PARAMS, f"params._meta lacks {', '.join(missing)}", "invalid")
    _check_headers(method, params, meta, routing)
    if meta[META_VERSION] not in STATELESS:
        raise BridgeError(UNSUPPORTED_VERSION, "Unsupported protocol version", "invalid", _supported(meta[META_VERSION]))
    return True


def _check_headers(method: str, params: dict, meta: dict, routing: dict[bytes, str]) -> None:
    """What a proxy on the way decided by is what the body says."""
    if routing.get(b"mcp-protocol-version") != meta[META_VERSION]:
        raise BridgeError(HEADER_MISMATCH, "the header mcp-protocol-version differs from params._meta", "invalid")
    if routing.get(b"mcp-method") != method:
        raise BridgeError(HEADER_MISMATCH, "the header mcp-method differs from the method", "invalid")
    named = params.get(NAMED_BY[method]) if method in NAMED_BY else None
    if named is not None and _header_text(routing.get(b"mcp-name", "")) != named:
        raise BridgeError(HEADER_MISMATCH, f"the header mcp-name differs from params.{NAMED_BY[method]}", "invalid")


def _header_text(value: str) -> str | None:
    encoded = _ENCODED.fullmatch(value)
    if not encoded:
        return value
    try:
        return base64.b64decode(encoded[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _supported(requested: object) -> dict:
    return {"supported": list(STATELESS), "requested": requested}


def for_server(params: dict) -> dict:
    """The params that the wrapped server sees: without what concerns only caller and bridge."""
    meta = params.get("_meta")
    if not isinstance(meta, dict):
        return params
    kept = {key: value for key, value in meta.items() if not key.startswith(_META) and key != "progressToken"}
    rest = {key: value for key, value in params.items() if key != "_meta"}
    return {**rest, "_meta": kept} if kept else rest


def own_answer(request: Request, handshake: dict) -> dict | None:
    """The result of what the bridge answers itself, None for what goes to the wrapped server. Raises BridgeError for what nobody answers."""
    method = request.method
    if method in FORWARDED:
        return None
    if method == "ping" or (method == "logging/setLevel" and not request.stateless):
        return {}
    if method == "initialize" and not request.stateless:
        asked = request.params.get("protocolVersion")
        return {**_about(handshake), "protocolVersion": asked if asked in OLDER else OLDER[-1], "serverInfo": handshake.get("serverInfo", {})}
    if method == "server/discover" and request.stateless:
        return {**_about(handshake), "supportedVersions": list(STATELESS)}
    raise BridgeError(METHOD_NOT_FOUND, "Method not found", "invalid")


def _about(handshake: dict) -> dict:
    """What the wrapped server can do, less what would need a connection of the caller's own to it."""
    offered = {name: {} for name in ("tools", "resources", "prompts", "completions") if name in handshake.get("capabilities", {})}
    about = {"capabilities": offered}
    return {**about, "instructions": handshake["instructions"]} if isinstance(handshake.get("instructions"), str) else about


def result_for(request: Request, result: dict, handshake: dict) -> dict:
    """A result in the form that the caller's version wants."""
    if not request.stateless:
        return result
    shaped = {"resultType": "complete", **result}
    if request.method in CACHEABLE:
        shaped = {"ttlMs": 0, "cacheScope": "private", **shaped}
    meta = shaped.get("_meta")
    shaped["_meta"] = {META_SERVER: handshake.get("serverInfo", {}), **(meta if isinstance(meta, dict) else {})}
    return shaped


def answer(identity: str | int | None, result: dict) -> dict:
    """A JSON-RPC answer."""
    return {"jsonrpc": "2.0", "id": identity, "result": result}


def refusal(identity: str | int | None, error: dict) -> dict:
    """A JSON-RPC answer that is an error."""
    return {"jsonrpc": "2.0", "id": identity, "error": error}
