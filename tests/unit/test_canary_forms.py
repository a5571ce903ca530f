# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret is found in whatever form it stands."""

from __future__ import annotations

import base64
import json
import re
import secrets
import shlex
from urllib.parse import quote, quote_plus

import pytest

from tests.canary import forms

DRAWN = secrets.token_urlsafe(24)
WORD = "administrator!"
ODD = "p@:/%?# '\"\\$é" + secrets.token_hex(1)
SECRETS = {"drawn": DRAWN, "with an odd end": secrets.token_hex(12) + "@:/%?# '\"\\$é", "odd": ODD, "a word": WORD}
#: Form → what stands there.
ENCODINGS = {
    "as it is": str,
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded in lower case": lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
    "percent-encoded twice": lambda text: quote(quote(text, safe=""), safe=""),
    "of a form": quote_plus,
    "in JSON": lambda text: json.dumps({"password": text}),
    "in JSON as UTF-8": lambda text: json.dumps(text, ensure_ascii=False),
    "quoted for a shell": shlex.quote,
    "with backslashes": lambda text: "".join(one if one.isascii() and one.isalnum() else f"\\{one}" for one in text),
    "in SQL": lambda text: "ALTER ROLE x PASSWORD '" + text.replace("'", "''") + "'",
    "in a connection string": lambda text: f"postgresql://u:{quote(text, safe='')}@db.internal/shop",
    "hex": lambda text: text.encode().hex(),
    "hex in upper case": lambda text: text.encode().hex().upper(),
    **{f"base64, {before} before it": lambda text, before=before: base64.b64encode(bytes(before) + text.encode() + b"tail").decode() for before in range(4)},
    **{
        f"base64 for URLs, {before} before it": lambda text, before=before: base64.urlsafe_b64encode(b"\xff" * before + text.encode()).decode()
        for before in range(3)
    },
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=list(ENCODINGS))
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_found_in_each_form(name: str, encode: object) -> None:
    wanted = forms.Wanted(SECRETS)
    text = f"before it {encode(SECRETS[name])} and after it".encode()
    assert {hit for hit, _form in wanted.found(text)} == {name}
    assert wanted.places(text)[0][0] >= len("before it ")


@pytest.mark.parametrize("value", SECRETS.values(), ids=list(SECRETS))
def test_what_is_not_the_secret_is_not_found(value: str) -> None:
    other = "".join(chr(ord(one) ^ 1) for one in value)
    assert forms.Wanted({"it": value}).found(f"{other} {base64.b64encode(other.encode()).decode()} {value[:5]}".encode()) == []


def test_a_hit_says_in_which_form() -> None:
    wanted = forms.Wanted({"it": ODD})
    assert wanted.found(ODD.encode()) == [("it", "as it is")]
    assert wanted.found(quote(ODD, safe="").encode()) == [("it", "percent-encoded")]
    assert wanted.found(base64.b64encode(b"u:" + ODD.encode())) == [("it", "base64")]
    assert wanted.found(ODD.encode().hex().encode()) == [("it", "hex")]


def test_a_word_is_looked_for_whole_and_not_found_wherever_it_stands() -> None:
    assert forms.Wanted({"it": WORD}).found(b"the administrator of PostgreSQL") == []


def test_a_secret_that_is_found_by_chance_is_told_and_not_looked_for() -> None:
    wanted = forms.Wanted({"pin": "1234", "drawn": DRAWN})
    assert wanted.short == ["pin"] and wanted.found(b"1234") == [] and wanted.found(DRAWN.encode())


def test_a_report_shows_no_name_with_a_secret_in_it() -> None:
    assert DRAWN not in forms.Wanted({"it": DRAWN}).hidden(f"/tmp/{DRAWN}.log")
    assert forms.Wanted({"it": DRAWN}).hidden("/tmp/other.log") == "/tmp/other.log"
