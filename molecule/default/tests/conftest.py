# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of this scenario share: the operator's files, and the login in them."""

from __future__ import annotations

import io
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from dotenv import dotenv_values

CONTROL = Path(__file__).resolve().parents[3] / ".cache" / "molecule-default"


@dataclass(frozen=True)
class Login:
    user: str
    password: str = field(repr=False)
    host: str
    port: int
    database: str


@pytest.fixture(scope="session")
def control() -> Path:
    """The operator's folder on the control node."""
    return CONTROL


@pytest.fixture(scope="session")
def operator_env() -> dict[str, str]:
    """The operator's .env, decrypted with nothing but ansible-core and python-dotenv."""
    vault = VaultLib([("team_a", VaultSecret((CONTROL / "vault.key").read_bytes().strip()))])
    text = vault.decrypt((CONTROL / ".env").read_bytes()).decode()
    return {name: value or "" for name, value in dotenv_values(stream=io.StringIO(text), interpolate=False).items()}


@pytest.fixture(scope="session")
def login(operator_env) -> Login:
    """The read-only login of team_a's dev database."""
    url = urllib.parse.urlsplit(operator_env["POSTGRES_DEV_CONNECTION_STRING"])
    return Login(url.username, urllib.parse.unquote(url.password), url.hostname, url.port, url.path.lstrip("/"))


@pytest.fixture
def query(host, login):
    """Run SQL on the team's host as that login, over TCP and checked TLS; parameters of the connection can be overridden."""

    def run(sql: str, password: str = login.password, **changes):
        parameters = {"host": login.host, "port": login.port, "dbname": login.database, "user": login.user}
        parameters |= {"sslmode": "verify-full", "sslrootcert": "/etc/team-ca/ca.pem"} | changes
        conninfo = " ".join(f"{name}={value}" for name, value in parameters.items())
        return host.run("env PGPASSWORD=%s psql --no-psqlrc --tuples-only --no-align --command %s %s", password, sql, conninfo)

    return run
