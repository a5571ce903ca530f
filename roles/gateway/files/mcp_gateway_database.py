# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes away a database that a first start of the gateway left half made.

The gateway makes its SQLite schema in many steps that it can neither undo nor repeat: a start that is cut off among them leaves a file with which none of
the later ones gets up (docs/upstream.md). Its first user, the administrator, comes after the last step. So a database without a user never answered anybody
and holds nothing.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import sqlite3
import sys

SCHEME = "sqlite:///"
#: What SQLite keeps beside a database.
BESIDE = ("", "-wal", "-shm", "-journal")


def half_made(path: str) -> bool:
    """Whether there is a database in which there are tables and no user. What is no database is the gateway's to complain about."""
    if not os.path.exists(path):
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{pathlib.Path(path).absolute().as_uri()}?mode=rw", uri=True)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return bool(tables) and ("email_users" not in tables or connection.execute("SELECT 1 FROM email_users LIMIT 1").fetchone() is None)
    except sqlite3.Error:
        return False


def remove_half_made(url: str) -> None:
    """``url``: the gateway's ``DATABASE_URL``. Of other kinds of database nothing is known."""
    path = url.removeprefix(SCHEME)
    if path == url or not half_made(path):
        return
    print(f"{path} was left half made by a first start that was cut off; it is made anew", file=sys.stderr, flush=True)
    for name in BESIDE:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + name)
