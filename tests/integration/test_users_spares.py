# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that are started before anybody needs them: nobody's until somebody comes, and then that person's alone."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.bench import usage
from tests.integration.users_bridge import Databases, Person, UsersBridge, ask_mongodb, own_database, running, wait_for

ANNA, BORIS = Person("anna"), Person("boris")


@pytest.fixture(scope="module")
def databases(demo) -> Databases:
    found = Databases(demo)
    found.add_postgres(ANNA, BORIS)
    found.add_mongodb(ANNA, BORIS)
    return found


def spares(bridge: UsersBridge) -> int:
    return bridge.status()["users"]["spares"]


def servers(bridge: UsersBridge) -> dict[int, str]:
    """Pid → command line of the wrapped servers' own processes, those that wait too."""
    return {pid: line for pid, line in bridge.descendants().items() if "/node" in line.split(" ", 1)[0] and "spare.mjs" in line}


def test_somebody_new_gets_the_one_that_waits_and_another_takes_its_place(demo, databases, tmp_path) -> None:
    with running(demo, "mongodb", tmp_path) as bridge:
        wait_for(lambda: spares(bridge) == 1 and len(servers(bridge)) == 1, "a spare waits")
        (first,) = servers(bridge)
        wait_for(lambda: usage.is_idle(list(servers(bridge))), "it has loaded what it is made of")
        began = time.monotonic()
        good, said = ask_mongodb(bridge, ANNA, own_database(ANNA))
        warm = time.monotonic() - began
        assert good and ANNA.note in said and first in servers(bridge), said
        good, said = ask_mongodb(bridge, ANNA, own_database(BORIS))
        assert not good and BORIS.note not in said, "it is hers alone"
        wait_for(lambda: spares(bridge) == 1 and len(servers(bridge)) == 2, "the next one waits")
        good, said = ask_mongodb(bridge, BORIS, own_database(BORIS))
        assert good and BORIS.note in said
        print(f"first answer from a spare: {warm:.2f} s")
        for pid in servers(bridge):
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            assert not any(person.password.encode() in environment for person in (ANNA, BORIS)), "a login came by a pipe"


def test_spares_that_died_while_they_waited_cost_nobody_a_call(demo, databases, tmp_path) -> None:
    with running(demo, "mongodb", tmp_path, {"spares": 2}) as bridge:
        wait_for(lambda: spares(bridge) == 2, "two wait")
        for pid in servers(bridge):
            os.kill(pid, signal.SIGKILL)
        for person in (ANNA, BORIS):
            good, said = ask_mongodb(bridge, person, own_database(person))
            assert good and person.note in said
        wait_for(lambda: spares(bridge) == 2, "there are two again")


def test_for_postgres_they_are_asked_for(demo, databases, tmp_path) -> None:
    with running(demo, "postgres", tmp_path, {"spares": 1}) as bridge:
        wait_for(lambda: spares(bridge) == 1, "a spare waits")
        for person in (ANNA, BORIS):
            assert bridge.rows(person) == [{"login": person.login, "notes": person.note}]
    with running(demo, "postgres", tmp_path / "none") as bridge:
        assert bridge.rows(ANNA)[0]["login"] == "anna" and spares(bridge) == 0 and servers(bridge) == {}
