# SPDX-License-Identifier: GPL-3.0-or-later
"""rotate.yml as a user runs it, on the demo: under load, twice, from an old checkout, against what somebody changed behind our back."""

from __future__ import annotations

import json
import subprocess

import psycopg
import pytest

from tests.integration.conftest import recap
from tests.integration.load import under_load

#: The wrapper that all tests after the first one leave as it is: it starts faster.
BRIDGE = ("-e", "mcp_wrapper=bridge")


def rotate(demo, *arguments: str) -> subprocess.CompletedProcess:
    return demo.playbook("rotate.yml", *arguments)


@pytest.fixture(params=["translate", "bridge"])
def wrapper(request, demo) -> str:
    done = demo.deploy("-e", f"mcp_wrapper={request.param}")
    assert done.returncode == 0, done.stdout[-4000:]
    return request.param


def generations(demo) -> dict[str, int]:
    return {name: entry["generation"] for name, entry in demo.credentials.items()}


def login(demo, name: str) -> tuple[str, str]:
    entry = demo.credentials[name]
    slot = entry["slots"][entry["active"]]
    return slot["login"], slot["password"]


def connect(demo, name: str, password: str, environment: str = "dev") -> psycopg.Connection:
    return psycopg.connect(
        host="localhost", port=demo.state["ports"]["postgres"], dbname=f"shop_{environment}", user=name, password=password,
        sslmode="verify-full", sslrootcert=str(demo.home / "databases/tls/ca.pem"), autocommit=True,
    )  # fmt: skip


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
    done = rotate(demo, "-e", "mcp_rotate=mongodb-prod,postgres-prod")
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
    done = rotate(demo)
    assert done.returncode == 0, done.stdout[-4000:]
    row = next(line for line in done.stdout.splitlines() if line.startswith("postgres-dev"))
    assert "put right" in row and "password set" in row and "settings put right" in row, row
    with connect(demo, name, password) as session:
        assert session.execute("SHOW statement_timeout").fetchone() == ("1min",)
    with pytest.raises(psycopg.OperationalError):
        connect(demo, name, "taken over")
    assert recap(rotate(demo).stdout)["changed"] == 0


def test_r3_a_rotation_that_was_killed_is_finished_by_the_next(demo) -> None:
    for task in ("Set and try the logins", "Have each bridge take its login", "Write down which logins are in use", "End the logins that nobody uses"):
        before = generations(demo)["postgres-dev"]
        demo.killed_at(f"TASK [mcp.tenancy.rotation : {task}", "rotate.yml", "-e", "mcp_rotate=postgres-dev")
        assert demo.ask_postgres("dev", "SELECT 1 AS one"), "calls work meanwhile"
        done = rotate(demo)
        assert done.returncode == 0, done.stdout[-4000:]
        entry = demo.credentials["postgres-dev"]
        assert (entry["generation"], entry["walk"], len(entry["slots"])) == (before + 1, None, 1), task
        assert json.loads(demo.ask_postgres("dev", "SELECT session_user AS login")) == [{"login": login(demo, "postgres-dev")[0]}]


def test_an_admin_that_is_refused_stops_before_harm(demo) -> None:
    before = demo.credentials["postgres-dev"]
    name = "POSTGRES_DEV_ADMIN_CONNECTION_STRING"
    with demo.operator_env(**{name: f"postgresql://credential_admin_dev:wrong@localhost:{demo.state['ports']['postgres']}/shop_dev"}):
        done = rotate(demo, "-e", "mcp_rotate=all")
    assert done.returncode != 0
    assert "postgres-dev: the admin's login at localhost" in done.stdout and "was refused. Next: correct it in the .env" in done.stdout
    after = demo.credentials["postgres-dev"]
    assert (after["generation"], after["walk"], after["slots"]) == (before["generation"], None, before["slots"])
    assert after["last"]["result"] == "failed"
    assert demo.ask_postgres("dev", "SELECT 1 AS one")
    assert rotate(demo, "-e", "mcp_rotate=postgres-dev").returncode == 0


def test_r3_two_rotations_at_once_one_of_them_is_refused(demo) -> None:
    store = json.loads((demo.home / "team/etc/credentials.json").read_text())
    held = {**store, "fence": store["fence"] + 1, "lease": {"holder": "somebody@elsewhere 1 2 3", "fence": store["fence"] + 1, "expires": 4102444800}}
    (demo.home / "team/etc/credentials.json").write_text(json.dumps(held))
    done = rotate(demo, "-e", "mcp_rotate=all")
    assert done.returncode != 0 and "are being changed by somebody@elsewhere" in done.stdout and "Next: wait" in done.stdout
    assert json.loads((demo.home / "team/etc/credentials.json").read_text()) == held
    (demo.home / "team/etc/credentials.json").write_text(json.dumps(store))
    assert rotate(demo).returncode == 0
