# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's DBA: for each service an admin login that may make other logins, and a read-only login where the operator gives one.

Passwords come on stdin, as JSON ``{service: {"admin": [login, password], "login": [login, password]}}``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
import sys
from pathlib import Path

import psycopg
import pymongo
import pymongo.errors
from psycopg import sql

from demo import mongodb_users, postgres
from demo import state as demo_state
from demo.state import State

ADMIN = "demo-setup"  # lives for one run of this program


def ensure(home: Path, state: State, logins: dict[str, dict[str, tuple[str, str]]]) -> list[str]:
    """Make every login work with its password; returns the services whose login was changed."""
    changed = []
    for service, given in logins.items():
        engine, environment = service.split("-")
        works = _postgres_works if engine == "postgres" else _mongodb_works
        for kind, (login, password) in given.items():
            if works(home, state, environment, login, password):
                continue
            changed.append(f"{service} ({kind})")
            if engine == "postgres":
                {"admin": set_postgres_admin, "login": _set_postgres}[kind](state, environment, login, password)
            else:
                with mongodb_admin(home, state) as client:
                    _set_mongodb(client, environment, login, password, kind)
            if not works(home, state, environment, login, password):
                raise demo_state.DemoError(f"{service}: the login does not work although it was just set. Next: see {home}/databases/log")
    return changed


def _postgres_works(home: Path, state: State, environment: str, login: str, password: str) -> bool:
    try:
        psycopg.connect(
            host="localhost", port=state.ports["postgres"], dbname=f"shop_{environment}", user=login, password=password,
            sslmode="verify-full", sslrootcert=home / "databases/tls/ca.pem", connect_timeout=10,
        ).close()  # fmt: skip
    except psycopg.OperationalError:
        return False
    return True


def set_postgres_admin(state: State, environment: str, login: str, password: str) -> None:
    """What a DBA gives the collection: no superuser, but a login that may make logins and grant on the tables of this database."""
    name, owner, database = sql.Identifier(login), sql.Identifier(f"shop_{environment}_owner"), sql.Identifier(f"shop_{environment}")
    with postgres.admin(state, f"shop_{environment}") as connection, connection.transaction():
        verifier = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
        for role, attributes in ((owner, "NOLOGIN"), (name, "LOGIN CREATEROLE")):
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role.as_string().strip('"')]).fetchone():
                connection.execute(sql.SQL("CREATE ROLE {} " + attributes).format(role))
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(verifier)))
        for statement in (
            "GRANT {owner} TO {login}",
            "ALTER DATABASE {database} OWNER TO {owner}",
            "ALTER SCHEMA public OWNER TO {owner}",
            "REVOKE CONNECT ON DATABASE {database} FROM PUBLIC",
            "REVOKE EXECUTE ON FUNCTION lo_creat(int), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC",
        ):
            connection.execute(sql.SQL(statement).format(login=name, owner=owner, database=database))
        for (table,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall():
            connection.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier(table), owner))


def _set_postgres(state: State, environment: str, login: str, password: str) -> None:
    database, name = sql.Identifier(f"shop_{environment}"), sql.Identifier(login)
    with postgres.admin(state, f"shop_{environment}") as connection, connection.transaction():
        # The verifier is computed on our side: the server, and so its log, never sees the password.
        verifier = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [login]).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {}").format(name))
        attributes = sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION CONNECTION LIMIT 20 PASSWORD {}")
        connection.execute(attributes.format(name, sql.Literal(verifier)))
        for statement in (
            "ALTER ROLE {login} SET default_transaction_read_only = on",
            "ALTER ROLE {login} SET statement_timeout = '30s'",
            "REVOKE CONNECT, TEMPORARY ON DATABASE {database} FROM PUBLIC",
            "GRANT CONNECT ON DATABASE {database} TO {login}",
            "GRANT USAGE ON SCHEMA public TO {login}",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {login}",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {login}",
            "REVOKE EXECUTE ON FUNCTION lo_creat(int), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC",
        ):
            connection.execute(sql.SQL(statement).format(login=name, database=database))


@contextlib.contextmanager
def mongodb_admin(home: Path, state: State):
    """An administrator that exists for the length of a ``with``: its password is drawn here and kept nowhere."""
    users = mongodb_users.Users(home / "databases/mongodb/users.json")
    password = secrets.token_urlsafe(24)
    users.put(ADMIN, "admin", password, [{"role": "root", "db": "admin"}])
    client = mongodb_client(home, state, ADMIN, password)
    try:
        yield client
    finally:
        client.close()
        users.drop(ADMIN, "admin")


def mongodb_client(home: Path, state: State, login: str, password: str) -> pymongo.MongoClient:
    return pymongo.MongoClient(
        "localhost", state.ports["mongodb"], username=login, password=password, authSource="admin", tls=True, tlsCAFile=str(home / "databases/tls/ca.pem"),
        serverSelectionTimeoutMS=10000, directConnection=True,
    )  # fmt: skip


def _mongodb_works(home: Path, state: State, environment: str, login: str, password: str) -> bool:
    with mongodb_client(home, state, login, password) as client:
        try:
            client.admin.command("connectionStatus")
        except pymongo.errors.OperationFailure:
            return False
    return True


def _set_mongodb(client: pymongo.MongoClient, environment: str, login: str, password: str, kind: str) -> None:
    roles = [{"role": "userAdmin", "db": "admin"}] if kind == "admin" else [{"role": "read", "db": f"shop_{environment}"}]
    known = client.admin.command("usersInfo", {"user": login, "db": "admin"})["users"]
    client.admin.command("updateUser" if known else "createUser", login, pwd=password, roles=roles)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.logins")
    parser.add_argument("--home", type=Path, required=True)
    home = parser.parse_args().home
    given = {name: {kind: tuple(login) for kind, login in given.items()} for name, given in json.load(sys.stdin).items()}
    try:
        changed = ensure(home, demo_state.load(home), given)
    except demo_state.DemoError as error:
        sys.exit(f"demo: {error}.")
    print(f"set: {', '.join(changed)}" if changed else "all work already")


if __name__ == "__main__":
    main()
