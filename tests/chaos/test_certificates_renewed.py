# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases' CA and certificates renewed while calls run, and a client certificate; on the demo."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import httpx
import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _database_tls
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _team_env
from demo import postgres
from demo import state as demo_state
from tests.integration.conftest import Demo, recap
from tests.integration.database_tls.authority import Authority
from tests.integration.database_tls.servers import wait_for
from tests.integration.database_tls.test_deploys import same_wrapper
from tests.integration.load import under_load


@pytest.fixture(scope="module")
def renewed() -> Authority:
    """The CA that the demo's databases have from the first test on."""
    return Authority("the demo's next CA")


def bridges(demo: Demo) -> dict[str, dict]:
    """What each says of itself."""
    services = json.loads((demo.home / "team/etc/services.json").read_text())["services"]
    return {name: httpx.get(f"http://127.0.0.1:{one['listen']['port']}/readyz", timeout=60).json() for name, one in services.items() if "bridge" in one}


def test_no_call_fails_while_the_databases_get_another_ca_and_other_certificates(demo, renewed) -> None:
    """Old and new CA together, then the servers' certificates, then the new CA alone; three steps of which each may take as long as it likes."""
    folder = demo.home / "databases/tls"
    ca, old = folder / "ca.pem", (folder / "ca.pem").read_text()
    restarts = {name: one["restarts"] for name, one in bridges(demo).items()}
    with under_load(demo) as load:
        ca.write_text(old + renewed.pem)
        both = demo.deploy(*same_wrapper(demo))
        took = bridges(demo)
        show_new_certificates(demo, renewed)
        ca.write_text(renewed.pem)
        alone = demo.deploy(*same_wrapper(demo))
    for done in (both, alone):
        assert done.returncode == 0 and "failed=0" in done.stdout, done.stdout[-4000:]
    assert load.wrong == [] and len(load.seconds) > 50, load.wrong[:5]
    assert {one["tls"] for one in took.values()} == {_database_tls.digest(old + renewed.pem)}
    now = bridges(demo)
    assert {one["tls"] for one in now.values()} == {_database_tls.digest(renewed.pem)} and {one["status"] for one in now.values()} == {"ready"}
    assert {name: one["restarts"] for name, one in now.items()} == restarts, "taken while they ran"
    again = demo.deploy(*same_wrapper(demo))
    assert recap(again.stdout)["changed"] == 0, again.stdout[-3000:]
    print(f"{len(load.seconds)} calls, longest {load.longest:.2f} s")


def show_new_certificates(demo: Demo, authority: Authority) -> None:
    """As a DBA does it: the files, then the server is told; connections from before go on."""
    folder = demo.home / "databases/tls"
    authority.server().written(folder / "server.pem", folder / "server.key")
    with postgres.admin(demo_state.load(demo.home)) as connection:
        connection.execute("SELECT pg_reload_conf()")
    for pid in (pid for pid, argv in demo.processes().items() if "demo.mongodb_server" in argv):
        os.kill(pid, signal.SIGHUP)
    new = folder / "new-ca.pem"
    new.write_text(authority.pem)
    try:
        for engine in ("postgres", "mongodb"):
            target = _database_tls.Target(engine, "localhost", demo.state["ports"][engine], str(new))
            wait_for(lambda target=target: not _database_tls.look(target).cause, lambda engine=engine: f"{engine} does not show its new certificate")
    finally:
        new.unlink()


def test_a_declared_client_certificate_is_what_the_database_sees_and_goes_when_it_is_taken_out(demo, renewed) -> None:
    folder, own = demo.home / "control", renewed.client("mcp-demo")
    (folder / "client.pem").write_text(own.certificate)
    (folder / "client.key").write_bytes(_team_env.encrypt(own.key.encode(), demo.env.key(), "demo"))
    declared = {
        "host": "localhost", "port": demo.state["ports"]["postgres"], "access": "read_only", "ca": str(demo.home / "databases/tls/ca.pem"),
        "client_certificate": str(folder / "client.pem"), "client_key": str(folder / "client.key"),
    }  # fmt: skip
    done = demo.deploy("-e", json.dumps({"demo_postgres": declared}), *same_wrapper(demo))
    assert done.returncode == 0 and own.key.splitlines()[1] not in done.stdout, done.stdout[-4000:]
    held = Path(demo.state["runtime_directory"]) / "team/postgres-dev/client.pem"
    assert held.read_text() == own.certificate + own.key and held.stat().st_mode & 0o777 == 0o400
    assert demo.ask_postgres("dev", "SELECT 1 AS one")
    with postgres.admin(demo_state.load(demo.home)) as connection:
        seen = connection.execute("SELECT client_dn FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = 'shop_dev'").fetchall()
    assert ("/CN=mcp-demo",) in seen, seen
    in_clear = [path for path in demo.home.rglob("*") if path.is_file() and not path.is_symlink() and own.key.encode() in path.read_bytes()[: 1 << 20]]
    assert in_clear == [], "on no disk"
    done = demo.deploy(*same_wrapper(demo))
    assert done.returncode == 0 and not held.exists(), done.stdout[-3000:]
