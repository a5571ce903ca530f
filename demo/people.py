# SPDX-License-Identifier: GPL-3.0-or-later
"""Alice and Bob, who bring their own database logins through the one gateway: ``python -m demo.people --home DIR``.

Does what a DBA does for them (a login each, rows of their own), writes their client files, and asks both databases the same question as each of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import secrets
import sys
from pathlib import Path

import psycopg
import pymongo
from psycopg import sql

from demo import logins, postgres
from demo import state as demo_state
from demo.state import State
from demo.table import innermost, opened, render, text

READS = {"alice": ["Winter Orchards", "On Bread"], "bob": ["Salt and Timber", "Small Engines", "A History of Doors"]}
DATABASE = "shop_dev"
QUESTION = "SELECT session_user AS login, (SELECT string_agg(title, ', ' ORDER BY title) FROM reading_lists) AS titles"
HEADINGS = ("who asks", "database", "login it runs as", "what that login can read")


def password_of(path: Path) -> str:
    """The one in a client file of an earlier run; else a new one."""
    try:
        entries = json.loads(path.read_text())["mcpServers"]
        return next(iter(entries.values()))["headers"]["X-Database-Password"]
    except (OSError, ValueError, KeyError, StopIteration):
        return secrets.token_urlsafe(24)


def client_file(home: Path, name: str) -> Path:
    return home / f"client-{name}.json"


def write_client_file(home: Path, name: str, password: str) -> dict:
    """The team's entries for people with logins of their own, with this login in them. 0600 from its first byte."""
    given = json.loads((home / "client.json").read_text())["mcpServers"]
    login = {"X-Database-User": name, "X-Database-Password": password}
    entries = {server: {**entry, "headers": {**entry["headers"], **login}} for server, entry in given.items() if server.endswith("-users")}
    path = client_file(home, name)
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump({"mcpServers": entries}, stream, indent=2)
    temporary.replace(path)
    return entries


def set_postgres(state: State, people: dict[str, str]) -> None:
    """One table; row security gives each login its own rows, and the service's shared login none."""
    with postgres.admin(state, DATABASE) as connection, connection.transaction():
        connection.execute("CREATE TABLE IF NOT EXISTS reading_lists (login text NOT NULL, title text NOT NULL, PRIMARY KEY (login, title))")
        connection.execute("ALTER TABLE reading_lists ENABLE ROW LEVEL SECURITY")
        connection.execute("ALTER TABLE reading_lists OWNER TO shop_dev_owner")  # as of the other tables
        connection.execute("DROP POLICY IF EXISTS own ON reading_lists")
        connection.execute("CREATE POLICY own ON reading_lists FOR SELECT USING (login = session_user)")
        for name, password in people.items():
            _login(connection, name, password)
            for title in READS[name]:
                connection.execute("INSERT INTO reading_lists VALUES (%s, %s) ON CONFLICT DO NOTHING", [name, title])


def _login(connection: psycopg.Connection, name: str, password: str) -> None:
    login = sql.Identifier(name)
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone():
        connection.execute(sql.SQL("CREATE ROLE {}").format(login))
    attributes = "ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION CONNECTION LIMIT 20 PASSWORD {}"
    connection.execute(sql.SQL(attributes).format(login, sql.Literal(verifier)))
    connection.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(login))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(DATABASE), login))
    connection.execute(sql.SQL("GRANT SELECT ON reading_lists TO {}").format(login))


def set_mongodb(client: pymongo.MongoClient, people: dict[str, str]) -> None:
    """A database for each."""
    for name, password in people.items():
        known = client.admin.command("usersInfo", {"user": name, "db": "admin"})["users"]
        client.admin.command("updateUser" if known else "createUser", name, pwd=password, roles=[{"role": "read", "db": f"reading_{name}"}])
        for number, title in enumerate(READS[name]):
            client[f"reading_{name}"].titles.replace_one({"_id": number}, {"_id": number, "title": title}, upsert=True)


async def ask(name: str, entries: dict[str, dict]) -> list[tuple[str, ...]]:
    """The same questions for everybody; the answers differ by the login that asks."""
    rows = []
    for server, entry in sorted(entries.items()):
        async with opened(entry) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            if query := next((tool for tool in tools if tool.endswith("-query")), None):
                answer = json.loads(text(await client.call_tool(query, {"sql": QUESTION})))[0]
                rows.append((name, "postgres-dev", answer["login"], answer["titles"]))
            elif find := next((tool for tool in tools if tool.endswith("-find")), None):
                rows.append((name, "mongodb-dev", *await mongodb(client, find)))
            else:
                raise RuntimeError(f"{server} has no tool to ask with")
    return rows


async def mongodb(client: object, find: str) -> tuple[str, str]:
    """Everybody's list is asked for; what this login may not read is left out. Its name is what the server says of its sessions."""
    place, titles = {"connectionId": "preconfigured"}, []
    for owner in READS:
        answer = await client.call_tool(find, {**place, "database": f"reading_{owner}", "collection": "titles"})
        if not answer.is_error:
            titles += re.findall(r'"title":\s*"([^"]+)', text(answer))
    aggregate = find.removesuffix("find") + "aggregate-db"
    sessions = text(await client.call_tool(aggregate, {**place, "database": DATABASE, "pipeline": [{"$listLocalSessions": {}}]}))
    login = re.search(r'"user":\s*"([^"@]+)', sessions)
    return (login.group(1) if login else "?"), ", ".join(sorted(titles))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.people")
    parser.add_argument("--home", type=Path, required=True)
    home = parser.parse_args().home
    state = demo_state.load(home)
    if not state.sandbox:
        print("Left out: this machine gives no sandbox (user namespaces), and without one people's processes are not kept apart.")
        return
    people = {name: password_of(client_file(home, name)) for name in READS}
    set_postgres(state, people)
    if state.mongodb:
        with logins.mongodb_admin(home, state) as client:
            set_mongodb(client, people)
    rows, failed = [], False
    for name, password in people.items():
        try:
            rows += asyncio.run(ask(name, write_client_file(home, name, password)))
        except* Exception as error:
            failed = True
            rows.append((name, "FAILED", "", innermost(error)[:100]))
    print(render(rows, HEADINGS))
    print(f"\nTheir clients' files: {', '.join(str(client_file(home, name)) for name in READS)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
