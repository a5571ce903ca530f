# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's two databases under a supervisor of their own: ``python -m demo.databases up|down|status --home DIR``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pymongo.errors

from ansible_collections.mcp.tenancy.plugins.module_utils import _supervisor
from demo import data, logins, postgres, tls
from demo import state as demo_state
from demo.state import DemoError, State

REPOSITORY = Path(__file__).resolve().parent.parent


def layout(home: Path, state: State) -> _supervisor.Layout:
    supervisord = str(Path(sys.executable).parent / "supervisord")
    return _supervisor.Layout(home / "databases", state.run() / "databases", home / "databases/log", supervisord)


def programs(home: Path, state: State) -> list[dict]:
    """What the supervisor runs."""
    common = {"directory": str(home / "databases"), "environment": {"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"}, "stop_wait_seconds": 20}
    found = [{**common, "name": "postgres", "command": postgres.command(home, state), "stop_signal": "INT", "stop_as_group": "false"}]
    if state.mongodb:
        folder = home / "databases"
        command = [sys.executable, "-m", "demo.mongodb_server", "--port", str(state.ports["mongodb"]), "--data", str(folder / "mongodb")]
        command += ["--tls-cert", str(folder / "tls/server.pem"), "--tls-key", str(folder / "tls/server.key")]
        found.append({**common, "name": "mongodb", "command": command})
    return found


def up(home: Path) -> State:
    """Both run, answer, and hold their data. From nothing, or from wherever an earlier run was cut off."""
    state = demo_state.load(home)
    tls.ensure(home / "databases/tls")
    cluster = home / "databases/postgres/data"
    cluster.parent.mkdir(parents=True, exist_ok=True)
    postgres.ensure_cluster(cluster)
    (home / "databases/mongodb").mkdir(exist_ok=True, mode=0o700)
    if not _supervisor.Control(layout(home, state)).alive():
        for name in ("postgres", "mongodb"):
            demo_state.check_port(name, state.ports[name])
        postgres.remove_stale_lock(cluster)
    _supervisor.ensure_started(programs(home, state), layout(home, state), check=False, seconds=60)
    wait(lambda: postgres.answers(state), "PostgreSQL", home)
    data.load_postgres(state)
    if state.mongodb:
        load_mongodb(home, state)
    else:
        print("MongoDB is left out: its server needs Python 3.13.")
    return state


def load_mongodb(home: Path, state: State) -> None:
    with logins.mongodb_admin(home, state) as client:
        wait(lambda: _pings(client), "the MongoDB-protocol server", home)
        data.load_mongodb(client)


def _pings(client: pymongo.MongoClient) -> bool:
    try:
        return bool(client.admin.command("listDatabases"))
    except pymongo.errors.ServerSelectionTimeoutError:
        return False


def wait(condition: Callable[[], bool], what: str, home: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise DemoError(f"{what} does not answer. Next: look into {home}/databases/log")
        time.sleep(0.1)


def down(home: Path) -> None:
    """No process is left."""
    if (home / "state.json").exists():
        _supervisor.ensure_stopped(layout(home, demo_state.load(home)), check=False, remove=False)


def status(home: Path) -> dict[str, str]:
    """Program → state of the supervisor."""
    control = _supervisor.Control(layout(home, demo_state.load(home)))
    return control.states() if control.alive() else {}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.databases")
    parser.add_argument("what", choices=["up", "down", "status"])
    parser.add_argument("--home", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        done = {"up": up, "down": down, "status": status}[arguments.what](arguments.home)
    except (DemoError, _supervisor.SupervisorError) as error:
        sys.exit(f"demo: {error}.")
    if arguments.what == "up":
        ports = done.ports
        print(f"PostgreSQL on localhost:{ports['postgres']}" + (f", MongoDB-protocol server on localhost:{ports['mongodb']}" if done.mongodb else ""))
    elif arguments.what == "status":
        print("\n".join(f"{name}: {state}" for name, state in done.items()) or "nothing runs")


if __name__ == "__main__":
    main()
