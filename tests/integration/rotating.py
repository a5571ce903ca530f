# SPDX-License-Identifier: GPL-3.0-or-later
"""rotate.yml on the demo, and what must hold of a credential, during a walk and after it."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from pathlib import Path

import psycopg

from ansible_collections.mcp.tenancy.plugins.module_utils import _credentials
from tests.integration.conftest import REPOSITORY, Demo


def rotate(demo: Demo, *arguments: str) -> subprocess.CompletedProcess:
    return demo.playbook("rotate.yml", *arguments)


def checkout(folder: Path) -> Path:
    """Another control node: a checkout of its own, with nothing but the operator's .env and the team's key."""
    other = folder / "checkout"
    shutil.copytree(REPOSITORY, other, ignore=shutil.ignore_patterns(".git", ".cache", ".venv", ".demo", ".collections"), symlinks=True)
    (other / ".collections/ansible_collections/mcp").mkdir(parents=True)
    (other / ".collections/ansible_collections/mcp/tenancy").symlink_to(other)
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    return other


def started_by_ansible(demo: Demo) -> list[str]:
    """Command lines of what still runs of a playbook, modules on the host too, whose control process may have been killed."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended
            if f"ANSIBLE_HOME={demo.home}/ansible".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().decode(errors="replace"))
    return found


def rotate_elsewhere(demo: Demo, other: Path, *arguments: str) -> subprocess.CompletedProcess:
    """From another control node, after the one before was lost and its lease has run out: what it started on the host no longer writes."""
    deadline = time.monotonic() + 60
    while started_by_ansible(demo):
        assert time.monotonic() < deadline, started_by_ansible(demo)
        time.sleep(0.05)
    path = demo.home / "team/etc/credentials.json"
    store = json.loads(path.read_text())
    store["lease"] = {"holder": "somebody@elsewhere 1 2 3", "fence": store["fence"], "expires": 0}
    path.write_text(json.dumps(store))
    return demo.playbook("rotate.yml", *arguments, checkout=other)


def generations(demo: Demo) -> dict[str, int]:
    return {name: entry["generation"] for name, entry in demo.credentials.items()}


def login(demo: Demo, name: str) -> tuple[str, str]:
    """The login that is active, with its password."""
    entry = demo.credentials[name]
    slot = entry["slots"][entry["active"]]
    return slot["login"], slot["password"]


def connect(demo: Demo, name: str, password: str, environment: str = "dev") -> psycopg.Connection:
    return psycopg.connect(
        host="localhost", port=demo.state["ports"]["postgres"], dbname=f"shop_{environment}", user=name, password=password,
        sslmode="verify-full", sslrootcert=str(demo.home / "databases/tls/ca.pem"), autocommit=True,
    )  # fmt: skip


def assert_that_a_stored_login_works(demo: Demo, name: str) -> None:
    """R1: the one that a service would start with now. Of PostgreSQL."""
    slot = _credentials.in_use(demo.credentials[name])
    connect(demo, slot["login"], slot["password"], name.partition("-")[2]).close()


def assert_at_rest(demo: Demo, name: str, generation: int) -> None:
    """The end of an undisturbed walk: that generation, one login in the store, which services use and which works; the other one does not log in."""
    entry = demo.credentials[name]
    assert (entry["generation"], entry["walk"], len(entry["slots"])) == (generation, None, 1), entry["last"]
    user, environment = login(demo, name)[0], name.partition("-")[2]
    assert_that_a_stored_login_works(demo, name)
    assert json.loads(demo.ask_postgres(environment, "SELECT session_user AS login")) == [{"login": user}]
    other = user[:-1] + ("b" if user.endswith("a") else "a")
    with connect(demo, *login(demo, name), environment) as connection:
        found = connection.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [other]).fetchone()
    assert found in (None, (False,)), f"{other} can still log in"
