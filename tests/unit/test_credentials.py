# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _credentials, _walk
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _credentials_file

NOW = "2026-11-23T20:00:00Z"
KEY = b"k" * 32


def services(kind: str = "unmanaged") -> list[dict]:
    return [{"name": "postgres-dev", "kind": kind, "credential": "POSTGRES_DEV_CONNECTION_STRING"}]


def adopt(document: dict, password: str | None, kind: str = "unmanaged") -> tuple[dict, list[str]]:
    given = {} if password is None else {"postgres-dev": ("login", password)}
    return _credentials.adopted(document, services(kind), given, _credentials_file.label(_credentials_file.labelled(document, KEY)), NOW, lambda: "drawn")


def test_the_first_login_that_is_given_is_used_at_once() -> None:
    document, wrong = adopt(_credentials.empty("t"), "one")
    assert not wrong
    assert _credentials.in_use(document["credentials"]["postgres-dev"]) == {"login": "login", "password": "one", "mark": "0.drawn", "since": NOW}
    assert adopt(document, "one") == (document, []), "again changes nothing"


def test_s5_an_earlier_login_is_refused_from_whatever_checkout() -> None:
    document, _ = adopt(_credentials.empty("t"), "one")
    document, wrong = adopt(document, "two")
    entry = document["credentials"]["postgres-dev"]
    assert not wrong and entry["walk"]["step"] == "staged" and _credentials.in_use(entry)["password"] == "one"
    document["credentials"]["postgres-dev"] = _walk.taken(entry, NOW)
    assert adopt(document, "two") == (document, [])
    _document, wrong = adopt(document, "one")
    assert len(wrong) == 1 and "would bring back an earlier login of postgres-dev" in wrong[0] and "one" not in wrong[0].split()


def test_s5_a_managed_credential_takes_no_login_from_a_checkout() -> None:
    document, _ = adopt(_credentials.empty("t"), "before it was managed", "managed")
    entry = document["credentials"]["postgres-dev"]
    assert entry["active"] == _credentials.GIVEN
    document["credentials"]["postgres-dev"] |= {"active": "a", "generation": 1, "slots": {"a": {"login": "x_a", "password": "p", "mark": "1.x", "since": NOW}}}
    assert adopt(document, "before it was managed", "managed") == (document, []), "a checkout of before changes nothing"
    _document, wrong = adopt(document, "p", "managed")
    assert len(wrong) == 1 and "which is managed" in wrong[0]
    assert adopt(document, None, "managed") == (document, [])


def test_of_each_credential_the_highest_generation_wins() -> None:
    def held(version: int, **generations: int) -> dict:
        entries = {name: {"generation": generation, "of": version} for name, generation in generations.items()}
        return {"format": 1, "team": "t", "version": version, "credentials": entries}

    merged = _credentials.merged("t", [held(7, one=3, two=1), held(5, one=2, two=4, three=1)])
    assert merged["version"] == 7
    assert {name: entry["of"] for name, entry in merged["credentials"].items()} == {"one": 7, "two": 5, "three": 5}
    assert _credentials.merged("t", []) == _credentials.empty("t")
    with pytest.raises(_credentials.CredentialsError, match="of team t, format 1, not of other"):
        _credentials.merged("other", [held(1)])


def test_the_document_is_opened_with_its_teams_key_only() -> None:
    document, _ = adopt(_credentials.empty("t"), "hunter2")
    held = {"version": 0, "document": _credentials_file.sealed(document, KEY)}
    assert "hunter2" not in held["document"] and _credentials_file.opened(held, KEY, "t") == _credentials_file.labelled(document, KEY)
    for spoiled, key in ((held, b"o" * 32), ({**held, "version": 3}, KEY)):
        with pytest.raises(_credentials.CredentialsError, match="Next: "):
            _credentials_file.opened(spoiled, key, "t")


def test_a_holder_that_has_ended_is_known_to_be_gone_and_a_strangers_never() -> None:
    import os
    import subprocess
    import sys

    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = _credentials_file.holder(child.pid)
    assert not _credentials_file.is_gone(holder) and not _credentials_file.is_gone(_credentials_file.holder(os.getpid()))
    child.communicate(b"\n")
    assert _credentials_file.is_gone(holder)
    assert not _credentials_file.is_gone(holder.replace("@", "@other-")) and not _credentials_file.is_gone("whoever")


@pytest.mark.parametrize(("mark", "generation"), [("4.5f0c", 4), ("", 0), ("0.to-be-made", 0), ("x", 0), ("²", 0)])
def test_a_mark_tells_its_generation(mark: str, generation: int) -> None:
    assert _credentials.generation_of(mark) == generation
