# SPDX-License-Identifier: GPL-3.0-or-later
"""rotate.yml as a user runs it, on the demo: under load, twice, from an old checkout, against what somebody changed behind our back."""

from __future__ import annotations

import json
import os
import signal

import psycopg
import pytest

from demo import postgres
from demo import state as demo_state
from tests.integration.conftest import BRIDGE, recap
from tests.integration.load import under_load
from tests.integration.rotating import (
    assert_at_rest,
    assert_that_a_stored_login_works,
    checkout,
    connect,
    generations,
    login,
    rotate,
    rotate_elsewhere,
)

#: In CI; at every task, and inside of each: make chaos.
KILLED = [
    "Stage a new password", "Set and try the logins", "Write down which logins work", "Place the host's own encrypted .env",
    "Have each bridge take its login", "Write down which logins are in use", "Write down which logins nobody uses", "End the logins that nobody uses",
]  # fmt: skip


@pytest.fixture(params=["translate", "bridge"])
def wrapper(request, demo) -> str:
    done = demo.deploy("-e", f"mcp_wrapper={request.param}")
    assert done.returncode == 0, done.stdout[-4000:]
    return request.param


def test_r2_no_call_fails_and_none_is_wrong_while_every_credential_is_rotated(demo, wrapper) -> None:
    before, old = generations(demo), {login(demo, f"postgres-{environment}")[0] for environment in ("dev", "prod")}
    with under_load(demo) as load:
        done = rotate(demo, "-e", "mcp_rotate=all")
    assert done.returncode == 0, done.stdout[-4000:]
    assert load.wrong == [] and len(load.seconds) > 50
    assert generations(demo) == {name: generation + 1 for name, generation in before.items()}
    assert load.logins == old | {login(demo, f"postgres-{environment}")[0] for environment in ("dev", "prod")}, "callers saw the old and the new logins"
    print(f"{wrapper}: {len(load.seconds)} calls, longest {load.longest:.2f} s")


def test_the_old_login_is_refused_at_once_and_its_open_sessions_are_gone(demo) -> None:
    name, password = login(demo, "postgres-dev")
    with connect(demo, name, password) as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
        done = rotate(demo, "-e", "mcp_rotate=postgres-dev")
        assert done.returncode == 0, done.stdout[-4000:]
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        connect(demo, name, password)
    new, password = login(demo, "postgres-dev")
    assert new != name and {new, name} == {"mcp_demo_dev_a", "mcp_demo_dev_b"}
    assert json.loads(demo.ask_postgres("dev", "SELECT session_user AS login")) == [{"login": new}]


def test_r5_nothing_due_is_nothing_done_and_only_what_is_asked_for_is_touched(demo) -> None:
    before = generations(demo)
    done = rotate(demo)
    assert done.returncode == 0 and recap(done.stdout)["changed"] == 0, done.stdout[-3000:]
    assert generations(demo) == before
    done = rotate(demo, "-e", "mcp_rotate=mongodb-prod,postgres-prod", "-e", "{mcp_rotation: {batch: 1}}")
    assert done.returncode == 0, done.stdout[-4000:]
    assert {name for name, generation in generations(demo).items() if generation != before[name]} == {"mongodb-prod", "postgres-prod"}
    done = rotate(demo, "-e", "mcp_rotate=postgres-prd")
    assert done.returncode != 0 and "there is no credential postgres-prd. Next: name some of" in done.stdout


def test_check_mode_says_what_would_be_rotated_and_changes_nothing(demo) -> None:
    before = demo.credentials
    done = rotate(demo, "--check", "-e", "mcp_rotate=all")
    assert done.returncode == 0 and recap(done.stdout)["changed"] == 1, done.stdout[-3000:]
    assert demo.credentials == before


def test_s5_a_deploy_after_a_rotation_changes_nothing(demo) -> None:
    assert rotate(demo, "-e", "mcp_rotate=all").returncode == 0
    done = demo.deploy(*BRIDGE)
    assert done.returncode == 0 and recap(done.stdout)["changed"] == 0, done.stdout[-4000:]


def test_s5_an_inventory_that_would_set_an_old_login_is_refused(demo) -> None:
    name, password = login(demo, "postgres-dev")
    assert rotate(demo, "-e", "mcp_rotate=postgres-dev").returncode == 0
    with demo.operator_env(POSTGRES_DEV_CONNECTION_STRING=f"postgresql://{name}:{password}@localhost:{demo.state['ports']['postgres']}/shop_dev"):
        for done in (demo.deploy(*BRIDGE), rotate(demo)):
            assert done.returncode != 0
            assert "POSTGRES_DEV_CONNECTION_STRING would set a login that the store does not know for postgres-dev" in done.stdout
            assert password not in done.stdout


def test_r4_what_a_login_changed_about_itself_is_found_told_and_put_right(demo) -> None:
    name, password = login(demo, "postgres-dev")
    with connect(demo, name, password) as session:
        session.execute("SET default_transaction_read_only = off")
        session.execute(f"ALTER ROLE {name} PASSWORD 'taken over'")
        session.execute(f"ALTER ROLE {name} SET statement_timeout = 0")
        session.execute(f"ALTER ROLE {name} SET default_transaction_read_only = off")
    done = rotate(demo, "-e", "mcp_rotate=postgres-prod")
    assert done.returncode == 0 and not any(line.startswith("postgres-dev") for line in done.stdout.splitlines()), "a run for one looks at no other"
    connect(demo, name, "taken over").close()
    done = rotate(demo)
    assert done.returncode == 0, done.stdout[-4000:]
    row = next(line for line in done.stdout.splitlines() if line.startswith("postgres-dev"))
    assert "put right" in row and "password set" in row and "settings put right" in row, row
    with connect(demo, name, password) as session:
        assert session.execute("SHOW statement_timeout").fetchone() == ("1min",)
    with pytest.raises(psycopg.OperationalError):
        connect(demo, name, "taken over")
    assert recap(rotate(demo).stdout)["changed"] == 0


@pytest.mark.parametrize("task", KILLED)
def test_r3_a_rotation_that_was_killed_is_finished_by_the_next(demo, task) -> None:
    before = generations(demo)["postgres-dev"]
    demo.killed_at(f"TASK [mcp.tenancy.rotation : {task}", "rotate.yml", "-e", "mcp_rotate=postgres-dev", after=0.2)
    assert_that_a_stored_login_works(demo, "postgres-dev")
    begun = demo.credentials["postgres-dev"]["walk"] is not None or generations(demo)["postgres-dev"] > before
    assert begun or task == KILLED[0]
    done = rotate(demo)
    assert done.returncode == 0, done.stdout[-4000:]
    assert_at_rest(demo, "postgres-dev", before + begun)


def test_r3_another_control_node_goes_on_where_one_was_lost(demo, tmp_path) -> None:
    """From another checkout, with nothing but the operator's .env and the team's key, once the lease of the lost node has run out."""
    before = generations(demo)["postgres-dev"]
    demo.killed_at("TASK [mcp.tenancy.rotation : Write down which logins are in use", "rotate.yml", "-e", "mcp_rotate=postgres-dev")
    done = rotate_elsewhere(demo, checkout(tmp_path))
    assert done.returncode == 0, done.stdout[-4000:]
    assert_at_rest(demo, "postgres-dev", before + 1)


def test_a_deploy_in_the_middle_of_a_rotation_undoes_nothing(demo) -> None:
    before, deploys = generations(demo)["postgres-dev"], []
    for step in ("Write down which logins work", "Write down which logins are in use"):
        line = f"TASK [mcp.tenancy.rotation : {step}"
        status, said = demo.disturbed(line, lambda _run: deploys.append(demo.deploy(*BRIDGE)), "rotate.yml", "-e", "mcp_rotate=postgres-dev")
        assert status == 0, said[-4000:]
    assert all(done.returncode == 0 or "Next: " in done.stdout for done in deploys), deploys
    assert_at_rest(demo, "postgres-dev", before + 2)
    assert demo.deploy(*BRIDGE).returncode == 0


def test_an_admin_that_is_refused_stops_before_harm(demo) -> None:
    before = demo.credentials["postgres-dev"]
    name = "POSTGRES_DEV_ADMIN_CONNECTION_STRING"
    with demo.operator_env(**{name: f"postgresql://credential_admin_dev:wrong@localhost:{demo.state['ports']['postgres']}/shop_dev"}):
        done = rotate(demo, "-e", "mcp_rotate=postgres-dev")
    assert done.returncode != 0
    assert "postgres-dev: the admin's login at localhost" in done.stdout and "was refused. Next: correct it in the .env" in done.stdout
    after = demo.credentials["postgres-dev"]
    assert (after["generation"], after["walk"], after["slots"]) == (before["generation"], None, before["slots"])
    assert after["last"]["result"] == "failed"
    assert demo.ask_postgres("dev", "SELECT 1 AS one")
    assert rotate(demo, "-e", "mcp_rotate=postgres-dev").returncode == 0


def test_a_database_that_takes_no_writes_stops_before_harm(demo) -> None:
    before = generations(demo)
    with postgres.admin(demo_state.load(demo.home)) as connection:
        connection.execute("ALTER ROLE credential_admin_dev SET default_transaction_read_only = on")
        try:
            done = rotate(demo, "-e", "mcp_rotate=postgres-dev")
        finally:
            connection.execute("ALTER ROLE credential_admin_dev RESET default_transaction_read_only")
    assert done.returncode != 0 and "read-only transaction" in done.stdout and "name the primary server" in done.stdout
    assert generations(demo) == before and demo.ask_postgres("dev", "SELECT 1 AS one")


def test_a_store_that_cannot_be_written_stops_before_anything(demo) -> None:
    before, folder = demo.credentials, demo.home / "team/etc"
    folder.chmod(0o500)
    try:
        done = rotate(demo, "-e", "mcp_rotate=postgres-dev")
    finally:
        folder.chmod(0o700)
    assert done.returncode != 0 and "credentials.json cannot be written: Permission denied. Next: make room or correct" in done.stdout
    assert demo.credentials == before


def test_a_gateway_through_which_nothing_is_seen_makes_it_go_back(demo) -> None:
    """The key that tokens are signed with is another one for this run, so the gateway refuses to tell as whom the services run."""
    before = demo.credentials["postgres-dev"]
    with demo.operator_env(JWT_SECRET_KEY="x" * 64):
        done = rotate(demo, "-e", "mcp_rotate=postgres-dev")
    assert done.returncode != 0 and "postgres-dev: demo: not seen through the gateway:" in done.stdout, done.stdout[-3000:]
    after = demo.credentials["postgres-dev"]
    assert (after["generation"], after["walk"], after["slots"]) == (before["generation"], None, before["slots"])
    assert json.loads(demo.ask_postgres("dev", "SELECT session_user AS login")) == [{"login": login(demo, "postgres-dev")[0]}]
    assert rotate(demo, "-e", "mcp_rotate=postgres-dev").returncode == 0, "and the next run gets there"


def test_a_host_that_cannot_be_reached_stops_before_a_database_hears_of_it(demo, tmp_path) -> None:
    """A second host of the team, where nobody listens."""
    (tmp_path / "hosts.yml").write_text("all: {hosts: {demo2: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}}}\n")
    before = demo.credentials
    done = rotate(demo, "-i", str(tmp_path), "-e", "mcp_rotate=postgres-dev")
    assert done.returncode != 0, done.stdout[-3000:]
    assert "postgres-dev: demo2 has no copy of what is staged, so no database was told: cannot be reached. Next: see to that host" in done.stdout, done.stdout[
        -3000:
    ]
    after = demo.credentials["postgres-dev"]
    assert (after["generation"], after["walk"], after["slots"]) == (before["postgres-dev"]["generation"], None, before["postgres-dev"]["slots"])
    done = rotate(demo, "-i", str(tmp_path), "--limit", "demo", "-e", "mcp_rotate=postgres-dev")
    assert done.returncode != 0 and "demo2 would keep logins that are ended: a rotation needs all hosts of the team. Next: " in done.stdout, done.stdout[-3000:]
    assert rotate(demo, "-e", "mcp_rotate=postgres-dev").returncode == 0


def test_status_shows_a_row_for_each_service_and_ends_with_an_error_when_something_needs_somebody(demo) -> None:
    done = demo.playbook("status.yml")
    assert done.returncode == 0, done.stdout[-3000:]
    row = next(line for line in done.stdout.splitlines() if " postgres-dev " in line)
    name, entry = login(demo, "postgres-dev")[0], demo.credentials["postgres-dev"]
    assert all(part in row.split() for part in ("ok", name, entry["active"], str(entry["generation"]), "29d", "rotated")), row
    assert '"service": "gateway"' in demo.playbook("status.yml", "-e", "mcp_status=json").stdout
    bridge = next(pid for pid, argv in demo.processes().items() if " ".join(argv).endswith("mcp_bridge --manifest " + argv[-2] + " postgres-dev"))
    os.kill(bridge, signal.SIGSTOP)
    try:
        done = demo.playbook("status.yml")
    finally:
        os.kill(bridge, signal.SIGCONT)
    assert done.returncode != 0 and "postgres-dev does not answer" in done.stdout and "Something needs somebody" in done.stdout, done.stdout[-3000:]


def test_r3_two_rotations_at_once_one_of_them_is_refused(demo) -> None:
    store = json.loads((demo.home / "team/etc/credentials.json").read_text())
    held = {**store, "fence": store["fence"] + 1, "lease": {"holder": "somebody@elsewhere 1 2 3", "fence": store["fence"] + 1, "expires": 4102444800}}
    (demo.home / "team/etc/credentials.json").write_text(json.dumps(held))
    done = rotate(demo, "-e", "mcp_rotate=all")
    assert done.returncode != 0 and "are being changed by somebody@elsewhere" in done.stdout and "Next: wait" in done.stdout
    assert json.loads((demo.home / "team/etc/credentials.json").read_text()) == held
    (demo.home / "team/etc/credentials.json").write_text(json.dumps(store))
    assert rotate(demo).returncode == 0
