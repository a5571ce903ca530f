# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a verifier is that of a password. A wrong "yes" would leave a password that somebody else set."""

from __future__ import annotations

import base64

import psycopg
import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _scram

ODD = "@ : / % ? # ' \" \\ $ " + "x" * 180


def verifier(password: str) -> str:
    """As libpq makes it; it needs no server for that when the algorithm is named."""
    connection = psycopg.pq.PGconn.connect(b"host=/nowhere")
    return connection.encrypt_password(password.encode(), b"somebody", b"scram-sha-256").decode()


@pytest.mark.parametrize("password", ["plain", ODD, " leading and trailing ", "\x01control\x7f"])
def test_libpqs_verifier_is_known_again(password) -> None:
    made = verifier(password)
    assert _scram.matches(made, password) is True
    assert [_scram.matches(made, wrong) for wrong in (password + " ", password[:-1], "")] == [False] * 3


def test_what_only_a_login_can_tell() -> None:
    assert _scram.matches(verifier("é"), "é") is None
    made = verifier("plain")
    strange = ("md5" + "0" * 32, "", "SCRAM-SHA-256$4096:x$x:x", made.replace("4096", "4096:")[:-1])
    assert [_scram.matches(verifier, "plain") for verifier in strange] == [None] * 4


def test_a_verifier_with_another_key_or_salt_is_another_password() -> None:
    head, keys = verifier("plain").rsplit("$", 1)
    stored, server = keys.split(":")
    flipped = base64.b64encode(bytes(byte ^ 1 for byte in base64.b64decode(stored))).decode()
    assert _scram.matches(f"{head}${flipped}:{server}", "plain") is False
    assert _scram.matches(f"{head}${stored}:{flipped}", "plain") is False
    assert _scram.matches(f"{head.replace('4096', '4097')}${keys}", "plain") is False
    assert _scram.matches(None, "plain") is False, "no password at all"
