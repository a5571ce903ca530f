# SPDX-License-Identifier: GPL-3.0-or-later
"""A request for a log level becomes a ping, and nothing else is another request than it was."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("levels", Path(__file__).parents[2] / "roles/gateway/files/mcp_gateway_levels.py")
levels = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(levels)
SERVER = "/servers/d5d85a98d4aa54d3ac90549196fb71ea/mcp"


def through(body: bytes, path: str = SERVER, method: str = "POST", pieces: int = 1, headers: list | None = None) -> tuple[bytes, dict]:
    """What the gateway gets of a request: its body and its headers."""
    got: dict = {}

    async def gateway(scope: dict, receive: object, _send: object) -> None:
        found, more = b"", True
        while more:
            message = await receive()
            found, more = found + message["body"], message["more_body"]
        got.update(body=found, headers=dict(scope["headers"]), after=await receive())

    size = -(-len(body) // pieces)
    messages = [{"type": "http.request", "body": body[at : at + size], "more_body": at + size < len(body)} for at in range(0, len(body), size)]
    messages.append({"type": "http.disconnect"})

    async def receive() -> dict:
        return messages.pop(0)

    given = [(b"content-length", str(len(body)).encode()), (b"authorization", b"Bearer x")] if headers is None else headers
    scope = {"type": "http", "method": method, "path": path, "headers": given}
    asyncio.run(levels.without_levels(gateway)(scope, receive, None))
    assert got["after"] == {"type": "http.disconnect"}, "what comes afterwards is the client's own"
    return got["body"], got["headers"]


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_level_that_is_asked_for_becomes_a_ping_of_the_right_length(pieces: int) -> None:
    request = {"method": "logging/setLevel", "params": {"level": "debug"}, "jsonrpc": "2.0", "id": 7}
    body, headers = through(json.dumps(request).encode(), pieces=pieces)
    assert json.loads(body) == {"method": "ping", "jsonrpc": "2.0", "id": 7}
    assert headers[b"content-length"] == str(len(body)).encode() and headers[b"authorization"] == b"Bearer x"


def test_a_header_that_names_the_method_says_the_same_and_meta_stays() -> None:
    request = {"jsonrpc": "2.0", "id": "a", "method": "logging/setLevel", "params": {"level": "info", "_meta": {"x": 1}}}
    given = json.dumps(request).replace("/", r"\/").encode()
    body, headers = through(given, headers=[(b"content-length", str(len(given)).encode()), (b"mcp-method", b"logging/setLevel")])
    assert json.loads(body) == {"jsonrpc": "2.0", "id": "a", "method": "ping", "params": {"_meta": {"x": 1}}}
    assert headers[b"mcp-method"] == b"ping"


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"arguments": {"sql": "SELECT \'logging/setLevel\'"}}}', {}),
        (b'[{"jsonrpc": "2.0", "id": 1, "method": "logging/setLevel"}]', {}),
        (b"logging/setLevel, and no JSON", {}),
        (b'{"method": "logging/setLevel"}', {"path": "/mcp"}),
        (b'{"method": "logging/setLevel"}', {"method": "PUT"}),
        (b'{"method": "logging/setLevel"}', {"headers": []}),
        (b'{"method": "logging/setLevel", "x": "' + b"y" * 1024 + b'"}', {}),
        (b'{"method": "logging/setLevel"}', {"headers": [(b"content-length", b"30"), (b"content-length", b"9")]}),
    ],
)
def test_everything_else_arrives_byte_for_byte(body: bytes, more: dict) -> None:
    assert through(body, **more)[0] == body
