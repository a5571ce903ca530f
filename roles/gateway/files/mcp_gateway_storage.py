# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps what the gateway stores for upstreams encrypted, whichever way it came.

ContextForge 1.1.0 encrypts a bearer or a basic login on POST, and stores custom headers on POST and every kind after PUT as clear JSON (docs/upstream.md). Its
readers take both forms. So the column itself encrypts what is not yet, with the gateway's own function and key, and clear rows are encrypted at start.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping

from sqlalchemy import JSON, Column, Engine, Table, inspect, select, text, update
from sqlalchemy.types import TypeDecorator

SECRET, BEFORE = "AUTH_ENCRYPTION_SECRET", "_BEFORE"


class Encrypted(TypeDecorator):
    """A JSON column that never holds an object: one that is given is stored as its ciphertext, a string. Strings and null pass."""

    impl = JSON
    cache_ok = True

    def __init__(self, encode: Callable[[dict], str] | None = None) -> None:
        super().__init__(none_as_null=True)
        self.encode = encode

    def process_bind_param(self, value: object, dialect: object) -> object:
        return self.encode(value) if isinstance(value, dict) and value else value


def encrypt_rows(engine: Engine, table: Table, column: Column) -> int:
    """How many rows held a clear value. Of those nothing is left in the file either."""
    if not inspect(engine).has_table(table.name):
        return 0
    with engine.begin() as connection:
        clear = [row for row in connection.execute(select(table.c.id, column)) if isinstance(row[1], dict) and row[1]]
        for row in clear:
            connection.execute(update(table).where(table.c.id == row[0]).values({column.name: row[1]}))
    if clear and engine.dialect.name == "sqlite":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM"))
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    return len(clear)


def under_the_secret_of_now(environ: Mapping[str, str]) -> None:
    """Encrypt with the secret of now what still is under the one before, in one transaction. Nothing happens where there is none before, or nothing under it.

    The gateway's own script does it, which knows all its columns; called here, so that no secret is in a command line and none is forgotten. Raises SystemExit:
    a gateway that cannot read what it stored would start, and fail at each call.
    """
    before, now = environ.get(SECRET + BEFORE, ""), environ.get(SECRET, "")
    if not before or before == now:
        return
    from mcpgateway.scripts.migrate_enc_secret import run_migration

    with contextlib.redirect_stdout(sys.stderr):
        if run_migration(environ["DATABASE_URL"], before, now):
            raise SystemExit(
                f"What the gateway stored cannot be brought from the {SECRET} before to that of now; nothing was changed. "
                "Next: see the lines above; put the secret before back into the .env and deploy, to go on with it"
            )


def install() -> None:
    """Before the gateway's application is imported, so that no statement was made yet."""
    under_the_secret_of_now(os.environ)
    from mcpgateway.db import Gateway, engine
    from mcpgateway.utils.services_auth import encode_auth

    table = Gateway.__table__
    table.c.auth_value.type = Encrypted(encode_auth)
    encrypt_rows(engine, table, table.c.auth_value)
