# SPDX-License-Identifier: GPL-3.0-or-later
"""Many logins in one process: the same results as from a process for each, and still nobody sees what is another's."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.users_bridge import Databases, Person, UsersBridge, as_person, ask_mongodb, own_database, rounds, running, wait_for

PEOPLE = [Person(f"dense{number}") for number in range(12)]
ONE, OTHER = PEOPLE[:2]
LARGE = 200_000  # bytes of an answer, for the tests

#: Every kind of value that PostgreSQL's own types have a form for, and every kind of answer that is none.
STATEMENTS = [
    "SELECT 1::int2 AS a, 2::int4 AS b, 3::int8 AS c, 1.50::numeric AS d, 1.5::float4 AS e, 1e300::float8 AS f, 'NaN'::float8 AS g, true AS h, NULL AS i",
    "SELECT 'text' AS a, 'é漢 \U0001f600' AS b, E'\\u2028\\n' AS c, ''::text AS d, 'x'::char(3) AS e, '\\xdeadbeef'::bytea AS f",
    "SELECT '2026-11-24'::date AS a, '2026-11-24 01:02:03.456789'::timestamp AS b, '2026-11-24 01:02:03+05'::timestamptz AS c",
    "SELECT '1 day 02:03'::interval AS a, 'infinity'::timestamp AS b, '[1,5)'::int4range AS c, 1::oid AS d, row(1, 'a') AS e",
    """SELECT '{"a": [1, null]}'::jsonb AS a, '[1, 2.50]'::json AS b, '{1,2,NULL}'::int[] AS c, '{"a b",c}'::text[] AS d, '{{1,2},{3,4}}'::int8[] AS e""",
    "SELECT '10.0.0.1/8'::inet AS a, gen_random_uuid() IS NOT NULL AS b, point(1, 2) AS c, circle(point(0, 0), 3) AS d",
    "SELECT 1 AS same, 2 AS same",
    "SELECT 1 WHERE false",
    "VALUES (1, 'a'), (2, 'b')",
    "EXPLAIN (COSTS OFF) SELECT 1",
    "SHOW server_version_num",
    "WITH a AS (SELECT generate_series(1, 3) AS n) SELECT n FROM a ORDER BY n DESC",
    "SELECT no_such_column",
    "SELECT 1/0",
    "SELECT * FROM no_such_table",
    "SELECT text FROM pg_authid",
]


@pytest.fixture(scope="module")
def databases(demo) -> Databases:
    found = Databases(demo)
    found.add_postgres(*PEOPLE)
    found.add_mongodb(ONE, OTHER)
    return found


@pytest.fixture(scope="module")
def bridge(demo, databases, tmp_path_factory) -> Iterator[UsersBridge]:
    """Without its guard: what the engine does by itself is what is tried."""
    limits = {"max_answer_bytes": LARGE}
    with running(
        demo, "postgres", tmp_path_factory.mktemp("dense"), {"dense": True, "connections": 6, "grace_seconds": 1}, guard=False, limits=limits
    ) as bridge:
        yield bridge


def node(bridge: UsersBridge) -> int:
    """The one process."""
    (found,) = [pid for pid, argv in bridge.descendants().items() if "/dense/" in argv and "--unshare-pid" not in argv]
    return found


def test_twelve_people_over_six_connections_get_their_own_rows(bridge) -> None:
    assert rounds(bridge, PEOPLE, 1000, 24) == []
    assert set(bridge.people()) == {person.login for person in PEOPLE} and node(bridge)


def test_results_and_errors_are_those_of_a_process_for_each(demo, databases, bridge, tmp_path) -> None:
    with running(demo, "postgres", tmp_path, guard=False) as apart:
        for statement in STATEMENTS:
            expected = apart.ask(ONE.headers, statement)
            assert "result" in expected or "error" in expected
            assert bridge.ask(ONE.headers, statement) == expected, statement


def test_a_statement_is_one_and_reads_only(bridge, databases) -> None:
    for statement in ("SELECT 1; SELECT 2", "COMMIT; SELECT 1", "ROLLBACK; DROP TABLE own_notes", "SELECT 1;;COMMIT"):
        assert "error" in bridge.ask(ONE.headers, statement)
    assert "read-only" in bridge.ask(ONE.headers, "CREATE TABLE mine (a int)")["error"]["message"]
    as_person(bridge, ONE)


def test_nothing_of_a_call_is_left_for_the_next_one(bridge) -> None:
    bridge.rows(ONE, "SELECT set_config('app.who', 'mallory', false), set_config('search_path', 'evil', false), pg_advisory_lock(42)")
    for statement in ("COMMIT", "ROLLBACK"):  # even one that ends the transaction around it
        bridge.ask(ONE.headers, statement)
    for person in (ONE, OTHER):
        left = bridge.rows(person, "SELECT current_setting('app.who', true) AS who, current_setting('search_path') AS path")[0]
        assert left["who"] in (None, "") and "evil" not in left["path"]
        assert bridge.rows(person, "SELECT count(*)::int AS locks FROM pg_locks WHERE locktype = 'advisory'") == [{"locks": 0}]


def test_an_answer_that_is_too_large_ends_its_query_only(bridge) -> None:
    as_person(bridge, OTHER)
    before = node(bridge)
    told = bridge.ask(ONE.headers, "SELECT repeat('x', 1000) AS text FROM generate_series(1, 1000000)")["error"]["message"]
    assert f"more than {LARGE} bytes" in told
    as_person(bridge, ONE)
    as_person(bridge, OTHER)
    assert node(bridge) == before


def test_a_slow_query_of_one_keeps_nobody_waiting(bridge) -> None:
    with ThreadPoolExecutor(8) as threads:
        slow = [threads.submit(bridge.ask, ONE.headers, "SELECT pg_sleep(2)") for _ in range(6)]
        wait_for(lambda: bridge.people().get(ONE.login, {}).get("in_flight") == 6, "all are under way")
        assert rounds(bridge, PEOPLE[1:], 100, 8) == []
        assert not all(one.done() for one in slow)
        assert all("result" in one.result() for one in slow)


def test_logins_are_in_no_argv_and_no_environment(bridge) -> None:
    as_person(bridge, ONE)
    for pid in bridge.descendants():
        shown = Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/environ").read_text()
        assert not any(person.password in shown or person.login in shown for person in PEOPLE)
    assert not any(person.password in bridge.log for person in PEOPLE)


def test_a_wrong_and_a_replaced_password_are_refused_and_their_connections_end(bridge, databases) -> None:
    as_person(bridge, ONE)
    assert bridge.ask(Person(ONE.login).headers, "SELECT 1")["error"]["code"] == -32008
    new = Person(ONE.login)
    databases.add_postgres(new)
    as_person(bridge, new)
    wait_for(lambda: bridge.ask(ONE.headers, "SELECT 1").get("error", {}).get("code") == -32008, "the old one is refused", 5)
    databases.lock_postgres(new)
    wait_for(lambda: bridge.ask(new.headers, "SELECT 1").get("error", {}).get("code") == -32008, "a locked login is refused", 5)
    wait_for(lambda: databases.sessions(new) == 0, "and has no session left", 5)
    databases.add_postgres(ONE)
    wait_for(lambda: "result" in bridge.ask(ONE.headers, "SELECT 1"), "it is taken again", 5)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_process_is_killed_and_the_next_calls_are_right(bridge, how) -> None:
    as_person(bridge, ONE)
    before = node(bridge)
    os.kill(before, how)
    for person in PEOPLE:
        wait_for(lambda person=person: "result" in bridge.ask(person.headers, "SELECT 1"), "answered again", 10)
        as_person(bridge, person)
    assert node(bridge) != before


def test_a_connection_that_the_database_ends_is_replaced(bridge, databases) -> None:
    for person in PEOPLE[:4]:
        as_person(bridge, person)
    with databases.admin() as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'dense%'")
    before = node(bridge)
    wait_for(lambda: not any(databases.sessions(person) for person in PEOPLE), "they have ended", 5)
    for person in PEOPLE:
        wait_for(lambda person=person: "result" in bridge.ask(person.headers, "SELECT 1"), "answered again", 5)
        as_person(bridge, person)
    assert node(bridge) == before


def test_who_is_idle_leaves_and_a_bridge_that_is_killed_leaves_nothing(demo, databases, tmp_path) -> None:
    with running(demo, "postgres", tmp_path, {"dense": True, "idle_seconds": 1}) as bridge:
        as_person(bridge, ONE)
        wait_for(lambda: not bridge.people() and not databases.sessions(ONE), "it has left", 15)
        as_person(bridge, ONE)
        left = set(bridge.descendants())
        bridge.stop(signal.SIGKILL)
        wait_for(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_text() for pid in left), "no process is left", 5)


def test_mongodb_each_session_has_its_own_login(demo, databases, tmp_path) -> None:
    with running(demo, "mongodb", tmp_path, {"dense": True, "grace_seconds": 1}) as bridge:
        assert rounds(bridge, [ONE, OTHER], 200, 16, "mongodb") == []
        for person, other in ((ONE, OTHER), (OTHER, ONE)):
            good, said = ask_mongodb(bridge, person, own_database(other))
            assert not good and "not authorized" in said and other.note not in said
        assert "-32008" in ask_mongodb(bridge, Person(ONE.login), own_database(ONE))[1]
        for pid in bridge.descendants():
            shown = Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/environ").read_text()
            assert ONE.password not in shown and OTHER.password not in shown
        assert ONE.password not in bridge.log
        os.kill(node(bridge), signal.SIGKILL)
        for person in (ONE, OTHER):
            wait_for(lambda person=person: ask_mongodb(bridge, person, own_database(person))[0], "answered again", 20)
        replaced = Person(ONE.login)
        databases.add_mongodb(replaced)
        assert ask_mongodb(bridge, replaced, own_database(replaced))[0]
        wait_for(lambda: "-32008" in ask_mongodb(bridge, ONE, own_database(ONE))[1], "the old password is refused", 10)
    databases.add_mongodb(ONE)
