# SPDX-License-Identifier: GPL-3.0-or-later
"""FerretDB over SQLite, with TLS and users. It has users and no roles: whoever logs in may do everything."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pymongo
import pymongo.errors
import pytest

from tests.integration.database_tls.authority import Authority
from tests.integration.users_bridge import free_port, wait_for

ROOT = ("root", secrets.token_urlsafe(18))


@dataclass
class Ferret:
    """One that runs on localhost; ``ca`` is the file of the CA that signed its certificate."""

    port: int
    ca: Path

    def client(self, user: str, password: str) -> pymongo.MongoClient:
        place = {"host": "localhost", "port": self.port, "tls": True, "tlsCAFile": str(self.ca), "directConnection": True}
        return pymongo.MongoClient(**place, username=user, password=password, authSource="admin", serverSelectionTimeoutMS=5000)

    def answers(self) -> bool:
        with self.client(*ROOT) as client:
            try:
                client.admin.command("ping")
            except pymongo.errors.PyMongoError:
                return False
        return True


@pytest.fixture(scope="session")
def ferret(tmp_path_factory) -> Iterator[Ferret]:
    if "MCP_TEST_FERRETDB" not in os.environ:
        pytest.skip("tests/mongodb/run builds FerretDB and says where it is")
    folder, authority = tmp_path_factory.mktemp("ferretdb"), Authority("FerretDB's CA")
    (folder / "ca.pem").write_text(authority.pem)
    authority.server().written(folder / "server.pem", folder / "server.key")
    found = Ferret(free_port(), folder / "ca.pem")
    settings = {
        "HANDLER": "sqlite",
        "SQLITE_URL": f"file:{folder}/",
        "STATE_DIR": str(folder),
        "LISTEN_ADDR": "",  # over TLS only
        "LISTEN_TLS": f"127.0.0.1:{found.port}",
        "LISTEN_TLS_CERT_FILE": str(folder / "server.pem"),
        "LISTEN_TLS_KEY_FILE": str(folder / "server.key"),
        "DEBUG_ADDR": "-",
        "TELEMETRY": "disable",
        "TEST_ENABLE_NEW_AUTH": "true",
        "SETUP_DATABASE": "admin",
        "SETUP_USERNAME": ROOT[0],
        "SETUP_PASSWORD": ROOT[1],
    }
    environment = {"HOME": str(folder), **{f"FERRETDB_{name}": value for name, value in settings.items()}}
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen([os.environ["MCP_TEST_FERRETDB"]], env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    try:
        wait_for(lambda: process.poll() is not None or found.answers(), "FerretDB answers or ends")
        assert process.poll() is None, log.read_text()[-3000:]
        yield found
    finally:
        process.terminate()
        process.wait(20)
