# SPDX-License-Identifier: GPL-3.0-or-later
"""What accounts must not leave open, and what they must not say every time."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import psycopg
import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _account_batch, _accounts, _postgresql
from tests.integration.test_accounts import ODD, UNTIL, wanted


def forever(password: str) -> dict:
    return {"password": password, "valid_until": None}


def test_a_login_without_an_end_is_no_change_every_time(database) -> None:
    with database.accounts() as accounts:
        accounts.ensure({"a": wanted("one")})
        assert accounts.ensure({"a": forever("one")}) == ["acc_a: valid until ever"]
        assert accounts.ensure({"a": forever("one")}) == []


def test_read_only_after_read_write_takes_everything_away_later_objects_included(database) -> None:
    with database.accounts(access="read_write") as accounts:
        accounts.ensure({"a": wanted("one")})
    database.ensure(a="one")
    assert database.ensure(a="one") == []
    with database.superuser() as connection:
        connection.execute("SET ROLE acc_app; CREATE TABLE app.later (id serial)")
    with database.login("a", "one") as session:
        session.execute("SET default_transaction_read_only = off")
        for statement in (
            "SELECT nextval('app.orders_id_seq')",
            "INSERT INTO app.later DEFAULT VALUES",
            "DELETE FROM app.later",
            "SELECT nextval('app.later_id_seq')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(statement)


def test_an_owner_role_that_can_do_more_is_put_right(database) -> None:
    """A login may become its owner role with SET ROLE, so what that role can do is what the login can do."""
    database.ensure(a="one")
    with database.superuser() as connection:
        connection.execute("SET ROLE acc_admin; ALTER ROLE acc CREATEROLE; RESET ROLE")
    assert database.ensure(a="one") == ["acc: NOCREATEROLE put back"]
    with database.superuser() as connection:
        connection.execute("ALTER ROLE acc SUPERUSER")
    assert database.ensure(a="one") == []
    assert any("acc is SUPERUSER, and the admin may not take that away" in warning for warning in database.warnings)
    with database.accounts() as accounts, pytest.raises(_accounts.AccountError, match="acc is SUPERUSER"):
        accounts.prove("a", "one")


@pytest.mark.parametrize("option", ["INHERIT FALSE", "ADMIN TRUE"])
def test_how_a_login_is_a_member_is_put_right(database, option) -> None:
    database.ensure(a="one")
    with database.superuser() as connection:
        if connection.info.server_version < 160000:
            pytest.skip("options of memberships are of PostgreSQL 16")
        connection.execute(f"SET ROLE acc_admin; GRANT acc TO acc_a WITH {option}")
    assert database.ensure(a="one") == ["acc_a: membership of acc put right"]
    assert database.ensure(a="one") == []
    with database.accounts() as accounts:
        accounts.prove("a", "one")


def test_what_cannot_be_taken_away_is_a_warning_and_no_change(database) -> None:
    database.ensure(a="one")
    with database.superuser() as connection:
        connection.execute("CREATE ROLE acc_club; GRANT acc_club TO acc_admin WITH ADMIN OPTION; GRANT acc_club TO acc_a")
        connection.execute("ALTER ROLE acc_a SET log_min_messages = 'debug1'")
        connection.execute("CREATE ROLE acc_other; SET ROLE acc_app; GRANT USAGE ON SCHEMA app TO acc_other")
        connection.execute("GRANT DELETE ON app.orders TO acc_other WITH GRANT OPTION; RESET ROLE; SET ROLE acc_other; GRANT DELETE ON app.orders TO acc")
    first, left = database.ensure(a="one"), list(database.warnings)
    second = database.ensure(a="one")
    assert second == [], (first, second)
    old = database.superuser().info.server_version < 160000
    for part in ["log_min_messages", "acc can write to app.orders"] if old else ["log_min_messages", "acc_club", "acc can write to app.orders"]:
        assert any(part in warning for warning in left), (part, left)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("GRANT UPDATE (what) ON app.orders TO acc_a", r"acc_a can write to app\.orders"),
        ("GRANT UPDATE ON app.orders_id_seq TO acc_a", r"acc_a can write to app\.orders_id_seq"),
        ("CREATE VIEW app.seen AS SELECT * FROM app.orders; GRANT INSERT ON app.seen TO acc_a", r"acc_a can write to app\.seen"),
        ("GRANT CREATE ON DATABASE accounts TO acc_a", "can create schemas"),
        ("GRANT TEMPORARY ON DATABASE accounts TO acc_a", "can make temporary tables"),
    ],
)
def test_every_way_to_write_is_seen_by_the_proof(database, given, says) -> None:
    database.ensure(a="one")
    with database.superuser() as connection:
        connection.execute(given)
    with database.accounts() as accounts, pytest.raises(_accounts.AccountError, match=says):
        accounts.prove("a", "one")


def test_a_login_that_is_a_superuser_is_not_proven(database) -> None:
    with database.accounts(access="read_write") as accounts:
        accounts.ensure({"a": wanted("one")})
        with database.superuser() as connection:
            connection.execute("ALTER ROLE acc_a SUPERUSER")
        with pytest.raises(_accounts.AccountError, match="acc_a is SUPERUSER"):
            accounts.prove("a", "one")


def credential(database, **changes: object) -> dict:
    ca = Path(database.ca).read_text()
    return {"account": database.account, "admin": database.admin, "ca": ca, "wanted": {"a": wanted("hunter2"), "b": None}, "prove": ["a"], **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"prove": ["b"]},
        {"wanted": {"a": {"valid_until": UNTIL}}, "prove": []},
        {"wanted": {"a": {"password": "", "valid_until": UNTIL}}, "prove": []},
        {"wanted": {"a": {"password": "hunter2\0", "valid_until": UNTIL}}, "prove": ["a"]},
        {"wanted": {"a": {"password": "hunter2", "valid_until": "hunter time"}}, "prove": []},
        {"ca": "no certificate"},
    ],
)
def test_one_credential_that_is_wrong_stops_no_other(database, changes) -> None:
    other = {**database.account, "service": "other", "owner": "acc_x", "logins": {"a": "acc_x_a", "b": "acc_x_b"}}
    told = _account_batch.work([credential(database, **changes), credential(database, account=other)])
    assert told["other"]["error"] == "" and told["other"]["proven"] == ["a"]
    assert "Next: " in told["postgres-dev"]["error"] and "hunter2" not in str(told), told


def test_many_credentials_of_one_database_do_not_meet(database) -> None:
    with database.superuser() as connection:
        connection.execute("SET ROLE acc_app")
        for number in range(30):
            connection.execute(f"CREATE TABLE app.t{number} (id int)")
    others = [{**database.account, "service": f"s{n}", "owner": f"acc_{n}x", "logins": {"a": f"acc_{n}x_a", "b": f"acc_{n}x_b"}} for n in range(8)]
    told = _account_batch.work([credential(database, account=account) for account in others])
    assert {service: found["error"] for service, found in told.items()} == {f"s{n}": "" for n in range(8)}
    again = _account_batch.work([credential(database, account=account) for account in others])
    assert not any(found["changed"] or found["error"] for found in again.values()), again


def test_a_table_that_goes_meanwhile_is_no_error(database) -> None:
    """As happens in every database with a nightly load. Its tables belong to a role without default privileges, so each run sees them and wants to grant."""
    stop = threading.Event()

    def come_and_go() -> None:
        with database.superuser() as connection:
            while not stop.is_set():
                connection.execute("CREATE TABLE app.passing (id int)")
                connection.execute("DROP TABLE app.passing")

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(40):
            database.ensure(a="one", b=None)
    finally:
        stop.set()
        thread.join()


def test_a_superuser_as_admin_changes_nothing_the_second_time(database) -> None:
    """It reads the verifier, other admins log in; both must know a right password from a wrong one."""
    with database.superuser("postgres") as connection:
        connection.execute("ALTER ROLE acc_admin SUPERUSER")
    for password in ("plain", ODD, "é" * 60, "a\u00a0b"):
        assert database.ensure(a=password)
        assert database.ensure(a=password) == []
    with database.superuser("postgres") as connection:
        connection.execute("ALTER ROLE acc_a PASSWORD 'another'")
    assert database.ensure(a="a\u00a0b") == ["acc_a: password set"]
    database.ensure(a="plain")
    with database.superuser("postgres") as connection:
        connection.execute("ALTER ROLE acc_a PASSWORD 'another'")
    assert database.ensure(a="plain") == ["acc_a: password set"]


def test_no_setting_of_the_environment_reaches_the_server(database, monkeypatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.2")
    assert database.ensure(a="one")


def test_the_log_has_no_clear_password(database) -> None:
    database.ensure(a="a-canary-of-this-test", b="another-canary-of-it")
    log = database.log.read_bytes()
    assert b"ALTER ROLE" in log and b"canary" not in log


def test_a_session_that_does_not_end_is_told(database, monkeypatch) -> None:
    """A stopped process stands for one that waits for its disk."""
    monkeypatch.setattr(_postgresql, "TERMINATE_MILLISECONDS", 200)
    database.ensure(a="one", b="two")
    session = database.login("a", "one")
    pid = stopped(session)
    try:
        with pytest.raises(_accounts.AccountError, match=r"1 of 1 open session\(s\) did not end"):
            database.ensure(a=None)
        with pytest.raises(psycopg.OperationalError):
            database.login("a", "one")
    finally:
        os.kill(pid, signal.SIGCONT)
    database.ensure(a=None)
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")


def stopped(session: psycopg.Connection) -> int:
    (pid,) = session.execute("SELECT pg_backend_pid()").fetchone()
    os.kill(pid, signal.SIGSTOP)
    return pid


@pytest.mark.parametrize(
    "statement", ["GRANT SELECT ON app.orders TO acc_a", "GRANT UPDATE (what) ON app.orders TO acc_a", "GRANT TRUNCATE ON app.orders TO acc"]
)
def test_grants_that_make_the_slots_unlike_or_more_than_declared_are_taken_away(database, statement) -> None:
    database.ensure(a="one", b="two")
    before = database.catalogue()
    with database.superuser() as connection:
        connection.execute(f"SET ROLE acc_app; {statement}")
    assert len(database.ensure(a="one", b="two")) == 1
    assert database.catalogue() == before and database.ensure(a="one", b="two") == []


def test_a_ca_that_is_none_is_told_for_mongodb_as_well(database) -> None:
    account = {**database.account, "engine": "mongodb", "parameters": {"authSource": "admin", "tls": "true"}}
    told = _account_batch.work([credential(database, account=account, ca="no certificate")])["postgres-dev"]
    assert told["error"].startswith(f"localhost:{database.account['port']} has no CA file that can be used. Next: name a PEM file")
