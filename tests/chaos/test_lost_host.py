# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is lost after its credentials were rotated, and restored from a backup of before. On real hosts: Molecule, lifecycle."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import psycopg
import pytest

from tests.integration.conftest import Demo, recap
from tests.integration.interruption import everything_answers
from tests.integration.rotating import rotate

SERVICES = ("postgres-dev", "postgres-prod", "mongodb-dev", "mongodb-prod")


@pytest.fixture
def place(demo: Demo) -> tuple[str, str]:
    """Where backups go, as an option of every playbook."""
    return "-e", f"mcp_backup_directory={demo.home}/control/backups"


def newest(demo: Demo) -> Path:
    return max((demo.home / "control/backups").glob("*.backup"))


def logs_in(demo: Demo, environment: str, slot: dict) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(
            host="localhost", port=demo.state["ports"]["postgres"], dbname=f"shop_{environment}", user=slot["login"], password=slot["password"],
            sslmode="verify-full", sslrootcert=demo.home / "databases/tls/ca.pem", connect_timeout=10,
        ).close()  # fmt: skip
        return True
    return False


def test_s5_a_lost_host_comes_back_with_the_same_clients_and_new_logins(demo, place):
    assert everything_answers(demo)
    clients, before = demo.clients, demo.credentials
    done = demo.playbook("backup.yml", *place)
    assert done.returncode == 0, done.stdout[-3000:]
    text = newest(demo).read_text()
    assert text.startswith("$ANSIBLE_VAULT;1.2;AES256;demo") and newest(demo).stat().st_mode & 0o777 == 0o600
    assert rotate(demo, "-e", "mcp_rotate=all").returncode == 0
    rotated = demo.credentials
    done = demo.playbook("remove.yml", "-e", "mcp_remove=demo")
    assert recap(done.stdout)["failed"] == 0 and not (demo.home / "team").exists() and not (demo.home / "client.json").exists(), done.stdout[-3000:]
    databases = [argv for argv in demo.processes().values() if str(demo.home / "team") in " ".join(argv)]
    assert databases == [], "no process of the team is left"
    done = demo.playbook("restore.yml", *place)
    assert recap(done.stdout)["failed"] == 0, done.stdout[-5000:]
    assert demo.clients == clients and everything_answers(demo), "every token works as it is"
    now = demo.credentials
    assert all(now[name]["generation"] > before[name]["generation"] for name in SERVICES)
    for environment in ("dev", "prod"):
        name = f"postgres-{environment}"
        assert logs_in(demo, environment, now[name]["slots"][now[name]["active"]])
        for slot in (*before[name]["slots"].values(), *rotated[name]["slots"].values()):
            assert not logs_in(demo, environment, slot), "neither of the backup's time nor of after it"
    assert recap(demo.deploy().stdout)["changed"] == 0


def test_a_host_that_lives_keeps_what_is_newer(demo, place):
    assert demo.playbook("backup.yml", *place).returncode == 0
    assert rotate(demo, "-e", "mcp_rotate=postgres-dev").returncode == 0
    rotated = demo.credentials
    done = demo.playbook("restore.yml", *place)
    assert recap(done.stdout)["failed"] == 0, done.stdout[-5000:]
    assert demo.credentials == rotated and everything_answers(demo)
    assert recap(demo.deploy().stdout)["changed"] == 0


def test_what_cannot_be_used_is_refused_before_anything_is_touched(demo, place):
    assert demo.playbook("backup.yml", *place).returncode == 0
    good, running = newest(demo), set(demo.processes())
    damaged = good.with_name("damaged.backup")
    damaged.write_text(good.read_text()[:-200])
    with demo.operator_env(JWT_SECRET_KEY="another one than the tokens were signed with"):
        others = demo.playbook("restore.yml", *place)
    for done in (demo.playbook("restore.yml", *place, "-e", f"mcp_backup={damaged}"), demo.playbook("restore.yml", *place, "-e", "mcp_backup=none"), others):
        assert done.returncode != 0 and "Next: " in done.stdout and recap(done.stdout)["changed"] == 0, done.stdout[-2000:]
    damaged.unlink()
    assert running <= set(demo.processes()) and json.dumps(demo.clients) and everything_answers(demo)
