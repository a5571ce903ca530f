# SPDX-License-Identifier: GPL-3.0-or-later
"""What a snapshot of a host sees, on real files; the units of a host with systemd are Molecule's."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.mcp.tenancy.plugins.action import host_record as action
from ansible_collections.mcp.tenancy.plugins.module_utils import _gateway_database, _record, _snapshot

MARKS = {20001: "3.ab12cd34"}


@pytest.fixture
def scope(tmp_path: Path) -> dict:
    (tmp_path / "etc").mkdir(mode=0o755)
    (tmp_path / "etc/services.json").write_text("{}\n")
    (tmp_path / "python").write_text("#!/bin/sh\n")
    (tmp_path / "sysusers.conf").write_text("g root -\nu root -\n")
    paths = [str(tmp_path / name) for name in ("etc", "etc/services.json", "etc/not-there")]
    return {
        "paths": paths,
        "programs": [str(tmp_path / "python"), "no-such-program"],
        "packages": [],
        "sysusers": str(tmp_path / "sysusers.conf"),
        "prefix": "mcp-tenancy-no-such-team-",
        "revisions_directory": str(tmp_path / ".revisions"),
        "bridges": {"postgres-dev": 20001},
        "gateway": {"port": 1, "database": registry(tmp_path / "mcp.db")},
    }


def registry(path: Path) -> str:
    """A database as the gateway has it, with one row in each table."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for query in _gateway_database.QUERIES.values():
            columns, table = query.removeprefix("SELECT ").split(" FROM ")
            connection.execute(f"CREATE TABLE {table} ({columns}, last_seen)")
            connection.execute(f"INSERT INTO {table} ({columns}, last_seen) VALUES ({re.sub(r'[a-z_]+', '1', columns)}, 1)")
        connection.commit()
    return str(path)


def look(scope: dict) -> dict[str, str]:
    return _snapshot.taken(scope, lambda port: {"credential": MARKS[port]}, lambda port: True)


def test_nothing_changed_nothing_differs(scope: dict) -> None:
    assert _snapshot.differences(look(scope), look(scope)) == []


def content(folder: Path) -> None:
    (folder / "etc/services.json").write_text("[]\n")  # as long as before


def mode(folder: Path) -> None:
    (folder / "etc/services.json").chmod(0o600)


def gone(folder: Path) -> None:
    (folder / "etc/services.json").unlink()


def link(folder: Path) -> None:
    gone(folder)
    (folder / "etc/services.json").symlink_to(folder / "sysusers.conf")


def appeared(folder: Path) -> None:
    (folder / "etc/not-there").touch()


def folder_mode(folder: Path) -> None:
    (folder / "etc").chmod(0o700)


def other_program(folder: Path) -> None:
    os.utime(folder / "python", ns=(1, 1))


def user(folder: Path) -> None:
    (folder / "sysusers.conf").write_text("g root -\nu no-such-user -\n")


def by_statement(statement: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with contextlib.closing(sqlite3.connect(folder / "mcp.db")) as connection:
            connection.execute(statement)
            connection.commit()

    return change


def not_a_database(folder: Path) -> None:
    (folder / "mcp.db").write_text("nothing that SQLite knows " * 100)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (content, ["{}/etc/services.json"]),
        (mode, ["{}/etc/services.json"]),
        (gone, ["{}/etc/services.json"]),
        (link, ["{}/etc/services.json"]),
        (appeared, ["{}/etc/not-there"]),
        (folder_mode, ["{}/etc"]),
        (other_program, ["program {}/python"]),
        (user, ["users that are missing"]),
        (by_statement("UPDATE gateways SET reachable = 0"), ["the gateway's registrations"]),
        (by_statement("UPDATE gateways SET last_seen = 2"), []),
        (by_statement("UPDATE email_team_members SET role = 'owner'"), ["the gateway's team members"]),
        (by_statement("DELETE FROM server_tool_association"), ["the tools of the gateway's virtual servers"]),
        (by_statement("INSERT INTO token_revocations VALUES ('x', 1)"), ["the gateway's revocations"]),
        (by_statement("ALTER TABLE servers DROP COLUMN enabled"), ["the gateway's virtual servers"]),
        (not_a_database, sorted(_gateway_database.facts("/not/there"))),
    ],
)
def test_a_change_is_seen_and_named(scope: dict, tmp_path: Path, change: Callable[[Path], None], names: list[str]) -> None:
    before = look(scope)
    change(tmp_path)
    assert _snapshot.differences(before, look(scope)) == [name.format(tmp_path) for name in names]


@pytest.mark.parametrize("said", [None, {}, {"credential": "2.0f0f0f0f"}])
def test_a_bridge_on_another_login_or_silent_is_seen(scope: dict, said: dict | None) -> None:
    assert _snapshot.differences(look(scope), _snapshot.taken(scope, lambda port: said, lambda port: True)) == ["bridge postgres-dev"]


def test_a_gateway_that_does_not_answer_is_seen(scope: dict) -> None:
    now = _snapshot.taken(scope, lambda port: {"credential": MARKS[port]})
    assert _snapshot.differences(look(scope), now) == _snapshot.not_running(now) == ["the gateway"]


def test_looking_at_the_gateways_database_makes_no_file_and_tells_no_content(scope: dict, tmp_path: Path) -> None:
    by_statement("UPDATE gateways SET auth_value = 'a bearer'")(tmp_path)
    (tmp_path / "mcp.db-journal").unlink(missing_ok=True)
    before = sorted(tmp_path.iterdir())
    assert "a bearer" not in str(look(scope)) and sorted(tmp_path.iterdir()) == before
    assert set(_gateway_database.facts(str(tmp_path / "absent.db")).values()) == {_gateway_database.UNREADABLE} and sorted(tmp_path.iterdir()) == before


def test_a_package_that_is_missing_is_seen(scope: dict) -> None:
    before = look(scope)
    assert _snapshot.differences(before, look({**scope, "packages": ["no-such-package"]})) == ["packages that are missing"]


def test_a_unit_that_is_down_is_named() -> None:
    assert _snapshot.not_running({"unit a.service": "active enabled no - 1", "unit b.service": "failed enabled no - 1", "/etc": "x"}) == ["unit b.service"]


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"format": 0}', "{}"])
def test_a_record_that_cannot_be_used_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "record").write_text(text)
    assert _record.compare(str(tmp_path / "record"), "digest")["why"] == "there is no record of a whole deploy"


def test_a_record_answers_for_its_inputs_and_its_facts(scope: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scope, path = {**scope, "bridges": {}}, str(tmp_path / "record")
    monkeypatch.setattr(_snapshot, "taken", functools.partial(_snapshot.taken, answers=lambda port: True))
    assert _record.write(path, "digest", scope, 0)["in_order"]
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert _record.compare(path, "digest") == {"in_order": True, "differs": [], "why": ""}
    assert "is another one" in _record.compare(path, "other")["why"]
    content(tmp_path)
    assert _record.compare(path, "digest")["differs"] == [f"{tmp_path}/etc/services.json"]
    assert _record.write(path, "digest", scope, int(time.time()) + 3600)["in_order"] and _record.compare(path, "digest")["in_order"]
    assert _record.write(path, "digest", scope, int(time.time()))["in_order"]
    assert _record.compare(path, "digest")["why"] == "a client's token is due for another one"


def test_another_file_of_the_collection_is_another_digest(tmp_path: Path) -> None:
    for name in action.SOURCES:
        (tmp_path / name).mkdir()
    (tmp_path / "roles/a").write_text("x")
    before = action.collection_digest(tmp_path)
    (tmp_path / "roles/a.pyc").write_text("compiled")
    assert action.collection_digest(tmp_path) == before
    (tmp_path / "roles/a").rename(tmp_path / "roles/b")
    assert action.collection_digest(tmp_path) != before
