# SPDX-License-Identifier: GPL-3.0-or-later
"""Which database of the gateway is taken away before it starts; that the real gateway gets up then is test_kills.py's."""

from __future__ import annotations

import contextlib
import importlib.util
import sqlite3
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("database", Path(__file__).parents[2] / "roles/gateway/files/mcp_gateway_database.py")
database = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(database)

CUT_OFF = {
    "in the middle": ["CREATE TABLE alembic_version (version_num)", "INSERT INTO alembic_version VALUES ('356a2d4eed6f')", "CREATE TABLE tools (id)"],
    "before the first user": ["CREATE TABLE email_users (email)", "CREATE TABLE tools (id)"],
}
KEPT = {
    "with a user": ["CREATE TABLE email_users (email)", "INSERT INTO email_users VALUES ('admin@example.com')"],
    "empty, just made": [],
}


def made(path: Path, statements: list[str]) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        path.with_name("mcp.db-wal").touch()
    return f"sqlite:///{path}"


@pytest.mark.parametrize("statements", CUT_OFF.values(), ids=CUT_OFF)
def test_one_that_was_left_half_made_goes_with_all_that_belongs_to_it(tmp_path: Path, statements: list[str]) -> None:
    database.remove_half_made(made(tmp_path / "mcp.db", statements))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("statements", KEPT.values(), ids=KEPT)
def test_one_that_is_whole_stays(tmp_path: Path, statements: list[str]) -> None:
    url = made(tmp_path / "mcp.db", statements)
    database.remove_half_made(url)
    assert (tmp_path / "mcp.db").exists()


@pytest.mark.parametrize("url", ["", "sqlite:////not/there/mcp.db", "postgresql+psycopg://somewhere/mcp", "sqlite:///"])
def test_where_there_is_none_nothing_is_made(url: str) -> None:
    database.remove_half_made(url)
    assert not Path("/not/there").exists()


def test_what_is_no_database_is_left_for_the_gateway_to_complain_about(tmp_path: Path) -> None:
    (tmp_path / "mcp.db").write_text("nothing that SQLite knows " * 100)
    database.remove_half_made(f"sqlite:///{tmp_path}/mcp.db")
    assert (tmp_path / "mcp.db").exists()
