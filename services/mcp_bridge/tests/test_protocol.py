# SPDX-License-Identifier: GPL-3.0-or-later
"""What callers may send, in both protocol generations, and what they get back."""

from __future__ import annotations

import pytest

from mcp_bridge import protocol
from mcp_bridge.errors import HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, UNSUPPORTED_VERSION, BridgeError

META = {protocol.META_VERSION: "2026-07-28", protocol.META_CAPABILITIES: {}, "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"}}
HANDSHAKE = {
    "protocolVersion": "2024-11-05",
    "serverInfo": {"name": "s", "version": "1"},
    "capabilities": {"tools": {"listChanged": True}, "resources": {"subscribe": True}, "logging": {}, "sampling": {}},
}


def call(method: str = "tools/call", identity: object = 1, **params: object) -> dict:
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}


def stateless(method: str = "tools/call", **params: object) -> tuple[dict, list[tuple[bytes, bytes]]]:
    headers = [(b"mcp-protocol-version", b"2026-07-28"), (b"mcp-method", method.encode())]
    if method in protocol.NAMED_BY:
        headers.append((b"mcp-name", str(params.get("name", "")).encode()))
    return call(method, _meta=META, **params), headers


@pytest.mark.parametrize("identity", [1, 0, -5, 10**15, "1", "", "x" * 500, "ä"])
def test_any_id_of_a_caller_is_kept(identity: object) -> None:
    assert protocol.read(call(identity=identity, name="query")).identity == identity


@pytest.mark.parametrize(
    "message",
    [[], [call()], 1, "x", None, {}, {"jsonrpc": "1.0", "id": 1, "method": "ping"}, {"jsonrpc": "2.0", "id": 1, "method": 5}]
    + [call(identity=identity) for identity in (None, 1.5, True, [1], {})],
)
def test_what_is_no_request_is_refused(message: object) -> None:
    with pytest.raises(BridgeError) as error:
        protocol.read(message)
    assert error.value.code == INVALID_REQUEST


def test_params_that_are_a_list_are_refused() -> None:
    with pytest.raises(BridgeError) as error:
        protocol.read({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []})
    assert error.value.code == INVALID_PARAMS


@pytest.mark.parametrize("message", [{"jsonrpc": "2.0", "method": "notifications/initialized"}, {"jsonrpc": "2.0", "id": 5, "result": {}}])
def test_notifications_and_answers_of_a_caller_end_here(message: dict) -> None:
    assert protocol.read(message) is None


@pytest.mark.parametrize("version", protocol.OLDER)
def test_a_session_version_is_answered_in_its_own_words(version: str) -> None:
    request = protocol.read(call("initialize", protocolVersion=version))
    result = protocol.own_answer(request, HANDSHAKE)
    assert result["protocolVersion"] == version
    assert result["capabilities"] == {"tools": {}, "resources": {}}, "nothing that would need a connection of the caller's own"
    assert protocol.result_for(request, result, HANDSHAKE) == result


def test_an_unknown_version_is_offered_the_newest_of_its_kind() -> None:
    assert protocol.own_answer(protocol.read(call("initialize", protocolVersion="2030-01-01")), HANDSHAKE)["protocolVersion"] == "2025-11-25"


def test_the_stateless_version_needs_no_handshake() -> None:
    request = protocol.read(*stateless("server/discover"))
    result = protocol.result_for(request, protocol.own_answer(request, HANDSHAKE), HANDSHAKE)
    assert result["supportedVersions"] == ["2026-07-28"] and result["resultType"] == "complete"
    assert result["ttlMs"] == 0 and result["cacheScope"] == "private"
    assert result["_meta"][protocol.META_SERVER] == HANDSHAKE["serverInfo"]


def test_a_stateless_answer_is_marked_complete_and_keeps_what_the_server_said() -> None:
    request = protocol.read(*stateless(name="query", arguments={}))
    result = protocol.result_for(request, {"content": [], "_meta": {"mine": 1}}, HANDSHAKE)
    assert result["resultType"] == "complete" and result["_meta"]["mine"] == 1 and "ttlMs" not in result


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (b"mcp-method", b"tools/list"),
        (b"mcp-name", b"other"),
        (b"mcp-protocol-version", b"2031-01-01"),
        (b"mcp-protocol-version", None),
        (b"mcp-method", None),
        (b"mcp-name", None),
    ],
)
def test_a_header_that_differs_from_the_body_is_refused(header: bytes, value: bytes | None) -> None:
    message, headers = stateless(name="query")
    headers = [(name, value if name == header else old) for name, old in headers if not (name == header and value is None)]
    with pytest.raises(BridgeError) as error:
        protocol.read(message, headers)
    assert error.value.code == HEADER_MISMATCH


def test_an_envelope_inside_of_an_older_connection_is_not_for_us() -> None:
    message, headers = stateless(name="query")
    request = protocol.read(message, [(b"mcp-protocol-version", b"2025-11-25"), *headers[1:]])
    assert not request.stateless and protocol.for_server(request.params) == {"name": "query"}


def test_a_routing_header_that_is_given_twice_is_refused() -> None:
    message, headers = stateless(name="query")
    with pytest.raises(BridgeError) as error:
        protocol.read(message, [*headers, (b"mcp-name", b"query")])
    assert error.value.code == HEADER_MISMATCH


def test_a_name_that_does_not_fit_into_a_header_comes_encoded() -> None:
    message, headers = stateless(name="é")
    headers[-1] = (b"mcp-name", b"=?base64?w6k=?=")
    assert protocol.read(message, headers).tool == "é"


def test_a_version_that_nobody_speaks_is_refused_with_those_that_are_spoken() -> None:
    message, headers = stateless("tools/list")
    message["params"]["_meta"] = {**META, protocol.META_VERSION: "2031-01-01"}
    with pytest.raises(BridgeError) as error:
        protocol.read(message, [(b"mcp-protocol-version", b"2031-01-01"), *headers[1:]])
    assert error.value.code == UNSUPPORTED_VERSION and error.value.data["supported"] == ["2026-07-28"]


def test_the_wrapped_server_sees_nothing_of_the_callers_envelope() -> None:
    assert protocol.for_server({"name": "query", "_meta": {**META, "progressToken": 1}}) == {"name": "query"}
    assert protocol.for_server({"name": "query", "_meta": {"own": 1}}) == {"name": "query", "_meta": {"own": 1}}


@pytest.mark.parametrize("method", ["resources/subscribe", "tools/unknown", "roots/list", "server/discover", "sampling/createMessage"])
def test_methods_that_nobody_offers_or_that_would_reach_other_callers_are_not_found(method: str) -> None:
    with pytest.raises(BridgeError) as error:
        protocol.own_answer(protocol.read(call(method)), HANDSHAKE)
    assert error.value.code == METHOD_NOT_FOUND


def test_setting_the_log_level_does_not_reach_the_shared_server() -> None:
    assert protocol.own_answer(protocol.read(call("logging/setLevel", level="debug")), HANDSHAKE) == {}
