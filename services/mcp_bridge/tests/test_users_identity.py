# SPDX-License-Identifier: GPL-3.0-or-later
"""Who calls, as the gateway's process says and the bridge believes it: the two halves, which are installed apart, together."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import jwt
import pytest

from mcp_bridge.errors import BridgeError
from mcp_bridge.users import identity

SPEC = importlib.util.spec_from_file_location("stamp", Path(__file__).parents[3] / "roles/gateway/files/mcp_gateway_identity.py")
stamp = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(stamp)
KEY, TOKENS = "k" * 48, "t" * 48
ALICE = {"user": {"email": "Alice@Example.com"}, "exp": int(time.time()) + 600}


@pytest.fixture(autouse=True)
def secrets_of_the_gateway(monkeypatch) -> None:
    monkeypatch.setenv("MCP_IDENTITY_SECRET", KEY)
    monkeypatch.setenv("JWT_SECRET_KEY", TOKENS)


def bearer(claims: dict = ALICE, key: str = TOKENS, **more: object) -> tuple[bytes, bytes]:
    return (b"authorization", b"Bearer " + jwt.encode({**claims, **more}, key, algorithm="HS256").encode())


def claim(key: str = KEY, **more: object) -> tuple[bytes, bytes]:
    now = int(time.time())
    claims = {"sub": "alice@example.com", "aud": identity.AUDIENCE, "iat": now, "exp": now + 60, **more}
    return (b"x-database-identity", jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm="HS256").encode())


def test_whoever_holds_a_genuine_bearer_is_named_to_the_bridge() -> None:
    headers = stamp.stamped([bearer(), (b"x-other", b"1")])
    assert identity.person(headers, KEY) == "alice@example.com" and (b"x-other", b"1") in headers


@pytest.mark.parametrize(
    "headers",
    [
        [bearer(key="another key of that length, and more")],
        [bearer(exp=int(time.time()) - 10)],
        [bearer({"user": {"email": "alice@example.com"}})],
        [bearer({"exp": ALICE["exp"]})],
        [bearer({"exp": ALICE["exp"], "user": {"email": 7}})],
        [bearer(), bearer()],
        [(b"authorization", b"Basic YTpi")],
        [],
    ],
    ids=["another key", "expired", "for ever", "nobody", "no address", "two bearers", "no bearer", "nothing"],
)
def test_nobody_else_is_and_a_clients_own_claim_never_passes(headers: list) -> None:
    for name in (b"x-database-identity", b"X-Database-Identity"):
        assert identity.person(stamp.stamped([(name, claim()[1]), *headers]), KEY) == ""


def test_a_clients_own_claim_does_not_take_the_place_of_who_they_are() -> None:
    headers = stamp.stamped([claim(sub="boss@example.com"), bearer()])
    assert identity.person(headers, KEY) == "alice@example.com"


@pytest.mark.parametrize(
    "headers",
    [
        [claim(key="another key of that length, and more")],
        [claim(exp=int(time.time()) - 1)],
        [claim(exp=None)],
        [claim(aud="another service")],
        [claim(sub=None)],
        [claim(), claim()],
        [(b"x-database-identity", b"alice@example.com")],
        [(b"x-database-identity", b"\xff\x00")],
        [(b"x-database-identity", jwt.encode({"sub": "a", "aud": identity.AUDIENCE, "iat": 1, "exp": 1 << 40}, None, algorithm="none").encode())],
    ],
    ids=["another key", "old", "for ever", "for another", "of nobody", "twice", "in clear", "bytes", "unsigned"],
)
def test_a_claim_that_is_not_the_gateways_of_now_is_refused(headers: list) -> None:
    with pytest.raises(BridgeError):
        identity.person(headers, KEY)


def test_without_a_key_nobody_is_named() -> None:
    assert identity.person([claim()], "") == ""
