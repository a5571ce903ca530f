# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is killed comes back without help; what killed everything is healed by `make demo`."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.interruption import everything_answers, interrupt_and_run_again

PROGRAMS = {
    "the gateway": lambda line: "mcp_gateway_front:app" in line and "--app-dir" in line,
    "a bridge": lambda line: "-m mcp_bridge --manifest" in line,
    "a translate": lambda line: "mcpgateway.translate" in line,
    "a relay": lambda line: "-m mcp_bridge.relay" in line and "mcpgateway.translate" not in line,
    "a PostgreSQL server (MCP)": lambda line: "server-postgres/dist" in line,
    "a MongoDB server (MCP)": lambda line: "mongodb-mcp-server/dist" in line,
    "the MongoDB-protocol server": lambda line: "demo.mongodb_server" in line,
    "PostgreSQL": lambda line: "/bin/postgres" in line and " -D " in line,
}


def pids(demo, matches: Callable[[str], bool]) -> list[int]:
    return [pid for pid, argv in demo.processes().items() if matches(" ".join(argv))]


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> object:
    """Ask again and again; the last error is part of the failure."""
    deadline, last = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            if result := condition():
                return result
        except Exception as error:  # any failure of the real system counts as "not yet"
            last = error
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds} s; last: {last!r}"[:2000])


def gone(demo) -> bool:
    assert demo.processes() == {}
    return True


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_is_killed_is_back_and_answers_without_help(demo, program) -> None:
    victims = pids(demo, PROGRAMS[program])
    assert victims, program
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: set(pids(demo, PROGRAMS[program])) - set(victims), 60, f"{program} was started again")
    wait_for(lambda: everything_answers(demo), 120, f"answers after {program} was killed")


def test_a_killed_supervisor_leaves_no_orphan_and_make_demo_heals(demo) -> None:
    for pid in pids(demo, lambda line: "supervisord" in line):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: gone(demo), 20, "no orphan is left")
    done = demo.up()
    assert done.returncode == 0, done.stdout[-4000:]
    assert everything_answers(demo)


def test_kill_of_all_is_healed_by_make_demo(demo) -> None:
    for pid in demo.processes():
        with contextlib.suppress(ProcessLookupError):  # it went with its parent
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: gone(demo), 20, "everything is gone")
    done = demo.up()
    assert done.returncode == 0, done.stdout[-4000:]
    assert everything_answers(demo)


@pytest.mark.parametrize(
    ("how", "moment"),
    [(signal.SIGINT, "TASK [mcp.tenancy.host_tools : Make the team"), (signal.SIGKILL, "TASK [mcp.tenancy.runtime : Keep the services")],
)
def test_interrupted_in_the_middle_and_run_again_gives_the_same_end(demo, how, moment) -> None:
    """Two moments; `make chaos` has them all."""
    interrupt_and_run_again(demo, how, moment)


@contextlib.contextmanager
def another_gateway(demo, folder: Path) -> Iterator[int]:
    """The demo's gateway as it is installed, with a database of its own, and the port that it listens on."""
    started = json.loads((demo.home / "team/etc/services.json").read_text())["services"]["gateway"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(port) if word == str(started["listen"]["port"]) else word for word in started["command"]]
    own = {"DATABASE_URL": f"sqlite:///{folder}/mcp.db", "PORT": str(port), "PATH": os.environ["PATH"], "TMPDIR": str(folder)}
    drawn = {name: secrets.token_urlsafe(36) for name in started["secrets"]}
    with (
        (folder / "log").open("ab") as log,
        subprocess.Popen(command, cwd=folder, env={**started["environment"], **drawn, **own}, stdout=log, stderr=log) as process,
    ):
        try:
            yield port
        finally:
            process.kill()


def tables(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]


def test_a_first_start_of_the_gateway_that_is_cut_off_is_no_harm(demo, tmp_path) -> None:
    """Cut off in the wrong one of its many steps, a database is left with which the gateway never gets up (docs/upstream.md)."""
    with another_gateway(demo, tmp_path):
        wait_for(lambda: tables(tmp_path / "mcp.db") >= 20, 120, "in the middle of it")
    with another_gateway(demo, tmp_path) as port:
        wait_for(lambda: httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200, 120, "it gets up")
    assert "left half made by a first start" in (tmp_path / "log").read_text()
