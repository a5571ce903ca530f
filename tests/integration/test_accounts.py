# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts of a credential in a real PostgreSQL and a real MongoDB-protocol server, with an admin that is no superuser.

Another PostgreSQL is tried with MCP_TEST_POSTGRES (conninfo of a superuser, with TLS) and MCP_TEST_POSTGRES_CA (a PEM file).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pymongo
import pymongo.errors
import pymongo.uri_parser
import pytest
from psycopg import sql

from ansible_collections.mcp.tenancy.plugins.module_utils import _account_batch, _accounts, _mongodb, _postgresql
from demo import logins, postgres
from demo import state as demo_state
from tests.integration.conftest import REPOSITORY

UNTIL = "2031-01-01T00:00:00Z"
ODD = "@ : / % ? # ' \" \\ $ é 漢 " + "x" * 170 + " end"
CATALOGUE = (
    "SELECT rolname, rolcanlogin, rolconnlimit, rolvaliduntil, rolconfig FROM pg_roles WHERE rolname LIKE 'acc%' ORDER BY 1",
    "SELECT r.rolname, m.rolname, g.rolname, admin_option FROM pg_auth_members a JOIN pg_roles r ON r.oid = roleid JOIN pg_roles m ON m.oid = member "
    "JOIN pg_roles g ON g.oid = grantor WHERE m.rolname LIKE 'acc%' ORDER BY 1, 2, 3",
    "SELECT relname, relacl::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'app' ORDER BY 1",
    "SELECT defaclrole::regrole::text, defaclacl::text FROM pg_default_acl ORDER BY 1, 2",
    "SELECT datname, datacl::text FROM pg_database WHERE datname = 'accounts'",
)


def wanted(password: str | None) -> dict | None:
    return None if password is None else {"password": password, "valid_until": UNTIL}


class Postgres:
    """A database ``accounts`` with a schema ``app`` whose owner is a role, and an admin that is a member of it and may make roles."""

    def __init__(self, conninfo: dict, ca: str) -> None:
        self.conninfo, self.ca = conninfo, ca
        self.account = _accounts.account(
            {"mcp_team": "t", "mcp_environments": []},
            {
                "name": "postgres-dev", "engine": "postgres", "environment": "dev", "access": "read_only", "limits": {}, "owner": "acc", "schemas": ["app"],
                "database": {"host": conninfo["host"], "port": conninfo["port"], "database": "accounts", "parameters": {"sslmode": "verify-full"}},
            },
        )  # fmt: skip
        self.admin = {"user": "acc_admin", "password": "the admin's " + ODD[:30]}

    def superuser(self, database: str = "accounts") -> psycopg.Connection:
        return psycopg.connect(**{**self.conninfo["superuser"], "dbname": database}, autocommit=True)

    def make(self) -> None:
        self.drop()
        with self.superuser("postgres") as connection:
            connection.execute("CREATE ROLE acc_app NOLOGIN")
            connection.execute("CREATE ROLE acc_admin LOGIN CREATEROLE IN ROLE acc_app")
            verifier = connection.pgconn.encrypt_password(self.admin["password"].encode(), b"acc_admin", b"scram-sha-256").decode()
            connection.execute(sql.SQL("ALTER ROLE acc_admin PASSWORD {}").format(verifier))
            connection.execute("CREATE DATABASE accounts OWNER acc_app")
        with self.superuser() as connection:
            connection.execute("SET ROLE acc_app")
            connection.execute("CREATE SCHEMA app")
            connection.execute("CREATE TABLE app.orders (id serial PRIMARY KEY, what text)")
            connection.execute("INSERT INTO app.orders (what) VALUES ('one'), ('two')")

    def drop(self) -> None:
        with self.superuser("postgres") as connection:
            connection.execute("DROP DATABASE IF EXISTS accounts WITH (FORCE)")
            for (role,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^acc(_|$)' ORDER BY rolname = 'acc_admin', 1").fetchall():
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))

    def accounts(self, **changes: object) -> _postgresql.Accounts:
        return _postgresql.Accounts({**self.account, **changes}, self.admin, self.ca)

    def ensure(self, **slots: str | None) -> list[str]:
        with self.accounts() as accounts:
            changed = accounts.ensure({slot: wanted(password) for slot, password in slots.items()})
            self.warnings = accounts.warnings
            return changed

    def login(self, slot: str, password: str) -> psycopg.Connection:
        place = {"host": self.account["host"], "port": self.account["port"], "dbname": "accounts", "sslmode": "verify-full", "sslrootcert": self.ca}
        return psycopg.connect(user=f"acc_{slot}", password=password, autocommit=True, **place)

    def catalogue(self) -> list[list[tuple]]:
        with self.superuser() as connection:
            return [connection.execute(statement).fetchall() for statement in CATALOGUE]


@pytest.fixture(scope="module")
def server(demo) -> Iterator[Postgres]:
    state = demo_state.load(demo.home)
    ca = os.environ.get("MCP_TEST_POSTGRES_CA", str(demo.home / "databases/tls/ca.pem"))
    given = os.environ.get("MCP_TEST_POSTGRES")
    superuser = psycopg.conninfo.conninfo_to_dict(given) if given else postgres.admin(state).info.get_parameters() | {"user": "postgres"}
    host = superuser["host"] if given else "localhost"
    found = Postgres({"superuser": superuser, "host": host, "port": int(superuser.get("port", 5432))}, ca)
    yield found
    found.drop()


@pytest.fixture
def database(server) -> Postgres:
    server.make()
    return server


def test_a_second_run_changes_nothing_and_both_slots_see_the_same(database) -> None:
    assert database.ensure(a="one", b="two")
    assert database.ensure(a="one", b="two") == []
    for slot, password in (("a", "one"), ("b", "two")):
        with database.login(slot, password) as session:
            assert session.execute("SELECT count(*) FROM app.orders").fetchone() == (2,)
            assert session.execute("SELECT session_user, current_setting('statement_timeout')").fetchone() == (f"acc_{slot}", "1min")


@pytest.mark.parametrize("password", [ODD, "plain", "é" * 60])
def test_s6_any_password_arrives_byte_for_byte(database, password) -> None:
    database.ensure(a=password, b=None)
    database.login("a", password).close()
    assert database.ensure(a=password, b=None) == []
    with database.accounts() as accounts:
        accounts.prove("a", password)


def test_objects_that_are_made_later_are_visible_from_both_slots_alike(database) -> None:
    database.ensure(a="one", b="two")
    with database.superuser() as connection:
        connection.execute("SET ROLE acc_app")
        connection.execute("CREATE TABLE app.later (id int)")
        connection.execute("RESET ROLE")
        connection.execute("CREATE TABLE app.strangers (id int)")
    for slot, password in (("a", "one"), ("b", "two")):
        with database.login(slot, password) as session:
            assert session.execute("SELECT count(*) FROM app.later").fetchone() == (0,)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute("SELECT count(*) FROM app.strangers")
    assert database.ensure(a="one", b="two") == []
    assert any("acc cannot use app.strangers: the admin may not grant it. Next: " in warning for warning in database.warnings), database.warnings


def test_read_only_is_the_grants_and_not_a_setting(database) -> None:
    database.ensure(a="one", b=None)
    with database.login("a", "one") as session:
        session.execute("SET default_transaction_read_only = off")
        for statement in (
            "INSERT INTO app.orders (what) VALUES ('x')", "DELETE FROM app.orders", "CREATE TABLE app.mine (id int)", "CREATE TEMP TABLE mine (id int)",
            "SELECT nextval('app.orders_id_seq')", "TRUNCATE app.orders", "CREATE ROLE other", "ALTER ROLE acc_a SUPERUSER", "SET ROLE acc_app",
        ):  # fmt: skip
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidAuthorizationSpecification)):
                session.execute(statement)


def test_a_login_that_can_write_is_not_proven(database) -> None:
    database.ensure(a="one", b=None)
    with database.superuser() as connection:
        connection.execute("GRANT DELETE ON app.orders TO acc_a")
    with database.accounts() as accounts, pytest.raises(_accounts.AccountError, match=r"acc_a can write to app\.orders although its access is read_only"):
        accounts.prove("a", "one")
    with database.superuser() as connection:
        connection.execute("REVOKE DELETE ON app.orders FROM acc_a")
        connection.execute("GRANT CREATE ON SCHEMA app TO PUBLIC")
    with database.accounts() as accounts, pytest.raises(_accounts.AccountError, match="can create tables in the schema app"):
        accounts.prove("a", "one")


def test_read_write_writes_data_and_makes_nothing(database) -> None:
    with database.accounts(access="read_write") as accounts:
        assert accounts.ensure({"a": wanted("one"), "b": None})
        assert accounts.ensure({"a": wanted("one"), "b": None}) == []
        accounts.prove("a", "one")
    with database.login("a", "one") as session:
        session.execute("INSERT INTO app.orders (what) VALUES ('three')")
        session.execute("DELETE FROM app.orders WHERE what = 'one'")
        for statement in ("CREATE TABLE app.mine (id int)", "TRUNCATE app.orders", "DROP TABLE app.orders"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(statement)
    assert any("writing to app.orders taken away" in change for change in database.ensure(a="one", b=None)), "and read_only again takes it away"


def test_r4_what_was_changed_behind_our_back_is_found_and_put_right(database) -> None:
    database.ensure(a="one", b=None)
    with database.login("a", "one") as session:
        session.execute("SET default_transaction_read_only = off")
        session.execute("ALTER ROLE acc_a PASSWORD 'another'")
        session.execute("ALTER ROLE acc_a SET statement_timeout = 0")
        session.execute("ALTER ROLE acc_a SET work_mem = '1GB'")
    with database.superuser() as connection:
        connection.execute("ALTER ROLE acc_a CONNECTION LIMIT -1 VALID UNTIL 'infinity' CREATEDB NOINHERIT")
        connection.execute("ALTER ROLE acc_a IN DATABASE accounts SET work_mem = '2GB'")
        connection.execute("CREATE ROLE acc_club; GRANT acc_club TO acc_a; ALTER ROLE acc LOGIN")
        connection.execute("SET ROLE acc_admin; REVOKE acc FROM acc_a; RESET ROLE")
    changed = " / ".join(database.ensure(a="one", b=None))
    for part in ("password set", "settings put right", "connection limit set", "valid until", "INHERIT put back", "member of acc", "login taken"):
        assert part in changed, (part, changed)
    assert database.ensure(a="one", b=None) == []
    # From PostgreSQL 16 on nobody may take away what they do not have themselves.
    assert "NOCREATEDB put back" in changed or any("acc_a is CREATEDB, and the admin may not" in warning for warning in database.warnings)
    with database.login("a", "one") as session:
        assert session.execute("SELECT current_setting('work_mem'), count(*) FROM app.orders").fetchone() == ("4MB", 2)


def test_a_login_that_ends_is_refused_at_once_and_its_sessions_are_gone(database) -> None:
    database.ensure(a="one", b="two")
    with database.login("a", "one") as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
        assert any("open session(s) ended" in change for change in database.ensure(a=None, b="two"))
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        database.login("a", "one")
    database.login("b", "two").close()
    assert database.ensure(a=None, b="two") == []


def test_ten_rotations_leave_the_catalogue_as_it_was(database) -> None:
    database.ensure(a="0", b=None)
    database.ensure(a=None, b="1")
    database.ensure(a="2", b=None)
    before = database.catalogue()
    for number in range(10):
        new, old = ("b", "a") if number % 2 == 0 else ("a", "b")
        database.ensure(**{new: f"password {number}", old: f"password {number - 1}" if number else "2"})
        database.ensure(**{new: f"password {number}", old: None})
    assert database.catalogue() == before


def test_a_check_changes_nothing_and_says_what_would_be(database) -> None:
    with database.accounts() as accounts:
        predicted = accounts.ensure({"a": wanted("one"), "b": None}, check=True)
    before = database.catalogue()
    assert before[0] == [row for row in before[0] if row[0] in ("acc_admin", "acc_app")], "nothing was made"
    assert predicted == database.ensure(a="one", b=None)


def refused(account: dict, admin: dict, ca: str) -> str:
    """What the batch says of a credential that does not go well; no secret is in it."""
    credential = {"account": account, "admin": admin, "ca": Path(ca).read_text(), "wanted": {"a": wanted("hunter2")}, "prove": []}
    error = _account_batch.work([credential])[account["service"]]["error"]
    assert "hunter2" not in error and "Next: " in error, error
    return error


def test_why_it_did_not_go_well_is_told_with_the_next_step(database, demo, tmp_path) -> None:
    account, admin, ca = database.account, database.admin, database.ca
    assert "the admin's login" in refused(account, {**admin, "password": "hunter2"}, ca)
    assert "cannot be reached" in refused({**account, "port": 1}, admin, ca)
    assert "names a database or a role that is not there" in refused({**account, "database": "nowhere"}, admin, ca)
    assert "has no schema nothing" in refused({**account, "schemas": ["nothing"]}, admin, ca)
    other = tmp_path / "other"
    other.mkdir()
    from demo import tls

    tls.ensure(other)
    assert "certificate" in refused(account, admin, str(other / "ca.pem"))
    with database.superuser("postgres") as connection:
        connection.execute("ALTER DATABASE accounts SET default_transaction_read_only = on")
    assert "read-only transaction" in refused(account, admin, ca) and "name the primary" in refused(account, admin, ca)
    with database.superuser("postgres") as connection:
        connection.execute("ALTER DATABASE accounts RESET default_transaction_read_only; ALTER ROLE acc_admin NOCREATEROLE")
    assert "give the admin what docs/operations.md names" in refused(account, admin, ca)


def test_the_servers_log_never_has_a_clear_password(database, demo) -> None:
    database.ensure(a="a-canary-of-this-test", b=None)
    log = b"".join(path.read_bytes() for path in (demo.home / "databases/log").iterdir())
    assert b"ALTER ROLE" in log and b"a-canary-of-this-test" not in log


class Mongo:
    """A database ``accounts`` and an admin with userAdmin: at the demo's server, or at the one that MCP_TEST_MONGODB names.

    MCP_TEST_MONGODB is the connection string of a root login, MCP_TEST_MONGODB_CA the file of its CA.
    """

    def __init__(self, demo) -> None:
        self.home, self.state, self._root = demo.home, demo_state.load(demo.home), os.environ.get("MCP_TEST_MONGODB", "")
        self.ca = os.environ.get("MCP_TEST_MONGODB_CA", str(demo.home / "databases/tls/ca.pem"))
        self.admin = {"user": "acc_admin", "password": ODD}
        host, port = pymongo.uri_parser.parse_uri(self._root)["nodelist"][0] if self._root else ("localhost", self.state.ports["mongodb"])
        place = {"host": host, "port": port, "database": "accounts", "parameters": {"authSource": "admin", "tls": "true"}}
        service = {"name": "mongodb-dev", "engine": "mongodb", "environment": "dev", "access": "read_only", "limits": {}, "owner": "acc", "database": place}
        self.account = _accounts.account({"mcp_team": "t"}, service)

    def ensure(self, **slots: str | None) -> list[str]:
        with _mongodb.Accounts(self.account, self.admin, self.ca) as accounts:
            return accounts.ensure({slot: wanted(password) for slot, password in slots.items()})

    @contextlib.contextmanager
    def root(self) -> Iterator[pymongo.MongoClient]:
        if not self._root:
            with logins.mongodb_admin(self.home, self.state) as client:
                yield client
            return
        with pymongo.MongoClient(self._root, tls=True, tlsCAFile=self.ca, authSource="admin", directConnection=True) as client:
            yield client

    def login(self, name: str, password: str) -> pymongo.MongoClient:
        place = {"host": self.account["host"], "port": self.account["port"], "tls": True, "tlsCAFile": self.ca, "directConnection": True}
        return pymongo.MongoClient(**place, username=name, password=password, authSource="admin", serverSelectionTimeoutMS=10000)


@pytest.fixture
def mongodb(demo) -> Iterator[Mongo]:
    found = Mongo(demo)
    with found.root() as client:
        client.admin.command("createUser", "acc_admin", pwd=ODD, roles=[{"role": "userAdmin", "db": "admin"}])
        client["accounts"]["orders"].insert_one({"what": "one"})
    yield found
    with found.root() as client:
        client.drop_database("accounts")
        for name in ("acc_admin", "acc_a", "acc_b"):
            if client.admin.command("usersInfo", {"user": name, "db": "admin"})["users"]:
                client.admin.command("dropUser", name)


def test_mongodb_makes_proves_puts_right_and_ends(mongodb) -> None:
    assert mongodb.ensure(a=ODD, b=None) == ["acc_a: user made"] and mongodb.ensure(a=ODD, b=None) == []
    with _mongodb.Accounts(mongodb.account, None, mongodb.ca) as accounts:
        accounts.prove("a", ODD)
        with pytest.raises(_accounts.AccountError, match="was refused"):
            accounts.prove("a", "hunter2")
    with mongodb.root() as admin:
        admin.admin.command("updateUser", "acc_a", pwd="another", roles=[{"role": "readWrite", "db": "accounts"}])
    with _mongodb.Accounts(mongodb.account, None, mongodb.ca) as accounts, pytest.raises(_accounts.AccountError, match="can write to accounts"):
        accounts.prove("a", "another")
    assert mongodb.ensure(a=ODD, b=None) == ["acc_a: roles put right, password set"]
    with mongodb.login("acc_a", ODD) as session:
        assert session["accounts"]["orders"].count_documents({}) == 1
        assert mongodb.ensure(a=None, b="two") == ["acc_a: user dropped", "acc_b: user made"]
        with pytest.raises(pymongo.errors.OperationFailure):
            session["accounts"]["orders"].count_documents({})
    with mongodb.login("acc_a", ODD) as session, pytest.raises(pymongo.errors.OperationFailure):
        session["accounts"]["orders"].count_documents({})
    assert mongodb.ensure(a=None, b="two") == []


def test_mongodb_why_it_did_not_go_well_is_told_with_the_next_step(mongodb, demo, tmp_path) -> None:
    account, admin, ca = mongodb.account, mongodb.admin, mongodb.ca
    assert "the admin's login" in refused(account, {**admin, "password": "hunter2"}, ca)
    assert "over TLS only" in refused({**account, "parameters": {"authSource": "admin", "tls": "false"}}, admin, ca)
    with mongodb.root() as client:
        client.admin.command("updateUser", "acc_admin", roles=[{"role": "read", "db": "accounts"}])
    assert "give the admin userAdmin at admin" in refused(account, admin, ca)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ({"createUser": "x", "roles": []}, "Must provide a 'pwd'"),
        ({"createUser": "x", "pwd": "", "roles": []}, "must not be empty"),
        ({"createUser": "x", "pwd": "p", "roles": [{"role": "nonsense", "db": "admin"}]}, "Could not find role"),
        ({"updateUser": "acc_admin"}, "at least one field"),
        ({"updateUser": "nobody", "pwd": "p"}, "Could not find user"),
    ],
)
def test_the_test_server_refuses_what_mongod_refuses(mongodb, command, says) -> None:
    with mongodb.login("acc_admin", ODD) as client, pytest.raises(pymongo.errors.OperationFailure, match=says):
        client.admin.command(command)


def test_the_modules_are_idempotent_check_first_and_tell_no_password(database, mongodb, demo, tmp_path) -> None:
    """As tasks of a playbook, with -vvv."""
    slots = {"a": {"password": "hunter2-canary", "valid_until": UNTIL}, "b": None}
    common = {"login_host": "localhost", "database": "accounts", "owner": "acc", "slots": slots, "prove": ["a"]}
    engines = {
        "postgresql_account": {**common, "login_port": database.account["port"], "schemas": ["app"], "ca": database.ca, **_admin(database)},
        "mongodb_account": {**common, "login_port": mongodb.account["port"], "ca": mongodb.ca, **_admin(mongodb)},
    }
    tasks = []
    for name, options in engines.items():
        for check, changed in ((True, True), (False, True), (False, False), (True, False)):
            tasks.append({f"mcp.tenancy.{name}": options, "check_mode": check, "register": "done"})
            tasks.append({"ansible.builtin.assert": {"that": f"done.changed == {changed} and (done.changes | length > 0) == {changed}"}})
        wrong = {**options, "login_password": "hunter2-canary"}
        tasks.append({f"mcp.tenancy.{name}": wrong, "register": "done", "ignore_errors": True})
        tasks.append({"ansible.builtin.assert": {"that": "done.failed and 'was refused. Next: ' in done.msg"}})
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "tasks": tasks,
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    tmp_path.chmod(0o755)
    environment = {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")}
    done = subprocess.run(
        [REPOSITORY / ".venv/bin/ansible-playbook", tmp_path / "play.yml", "-vvv", "-i", "localhost,"],
        env={**os.environ, **environment}, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    assert "hunter2-canary" not in done.stdout + done.stderr


def _admin(server: Postgres | Mongo) -> dict[str, str]:
    return {"login_user": server.admin["user"], "login_password": server.admin["password"]}
