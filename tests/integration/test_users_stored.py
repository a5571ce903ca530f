# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins that are stored for people: a client that brings none, the gateway that says who calls, user_credential.yml, rotation."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from demo import logins, postgres
from demo import state as demo_state
from tests.integration.conftest import BRIDGE, recap
from tests.integration.rotating import rotate

ALICE, SERVER = "alice@demo.example", "demo-dev-postgres-users"
NAME = f"postgres-dev/{ALICE}"
WHO = "SELECT session_user AS login, current_user AS role"


def order(demo, do: str, user: str = ALICE, service: str = "postgres-dev", *more: str) -> object:
    return demo.playbook("user_credential.yml", "-e", f"mcp_do={do}", "-e", f"mcp_user={user}", "-e", f"mcp_service={service}", *more)


def without_login(demo, server: str = SERVER) -> tuple[str, dict]:
    """Where alice asks, and her token alone."""
    entry = json.loads((demo.home / "client-alice.json").read_text())["mcpServers"][server]
    return entry["url"], {name: value for name, value in entry["headers"].items() if not name.startswith("X-Database")}


def ask(demo, statement: str = WHO, more: dict | None = None) -> dict:
    url, headers = without_login(demo)
    return demo.rpc(url, {**headers, **(more or {})}, "tools/call", {"name": f"{SERVER}-query", "arguments": {"sql": statement}}).json()


def row(answer: dict) -> dict:
    assert "result" in answer and not answer["result"].get("isError"), answer
    return json.loads(answer["result"]["content"][0]["text"])[0]


def roles(demo) -> set[str]:
    with postgres.admin(demo_state.load(demo.home)) as connection:
        return {name for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'mcp\\_demo\\_dev\\_u\\_%'")}


@pytest.fixture(scope="module")
def stored(demo) -> Iterator[dict]:
    """Alice's login, made by the playbook; gone afterwards."""
    assert demo.deploy(*BRIDGE).returncode == 0
    done = order(demo, "add")
    assert done.returncode == 0, done.stdout[-4000:]
    yield demo.credentials[NAME]
    if NAME in demo.credentials:
        assert order(demo, "remove").returncode == 0


def test_a_client_that_brings_no_login_runs_as_the_stored_one_of_whoever_it_is(demo, stored) -> None:
    told = row(ask(demo))
    assert told["login"] == stored["slots"]["a"]["login"] and told["role"] == told["login"].removesuffix("_a") and "_u_alice_" in told["role"]
    lines = map(json.loads, (demo.home / "team/log/postgres-dev-users/audit.jsonl").read_text().splitlines())
    line = [line for line in lines if line["tool"]][-1]
    assert (line["user"], line["login"], line["tool"], line["outcome"]) == (ALICE, told["login"], "query", "ok")


def test_u3_nobody_gets_another_persons_by_saying_so(demo, stored) -> None:
    forged = {"X-Database-Identity": "alice@demo.example", "X-Forwarded-User-Email": "alice@demo.example", "X-ContextForge-User": "alice"}
    entry = demo.clients[SERVER] if SERVER in demo.clients else next(one for name, one in demo.clients.items() if name.startswith(SERVER))
    assert row(ask(demo, more=forged))["login"] == stored["slots"]["a"]["login"]
    own = json.loads((demo.home / "client-bob.json").read_text())["mcpServers"][SERVER]["headers"]
    answer = demo.rpc(entry["url"], {**entry["headers"], **{name: own[name] for name in own if name.startswith("X-Database")}}, "tools/call",
                      {"name": f"{SERVER}-query", "arguments": {"sql": WHO}}).json()  # fmt: skip
    assert row(answer)["login"] == "bob", "a login that is brought comes before one that is stored"


def test_what_the_login_may_do_is_read_and_no_more(demo, stored) -> None:
    slot = stored["slots"]["a"]
    port = demo.state["ports"]["postgres"]
    place = {"host": "localhost", "port": port, "dbname": "shop_dev", "sslmode": "verify-full", "sslrootcert": str(demo.home / "databases/tls/ca.pem")}
    with psycopg.connect(**place, user=slot["login"], password=slot["password"], autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        assert connection.execute("SELECT count(*) FROM products").fetchone()[0] > 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM products")


def test_rotation_covers_it_and_its_owner_sees_the_next_login_without_doing_anything(demo, stored) -> None:
    before = row(ask(demo))["login"]
    done = rotate(demo, "-e", f"mcp_rotate={NAME}")
    assert done.returncode == 0, done.stdout[-4000:]
    after = row(ask(demo))
    assert after["login"] != before and after["role"] == before[:-2], "another login, the same role"
    done = order(demo, "rotate")
    assert done.returncode == 0 and row(ask(demo))["login"] == before, done.stdout[-3000:]


def test_r5_a_deploy_and_a_rotation_afterwards_change_nothing_and_status_shows_it(demo, stored) -> None:
    assert rotate(demo).returncode == 0  # tables that tests before this one made get their grants
    done = demo.deploy(*BRIDGE)
    assert done.returncode == 0 and recap(done.stdout)["changed"] == 0, done.stdout[-3000:]
    done = rotate(demo)
    assert done.returncode == 0 and recap(done.stdout)["changed"] == 0, done.stdout[-3000:]
    row(ask(demo))
    done = demo.playbook("status.yml")
    line = next(line for line in done.stdout.splitlines() if NAME in line)
    assert "_u_alice_" in line and "29d" in line.split(), line
    assert any(line.split()[:2] == ["demo", "postgres-dev-users"] and ALICE in line and "MiB" in line for line in done.stdout.splitlines()), done.stdout


def test_mistakes_are_told_and_touch_nothing(demo, stored) -> None:
    before = demo.credentials
    for arguments, told in (
        (("add",), "is stored already. Next: rotate or remove it"),
        (("add", "carol@demo.example"), "is no member of dev"),
        (("rotate", ALICE, "postgres-prod"), "is no service that logins are stored for. Next: name one of mongodb-dev, postgres-dev"),
        (("remove", "bob@demo.example"), "there is no stored login postgres-dev/bob@demo.example"),
    ):
        done = order(demo, *arguments)
        assert done.returncode != 0 and told in done.stdout, done.stdout[-2000:]
    assert demo.credentials == before


def test_a_login_that_somebody_gave_is_tried_and_stored_for_mongodb(demo, stored) -> None:
    state, given = demo_state.load(demo.home), demo.home / "given.txt"
    with logins.mongodb_admin(demo.home, state) as client:
        known = client.admin.command("usersInfo", {"user": "given_alice", "db": "admin"})["users"]
        client.admin.command("updateUser" if known else "createUser", "given_alice", pwd="her own", roles=[{"role": "read", "db": "shop_dev"}])
    name = f"mongodb-dev/{ALICE}"
    try:
        for password, told in (("not hers", "was refused. Next: give the right one"), ("her own", "")):
            given.write_text(f"mongodb://given_alice:{password.replace(' ', '%20')}@localhost:{state.ports['mongodb']}/shop_dev\n")
            given.chmod(0o600)
            done = order(demo, "add", ALICE, "mongodb-dev", "-e", f"mcp_login_file={given}")
            assert (done.returncode != 0) is bool(told) and told in done.stdout and password not in done.stdout, done.stdout
        server = "demo-dev-mongodb-users"
        url, headers = without_login(demo, server)
        place = {"connectionId": "preconfigured", "database": "shop_dev", "collection": "reviews"}
        answer = demo.rpc(url, headers, "tools/call", {"name": f"{server}-count", "arguments": place}).json()
        assert not answer["result"].get("isError"), answer
        assert demo.credentials[name]["kind"] == "unmanaged"
    finally:
        given.unlink(missing_ok=True)
        assert order(demo, "remove", ALICE, "mongodb-dev").returncode == 0
    assert name not in demo.credentials


def test_a_template_gives_what_it_gives_and_a_removed_login_is_gone_at_once(demo, stored) -> None:
    assert order(demo, "remove").returncode == 0
    assert NAME not in demo.credentials and roles(demo) == set(), "nothing of it is left in the database"
    answer = json.dumps(ask(demo))
    assert "none is stored for alice@demo.example" in answer
    with postgres.admin(demo_state.load(demo.home), "shop_dev") as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'only_customers'").fetchone():
            connection.execute("CREATE ROLE only_customers NOLOGIN")
        for statement in ("GRANT USAGE ON SCHEMA public TO {}", "GRANT SELECT ON customers TO {}", "GRANT {} TO credential_admin_dev WITH ADMIN OPTION"):
            connection.execute(sql.SQL(statement).format(sql.Identifier("only_customers")))
    users = "{'service_port': demo_state.ports['postgres-dev-users'], 'accepts': ['headers', 'connection_string', 'stored'], 'template': 'only_customers'}"
    template = ("-e", json.dumps({"demo_users": {"postgres": f"{{{{ {users} }}}}", "mongodb": None}}))
    done = order(demo, "add", ALICE, "postgres-dev", *template)
    assert done.returncode == 0, done.stdout[-4000:]
    assert row(ask(demo, "SELECT count(*) > 0 AS some FROM customers")) == {"some": True}
    assert "permission denied" in json.dumps(ask(demo, "SELECT count(*) FROM products"))
    assert order(demo, "remove", ALICE, "postgres-dev", *template).returncode == 0 and roles(demo) == set()
