# SPDX-License-Identifier: GPL-3.0-or-later
"""U1 to U3 with real servers and databases: each request runs as the login that it brings, and as nobody else, whatever happens around it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.integration.users_bridge import TOKEN, WHO, Databases, Person, UsersBridge, as_person, ask_mongodb, own_database, rounds, running, wait_for

ANNA, BORIS = Person("anna"), Person("boris")
GRACE = 1.0


@pytest.fixture(scope="module")
def databases(demo) -> Databases:
    found = Databases(demo)
    found.add_postgres(ANNA, BORIS)
    found.add_mongodb(ANNA, BORIS)
    return found


@pytest.fixture(scope="module")
def bridge(demo, databases, tmp_path_factory) -> Iterator[UsersBridge]:
    with running(demo, "postgres", tmp_path_factory.mktemp("users"), {"most": 8, "grace_seconds": GRACE}) as bridge:
        yield bridge


def test_u2_two_people_with_the_same_ids_at_the_same_time_get_their_own_rows(bridge) -> None:
    assert rounds(bridge, [ANNA, BORIS], 1000, 16) == []
    assert set(bridge.people()) == {"anna", "boris"}


def test_u3_without_a_login_there_is_no_call_also_after_one_with(bridge) -> None:
    as_person(bridge, ANNA)
    for headers in ({}, {"Mcp-Session-Id": "anna", "X-Forwarded-User-Email": "anna"}, {"X-Db-User": "anna"}):
        assert bridge.ask(headers, "SELECT 1")["error"]["code"] == -32007
    assert bridge.rpc("tools/list")["result"]["tools"][0]["name"] == "query", "what there is, is no secret"
    assert bridge.rpc("resources/list")["error"]["code"] == -32601 and bridge.rpc("resources/list", ANNA.headers)["error"]["code"] == -32601


def test_u3_a_wrong_password_is_refused_also_while_the_right_one_is_warm(bridge) -> None:
    as_person(bridge, ANNA)
    for wrong in (Person("anna", ANNA.password[:-1]), Person("anna", ANNA.password + "x"), Person("anna", BORIS.password), Person("Anna", ANNA.password)):
        assert bridge.ask(wrong.headers, "SELECT 1")["error"]["code"] == -32008
    as_person(bridge, ANNA)
    assert not any(person.password in bridge.log + json.dumps(bridge.audit) for person in (ANNA, BORIS))


def test_u3_somebody_elses_session_id_changes_nothing(bridge) -> None:
    as_person(bridge, ANNA)
    answer = bridge.ask({**BORIS.headers, "Mcp-Session-Id": "anna", "X-Mcp-Session-Id": "anna"}, WHO)
    assert json.loads(answer["result"]["content"][0]["text"])[0]["login"] == "boris"


def test_u3_an_sse_stream_is_used_with_the_login_that_opened_it(bridge) -> None:
    own = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.stream("GET", f"{bridge.url}/sse", headers={**own, **ANNA.headers}, timeout=30) as stream:
        lines = stream.iter_lines()
        door = next(line for line in lines if line.startswith("data: ")).removeprefix("data: ")
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "query", "arguments": {"sql": WHO}}}
        for headers in (BORIS.headers, {}):
            assert httpx.post(bridge.url + door, json=body, headers={**own, **headers}, timeout=30).status_code == 404
        assert httpx.post(bridge.url + door, json=body, headers={**own, **ANNA.headers}, timeout=30).status_code == 202
        answer = json.loads(next(line for line in lines if line.startswith("data: ")).removeprefix("data: "))
        assert json.loads(answer["result"]["content"][0]["text"])[0]["login"] == "anna"


@pytest.mark.parametrize("given", [[("X-Database-User", "anna")], [("X-Database-User", "anna"), ("x-database-user", "boris")], [("X_Database_User", "anna")]])
def test_a_request_that_is_not_by_the_rule_is_400_and_goes_nowhere(bridge, given) -> None:
    before = bridge.status()["users"]["started"]
    answer = bridge.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "query", "arguments": {"sql": "SELECT 1"}}}, given)
    assert answer.status_code == 400 and bridge.status()["users"]["started"] == before


def test_a_connection_string_of_this_target_works_and_another_does_not(demo, bridge) -> None:
    port = demo.state["ports"]["postgres"]
    good = f"postgresql://{ANNA.login}:{quote(ANNA.password, safe='')}@localhost:{port}/shop_dev"
    for text in (good, f"{good}?sslmode=verify-full"):
        answer = bridge.ask({"X-Database-Connection-String": text}, WHO)
        assert json.loads(answer["result"]["content"][0]["text"])[0]["login"] == "anna"
    for text in (f"{good}?sslmode=require", good.replace("shop_dev", "shop_prod"), good.replace("localhost", "127.0.0.1"), good + "?options=-c%20x%3Dy"):
        refused = bridge.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, {"X-Database-Connection-String": text})
        assert refused.status_code == 400 and ANNA.password not in refused.text


def test_u1_nobody_connects_to_a_place_that_is_not_the_target(demo, bridge) -> None:
    """Strings that lead to doors where somebody listens: nobody ever comes."""
    came: list = []
    doors = []
    for address in ("127.0.0.1", "127.0.0.2", "::1"):
        door = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        doors.append(door)
        threading.Thread(target=_listen, args=(door, came), daemon=True).start()
    target, chance = f"localhost:{demo.state['ports']['postgres']}", random.Random(1)
    try:
        for _ in range(600):
            door = chance.choice(doors).getsockname()
            evil = f"[{door[0]}]:{door[1]}" if ":" in door[0] else f"{door[0]}:{door[1]}"
            ways = ("{0}", "{1},{0}", "{0},{1}", "{1}@{0}", "{0}#@{1}", "{0}%23@{1}", "{0}/x@{1}")
            place = chance.choice(ways).format(evil, target)
            query = chance.choice(["", f"?host={door[0]}&port={door[1]}", f"?hostaddr={door[0]}", "?sslmode=disable", "?service=x"])
            text = f"postgresql://anna:{chance.choice(['x', ANNA.password])}@{place}/shop_dev{query}"
            assert bridge.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, {"X-Database-Connection-String": text}).status_code == 400, text
        assert came == []
    finally:
        for door in doors:
            door.close()


def _listen(door: socket.socket, came: list) -> None:
    with contextlib.suppress(OSError):
        while True:
            came.append(door.accept())


@pytest.mark.parametrize("password", ["@ : / % ? # ' \" \\ $ é 漢", "=?base64?YQ==?=", " blank at both ends ", "x" * 200, "%40", "-c x=y"], ids=range(6))
def test_a_password_of_odd_characters_works_as_it_is(bridge, databases, password) -> None:
    odd = Person("odd", password)
    databases.add_postgres(odd)
    as_person(bridge, odd)
    answer = bridge.ask(Person("odd", password[:-1] or "x").headers, "SELECT 1")
    assert answer["error"]["code"] == -32008


def test_a_password_that_was_changed_is_found_at_once_by_its_owner_and_soon_by_the_others(bridge, databases) -> None:
    old = Person("carol")
    databases.add_postgres(old)
    as_person(bridge, old)
    new = Person("carol")
    databases.add_postgres(new)
    as_person(bridge, new)  # as soon as the new one is used, the process of the old one ends
    wait_for(lambda: bridge.ask(old.headers, "SELECT 1").get("error", {}).get("code") == -32008, "the old password is refused", 2)
    as_person(bridge, new)
    databases.lock_postgres(new)
    began = time.monotonic()
    wait_for(lambda: bridge.ask(new.headers, "SELECT 1").get("error", {}).get("code") == -32008, "a login that was locked is refused", 10)
    assert time.monotonic() - began < GRACE + 1
    wait_for(lambda: databases.sessions(new) == 0, "and its sessions are gone", 5)


def test_the_login_of_each_call_is_in_the_audit_and_no_password(bridge) -> None:
    as_person(bridge, BORIS)
    bridge.ask({}, "SELECT 1")
    last, none = bridge.audit[-2:]
    assert (last["login"], last["tool"], last["outcome"]) == ("boris", "query", "ok") and none["outcome"] == "no_login" and "login" not in none


def test_the_guard_stands_before_each_login(bridge) -> None:
    refused = bridge.ask(ANNA.headers, "SELECT 1; COMMIT; ALTER ROLE anna PASSWORD 'x'")["result"]
    assert refused["isError"] and "guard" in refused["content"][0]["text"]
    as_person(bridge, ANNA)


def test_whose_processes_there_are_is_told_to_the_bearer_only(bridge) -> None:
    as_person(bridge, ANNA)
    assert httpx.get(f"{bridge.url}/users", timeout=30).status_code == 401
    assert bridge.people()["anna"]["memory_kib"] > 10_000
    metrics = httpx.get(f"{bridge.url}/metrics", timeout=30).text
    assert "mcp_bridge_users_processes" in metrics and "anna" not in metrics + json.dumps(bridge.status())


def test_more_people_than_places_take_turns(bridge, databases) -> None:
    crowd = [Person(f"guest{number}") for number in range(24)]
    databases.add_postgres(*crowd)
    assert rounds(bridge, crowd, 120, 8) == [], bridge.log[-2000:]
    assert bridge.status()["users"]["processes"] <= 8 and bridge.status()["evicted"] > 10


def test_who_finds_no_place_is_told_so_and_nobody_who_works_loses_theirs(demo, databases, tmp_path) -> None:
    slow = "SELECT pg_sleep(4)"
    with running(demo, "postgres", tmp_path, {"most": 1}, limits={"wait_seconds": 1}, guard=False) as bridge:
        answers: list[dict] = []
        working = threading.Thread(target=lambda: answers.append(bridge.ask(ANNA.headers, slow)))
        working.start()
        wait_for(lambda: bridge.people().get("anna", {}).get("calls") == 1, "anna's call is under way")
        told = bridge.ask(BORIS.headers, "SELECT 1")["error"]
        assert told["code"] == -32004 and "try again" in told["message"]
        working.join()
        assert "result" in answers[0]
        as_person(bridge, BORIS)


def test_a_process_that_nobody_calls_ends_by_itself(demo, databases, tmp_path) -> None:
    with running(demo, "postgres", tmp_path, {"idle_seconds": 2}) as bridge:
        as_person(bridge, ANNA)
        assert len(bridge.descendants()) == 3
        wait_for(lambda: bridge.descendants() == {} and databases.sessions(ANNA) == 0, "it has ended", 20)
        assert bridge.people() == {}
        as_person(bridge, ANNA)


@pytest.mark.parametrize("times", range(3))
def test_a_process_that_is_killed_is_replaced_and_nobody_else_notices(bridge, times) -> None:
    as_person(bridge, ANNA)
    as_person(bridge, BORIS)
    inside = [pid for pid, argv in bridge.descendants().items() if "server-postgres" in argv and "--unshare-pid" not in argv]
    os.kill(random.choice(inside), signal.SIGKILL)
    for person in (ANNA, BORIS):
        with contextlib.suppress(AssertionError):  # the one call that was under way, or came in the same moment
            as_person(bridge, person)
        as_person(bridge, person)


def test_a_bridge_that_is_killed_leaves_no_process_and_no_file(demo, databases, tmp_path) -> None:
    people = [Person("dora"), Person("emil")]
    databases.add_postgres(*people)
    with running(demo, "postgres", tmp_path) as bridge:
        for person in people:
            as_person(bridge, person)
        left = set(bridge.descendants())
        assert len(left) == 6
        bridge.stop(signal.SIGKILL)
        wait_for(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_text() for pid in left), "no process is left", 5)
        assert not any(people[0].password in path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())
    wait_for(lambda: not any(databases.sessions(person) for person in people), "and no session", 5)


def _answered(bridge: UsersBridge, person: Person, codes: set) -> bool:
    """Collects the codes of the errors."""
    answer = bridge.ask(person.headers, WHO)
    if "result" in answer and not answer["result"].get("isError"):
        return True
    codes.add(answer.get("error", {}).get("code", "tool error"))
    return False


def test_while_the_database_is_away_nobody_is_told_that_their_password_is_wrong(demo, databases, bridge) -> None:
    as_person(bridge, ANNA)
    pids = [pid for pid, argv in demo.processes().items() if "/postgres" in argv[0] and "-D" in argv]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    codes: set = set()
    # Backends live on for a moment, so the first thing to see is that they are gone.
    wait_for(lambda: not _answered(bridge, ANNA, codes), "the database is away", 10)
    wait_for(lambda: _answered(bridge, ANNA, codes), "and back", 60)
    as_person(bridge, ANNA)
    wait_for(lambda: _answered(bridge, BORIS, codes), "his process, whose connection was cut, is replaced", 10)
    as_person(bridge, BORIS)
    assert -32008 not in codes, codes


def test_mongodb_each_login_has_its_own_process_and_reads_its_own(demo, databases, tmp_path) -> None:
    with running(demo, "mongodb", tmp_path, {"grace_seconds": GRACE}) as bridge:
        for _ in range(3):
            for person, other in ((ANNA, BORIS), (BORIS, ANNA)):
                good, said = ask_mongodb(bridge, person, own_database(person))
                assert good and person.note in said and other.note not in said
                good, said = ask_mongodb(bridge, person, own_database(other))
                assert not good and other.note not in said
        good, said = ask_mongodb(bridge, Person("anna", BORIS.password), own_database(ANNA))
        assert not good and "-32008" in said
        good, said = ask_mongodb(bridge, Person("nobody"), own_database(ANNA))
        assert not good and "-32008" in said
        replaced = Person("anna")
        databases.add_mongodb(replaced)
        assert ask_mongodb(bridge, replaced, own_database(replaced))[0]
        wait_for(lambda: "-32008" in ask_mongodb(bridge, ANNA, own_database(ANNA))[1], "the old password is refused", 5)
        assert set(bridge.people()) == {"anna", "boris"}
    databases.add_mongodb(ANNA)
