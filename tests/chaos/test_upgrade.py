# SPDX-License-Identifier: GPL-3.0-or-later
"""A version of the gateway that harms its database and does not get up: what ran before runs again, with its data whole. On real hosts: Molecule, lifecycle."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _lock_digest
from tests.integration.conftest import Demo, recap
from tests.integration.interruption import everything_answers
from tests.integration.rotating import checkout

#: What a migration that goes wrong does, and a version that then cannot start.
HARM = """
import os, sqlite3
with sqlite3.connect(os.environ["DATABASE_URL"].removeprefix("sqlite:///")) as _database:
    _database.execute("DELETE FROM email_api_tokens")
    _database.execute("ALTER TABLE servers RENAME TO servers_of_a_later_version")
raise SystemExit("this version does not get up")
"""


def installations(demo: Demo) -> list[str]:
    return sorted(path.name for path in (demo.home / "team/lib").glob("gateway-*"))


@pytest.fixture
def broken(demo: Demo, tmp_path: Path) -> Path:
    """A checkout with another lock, which the host has installed: the same packages, so that nobody has to wait for them."""
    other = checkout(tmp_path)
    lock, front = (other / "roles/gateway/files" / name for name in ("requirements.txt", "mcp_gateway_front.py"))
    lock.write_text(lock.read_text() + "# another version\n")
    front.write_text(front.read_text().replace("from __future__ import annotations\n", "from __future__ import annotations\n" + HARM, 1))
    (here,) = (demo.home / "team/lib").glob("gateway-*")
    maker = (here / ".complete").read_text().strip()
    there = here.with_name(_lock_digest.folder({"name": "gateway", "lock": lock.read_text().rstrip("\n")}, maker))
    shutil.copytree(here, there, symlinks=True, copy_function=os.link)
    return other


def rows(demo: Demo) -> dict[str, int]:
    with contextlib.closing(sqlite3.connect(f"file:{demo.home}/team/state/mcp.db?mode=ro", uri=True)) as database:
        tables = ("email_api_tokens", "servers", "gateways", "tools", "email_users", "email_teams", "server_tool_association")
        return {table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


def test_a_version_that_does_not_get_up_goes_back(demo, broken):
    assert everything_answers(demo)
    before, clients = rows(demo), demo.clients
    done = demo.playbook("deploy.yml", checkout=broken)
    assert done.returncode != 0 and recap(done.stdout)["failed"] == 1, done.stdout[-3000:]
    said = " ".join(done.stdout.split())
    assert "did not take over" in said and "runs again, with the database as it was before. Next: " in said, done.stdout[-3000:]
    assert rows(demo) == before and demo.clients == clients and everything_answers(demo)
    assert not (demo.home / "team/before").exists() and (demo.home / "team/state/before-upgrade.db").stat().st_mode & 0o777 == 0o600
    assert recap(demo.deploy().stdout)["failed"] == 0 and len(installations(demo)) == 1, "the next deploy takes away what did not get up"
