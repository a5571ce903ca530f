# SPDX-License-Identifier: GPL-3.0-or-later
"""The ends of things: a credential that leaves or comes back, a document out of a backup, a team's folder, a copy of the gateway's database."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _credentials, _gateway_copy, _removal, _walk

NOW = "2026-11-27T07:00:00Z"


def entry(generation: int = 3, kind: str = "managed") -> dict:
    slot = {"login": "mcp_a", "password": "p", "mark": f"{generation}.x", "since": NOW}
    return {**_credentials.fresh(kind, NOW), "generation": generation, "active": "a", "slots": {"a": slot}}


def document(version: int, **credentials: dict) -> dict:
    return {**_credentials.empty("team_a"), "version": version, "credentials": credentials}


def test_a_credential_whose_service_is_gone_ends_and_is_forgotten() -> None:
    left = _walk.left(entry(), NOW)
    assert _credentials.in_use(left) is None and _walk.usable(left) == {"a": None, "b": None}
    assert _walk.after_accounts(left, "the database does not answer", NOW)["walk"]["drained"], "the next run tries again"
    assert _walk.after_accounts(left, "", NOW) is None
    assert _walk.after_accounts(_walk.left(entry(kind="unmanaged"), NOW), "", NOW) is None and _walk.usable(_walk.left(entry(kind="unmanaged"), NOW)) == {}


def test_one_that_is_declared_again_gets_new_logins_and_no_earlier_generation() -> None:
    back = _walk.back_again(_walk.left(entry(7), NOW))
    assert (back["active"], back["slots"], back["walk"], back["generation"]) == (None, {}, None, 7)
    begun = _walk.begun(back, {"a": "mcp_a", "b": "mcp_b"}, lambda: "new", "y", NOW)
    assert begun["slots"]["a"]["password"] == "new" and begun["slots"]["a"]["mark"] == "8.y"
    assert _walk.after_accounts(begun, "", NOW)["generation"] == 8
    assert _walk.back_again(entry()) == entry()


def test_a_backup_counts_only_where_nothing_as_new_is_left() -> None:
    backup = document(5, one=entry(3))
    assert _walk.is_lost(_credentials.empty("team_a"), backup) and _walk.is_lost(document(4), backup)
    assert not _walk.is_lost(document(5), backup) and not _walk.is_lost(document(6), backup)


def test_s5_out_of_a_backup_no_managed_login_comes_back() -> None:
    given = {**entry(2, "unmanaged"), "earlier": ["label"]}
    found = _walk.restored(_credentials.empty("team_a"), document(5, one=entry(3), given=given))["credentials"]
    assert (found["one"]["active"], found["one"]["slots"], found["one"]["generation"]) == (None, {}, 3)
    assert found["given"] == given
    live = document(4, one=entry(4), other=entry(1))
    found = _walk.restored(live, document(5, one=entry(3)))["credentials"]
    assert found["one"] == entry(4) and found["other"] == entry(1), "what a host holds of a later generation counts"


def test_a_folder_that_holds_something_else_is_not_removed() -> None:
    assert _removal.order("/srv/x", ["etc", "state", "lib"], {"team": "team_a"}, "team_a") == ["lib", "state", "etc"]
    assert _removal.order("/srv/x", ["etc"], None, "team_a") == ["etc"], "a removal that was cut off goes on"
    for entries, manifest in ((["etc", "photos"], {"team": "team_a"}), (["etc"], {"team": "team_b"}), (["bin", "usr", "etc", "lib"], None)):
        with pytest.raises(_removal.RemovalError, match="Next: "):
            _removal.order("/", entries, manifest, "team_a")


def test_entries_of_the_team_and_of_nobody_else() -> None:
    entries = {"ours": {"url": "http://gw:1/servers/1/mcp"}, "other": {"url": "http://gw:10/servers/1/mcp"}, "local": {"command": "x"}, "odd": 1}
    assert _removal.stale_entries(entries, "http://gw:1") == ["ours"]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A gateway's database in little, in use, with what was written last still in its WAL."""
    path = tmp_path / "mcp.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE token_revocations (jti TEXT PRIMARY KEY, why TEXT)")
    connection.execute("CREATE TABLE email_api_tokens (jti TEXT, is_active INTEGER)")
    connection.execute("CREATE TABLE tool_metrics (id INTEGER)")
    connection.executemany("INSERT INTO email_api_tokens VALUES (?, 1)", [("one",), ("two",)])
    connection.execute("INSERT INTO tool_metrics VALUES (1)")
    connection.commit()
    yield path
    connection.close()


def ask(path: Path, question: str) -> list:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(question).fetchall()
    finally:
        connection.close()


def test_a_copy_is_whole_but_for_measurements(database: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_bytes(_gateway_copy.taken(str(database)))
    assert len(ask(tmp_path / "copy.db", "SELECT * FROM email_api_tokens")) == 2 and ask(tmp_path / "copy.db", "SELECT * FROM tool_metrics") == []
    _gateway_copy.kept(str(database), str(tmp_path / "kept.db"))
    assert ask(tmp_path / "kept.db", "SELECT * FROM tool_metrics") == [(1,)] and (tmp_path / "kept.db").stat().st_mode & 0o777 == 0o600
    for copy in ((tmp_path / "kept.db").read_bytes(), database.read_bytes()):  # the second one says of itself that it has a WAL
        assert _gateway_copy.put_back(str(tmp_path / "other.db"), copy) == 0 and ask(tmp_path / "other.db", "PRAGMA integrity_check") == [("ok",)]


def test_what_was_revoked_since_stays_revoked(database: Path) -> None:
    copy = _gateway_copy.taken(str(database))
    writer = sqlite3.connect(database)
    writer.execute("INSERT INTO token_revocations VALUES ('one', 'leaked')")
    writer.execute("DELETE FROM email_api_tokens WHERE jti = 'two'")
    writer.commit()
    writer.close()
    assert _gateway_copy.put_back(str(database), copy) == 1
    assert ask(database, "SELECT jti, is_active FROM email_api_tokens ORDER BY jti") == [("one", 0), ("two", 1)]
    assert ask(database, "SELECT jti FROM token_revocations") == [("one",)] and not Path(f"{database}.new").exists()
    assert _gateway_copy.put_back(str(database), copy) == 1, "put back again it is the same"


def test_a_damaged_copy_is_refused_and_nothing_is_touched(database: Path) -> None:
    copy = bytearray(_gateway_copy.taken(str(database)))
    copy[100:4000] = b"\xff" * 3900
    before = database.read_bytes()
    with pytest.raises(_gateway_copy.CopyError, match="Next: "):
        _gateway_copy.put_back(str(database), bytes(copy))
    assert database.read_bytes() == before
