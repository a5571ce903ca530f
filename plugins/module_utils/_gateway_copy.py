# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Copies of the gateway's SQLite database: taken while it runs, put back while it does not."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import sqlite3

#: Measurements: no state, and most of the file after a year.
MEASURED = re.compile(r".*_metrics(_hourly)?|token_usage_logs")
#: What SQLite keeps beside a database.
BESIDE = ("-wal", "-shm", "-journal")
#: What was revoked stays so, whatever is put back.
REVOKED = "token_revocations"


class CopyError(Exception):
    """Why there is no copy, or why one cannot be put back, with the next step."""


def taken(path: str) -> bytes:
    """The database as of one moment, without measurements, as the bytes of a file. Nothing is written to a disk. Raises CopyError."""
    try:
        with contextlib.closing(_opened(path)) as source, contextlib.closing(sqlite3.connect(":memory:")) as copy:
            source.backup(copy)
            for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                if MEASURED.fullmatch(name):
                    copy.execute(f'DELETE FROM "{name}"')  # noqa: S608 - a table's name out of the catalogue
            copy.commit()
            copy.execute("VACUUM")
            return copy.serialize()
    except sqlite3.Error as error:
        raise CopyError(f"{path} cannot be copied: {error}. Next: see the gateway's log") from None


def kept(path: str, beside: str) -> None:
    """A whole copy of ``path`` in the file ``beside``, 0600, of the same owner, in place by rename. Raises CopyError."""
    temporary = f"{beside}.new"
    try:
        _unlink(temporary)
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with contextlib.closing(_opened(path)) as source, contextlib.closing(sqlite3.connect(temporary)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
        _like(path, temporary)
        os.replace(temporary, beside)
    except (sqlite3.Error, OSError) as error:
        _unlink(temporary)
        raise CopyError(f"{path} cannot be copied to {beside}: {error}. Next: make room there, see the gateway's log") from None


def put_back(path: str, content: bytes) -> int:
    """Make ``content`` the database ``path``, whose gateway is stopped. How many revocations of the one before were carried over. Raises CopyError."""
    temporary, carried = f"{path}.new", 0
    try:
        with contextlib.closing(sqlite3.connect(":memory:")) as copy:
            copy.deserialize(content[:18] + b"\1\1" + content[20:])  # a database in memory has no WAL, whatever the file says (fileformat2.html, 1.3.3)
            if (found := copy.execute("PRAGMA integrity_check").fetchone()) != ("ok",):
                raise CopyError(f"the copy is damaged: {found[0]}. Next: use another backup")
            if os.path.exists(path):
                carried = _carry_over(path, copy)
            content = copy.serialize()
        _unlink(temporary)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        _like(os.path.dirname(path), temporary)
        for suffix in BESIDE:  # of the database that goes; what was in them has been read
            _unlink(path + suffix)
        os.replace(temporary, path)
    except (sqlite3.Error, OSError) as error:
        _unlink(temporary)
        raise CopyError(f"{path} cannot be put back: {error}. Next: correct it, then run again") from None
    return carried


def _carry_over(path: str, copy: sqlite3.Connection) -> int:
    """Tokens that were revoked since are revoked in the copy too. A database that cannot be read has none to give."""
    try:
        with contextlib.closing(_opened(path)) as before:
            columns = [name for (_n, name, *_rest) in before.execute(f"PRAGMA table_info({REVOKED})")]
            there = {name for (_n, name, *_rest) in copy.execute(f"PRAGMA table_info({REVOKED})")}
            same = [name for name in columns if name in there]
            rows = before.execute(f"SELECT {', '.join(same)} FROM {REVOKED}").fetchall() if same else []  # noqa: S608 - names out of the catalogue
    except sqlite3.Error:
        return 0
    known = {jti for (jti,) in copy.execute(f"SELECT jti FROM {REVOKED}")} if rows else set()  # noqa: S608
    fresh = [row for row in rows if row[same.index("jti")] not in known]
    if fresh:
        copy.executemany(f"INSERT INTO {REVOKED} ({', '.join(same)}) VALUES ({', '.join('?' * len(same))})", fresh)  # noqa: S608
        copy.executemany("UPDATE email_api_tokens SET is_active = 0 WHERE jti = ?", [(row[same.index("jti")],) for row in fresh])
        copy.commit()
    return len(fresh)


def _opened(path: str) -> sqlite3.Connection:
    """Read only, and it makes no file: the gateway's user could not write it."""
    return sqlite3.connect(f"{pathlib.Path(path).as_uri()}?mode=ro", uri=True, timeout=30)


def _like(path: str, other: str) -> None:
    status = os.stat(path)
    os.chown(other, status.st_uid, status.st_gid)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
