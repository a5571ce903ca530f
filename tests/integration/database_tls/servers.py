# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL and the MongoDB-protocol server, each with whatever TLS a test wants of it."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg import sql

from demo import mongodb_users, postgres
from demo import state as demo_state
from tests.integration.conftest import REPOSITORY
from tests.integration.database_tls.authority import Authority, Pair

SECONDS = 30
DATABASE, READER, PASSWORD = "shop", "reader", "a password, é @:/%"  # of servers that live for this test
ADMIN = {"user": "keeper", "password": "the keeper's"}


class Server:
    """``certificate`` and ``key`` are the files that it reads; ``port`` where it listens on localhost."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.certificate, self.key, self.clients_ca = folder / "server.pem", folder / "server.key", folder / "clients.pem"

    def use(self, pair: Pair | None, clients: Authority | None = None) -> None:
        """This certificate from now on, or no TLS at all; with ``clients`` nobody gets in without a certificate of that CA. No connection from before stays."""
        if pair is not None:
            pair.written(self.certificate, self.key)
        self.clients_ca.write_text(clients.pem if clients else "")
        self._apply(pair is not None, clients is not None)

    def _apply(self, tls: bool, demanding: bool) -> None:
        raise NotImplementedError


class Postgres(Server):
    """18, of the Python package. What changes is in its files and not in its argv, so that a reload is enough."""

    def __init__(self, home: Path, first: Pair) -> None:
        self._state = demo_state.load(home)
        (home / "databases/postgres").mkdir(parents=True)
        self._data = home / "databases/postgres/data"
        postgres.ensure_cluster(self._data)
        super().__init__(home, self._state.ports["postgres"])
        self._marks = itertools.count(1)
        first.written(self.certificate, self.key)
        self.clients_ca.write_text("")
        self._configure(tls=True, demanding=False)
        command = [part for part in postgres.command(home, self._state) if not part.startswith("ssl")]
        command = [part for part, after in itertools.zip_longest(command, command[1:]) if not (part == "-c" and after in ("-c", None))]
        with (home / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        wait_for(lambda: postgres.answers(self._state), lambda: (home / "postgres.log").read_text()[-2000:])
        with self.superuser("postgres") as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
            for login, secret in LOGINS.items():
                verifier = connection.pgconn.encrypt_password(secret.encode(), login.encode(), b"scram-sha-256").decode()
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}").format(sql.Identifier(login), sql.Literal(verifier)))
            connection.execute(f"ALTER DATABASE {DATABASE} OWNER TO {ADMIN['user']}")
            connection.execute(f"ALTER ROLE {READER} NOCREATEROLE")
        with self.superuser() as connection:
            connection.execute(f"ALTER SCHEMA public OWNER TO {ADMIN['user']}")

    def superuser(self, database: str = DATABASE) -> psycopg.Connection:
        return postgres.admin(self._state, database)

    def _configure(self, *, tls: bool, demanding: bool) -> str:
        mark = f"m{next(self._marks)}"
        settings = {"ssl": "on" if tls else "off", "ssl_cert_file": self.certificate, "ssl_key_file": self.key, "mcp.mark": mark}
        settings |= {"ssl_ca_file": self.clients_ca} if demanding else {}
        (self._data / "postgresql.auto.conf").write_text("".join(f"{name} = '{value}'\n" for name, value in settings.items()))
        certificate = " clientcert=verify-ca" if demanding else ""
        host = f"hostssl all all 127.0.0.1/32 scram-sha-256{certificate}\n" if tls else "hostnossl all all 127.0.0.1/32 scram-sha-256\n"
        (self._data / "pg_hba.conf").write_text("local all postgres trust\n" + host)
        return mark

    def _apply(self, tls: bool, demanding: bool) -> None:
        mark = self._configure(tls=tls, demanding=demanding)
        self._process.send_signal(signal.SIGHUP)
        wait_for(lambda: self._ask("SHOW mcp.mark") == mark, lambda: f"PostgreSQL did not take {mark}")
        self._ask("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename <> 'postgres'")

    def _ask(self, statement: str) -> object:
        with self.superuser() as connection:
            return connection.execute(statement).fetchone()[0]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(SECONDS)


LOGINS = {READER: PASSWORD, ADMIN["user"]: ADMIN["password"]}


class Mongodb(Server):
    """The demo's, started anew for each kind of TLS, with the demo's interpreter."""

    def __init__(self, folder: Path, python: Path, port: int, first: Pair) -> None:
        folder.mkdir()
        super().__init__(folder, port)
        self._python, self._process = python, None
        users = mongodb_users.Users(folder / "users.json")
        users.put(READER, "admin", PASSWORD, [{"role": "read", "db": DATABASE}])
        users.put(ADMIN["user"], "admin", ADMIN["password"], [{"role": "userAdmin", "db": "admin"}])
        self.use(first)

    def _apply(self, tls: bool, demanding: bool) -> None:
        self.stop()
        command = [str(self._python), "-m", "demo.mongodb_server", "--port", str(self.port), "--data", str(self.folder)]
        command += ["--tls-cert", str(self.certificate), "--tls-key", str(self.key)] if tls else []
        command += ["--tls-client-ca", str(self.clients_ca)] if demanding else []
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}
        log = self.folder / "log"
        log.write_text("")
        with log.open("ab") as stream:
            self._process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stderr=stream)
        wait_for(lambda: "listening on" in log.read_text(), log.read_text)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()  # what it has written is in its files
            self._process.wait(SECONDS)


def wait_for(condition: object, otherwise: object) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        with contextlib.suppress(psycopg.Error):
            if condition():
                return
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.02)
