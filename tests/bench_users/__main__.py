# SPDX-License-Identifier: GPL-3.0-or-later
"""People with logins of their own: first answer, warm call and memory, in processes of their own and dense, against bare server and shared service.

python -m tests.bench_users [--repetitions 5]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration
from tests.bench import usage
from tests.bench_rotation.done import succeeded
from tests.bench_users.bare import bare
from tests.integration.conftest import HOME, Demo, make
from tests.integration.users_bridge import DATABASE, TOKEN, Databases, Person, UsersBridge, is_right, own_database, question, rounds, running, wait_for

#: How many people at a time; dense has them all in one process.
CROWDS = {("postgres", "process"): (1, 8, 30), ("mongodb", "process"): (1, 4, 10), ("postgres", "dense"): (1, 50, 200), ("mongodb", "dense"): (1, 50, 200)}
WARM_CALLS, LOAD_CALLS = 300, 1500
ENGINES = ("postgres", "mongodb")


def timed_call(bridge: UsersBridge, engine: str, person: Person) -> float:
    began = time.perf_counter()
    answer = bridge.rpc("tools/call", person.headers, **question(engine, person))
    seconds = time.perf_counter() - began
    if not is_right(engine, person, answer):
        raise SystemExit(f"bench: a wrong answer: {answer}")
    return seconds


def first_answers(demo: Demo, databases: Databases, engine: str, repetitions: int, folder: Path, users: dict) -> dict[str, float]:
    """Seconds to the first right answer, and MiB after it: the bare server and somebody new at the bridge, in turn."""
    found: dict[str, list[float]] = {"bare": [], "cold": [], "bare MiB": [], "MiB": []}
    with running(demo, engine, folder, {**users, "spares": 0}) as bridge:
        for _ in range(repetitions + 1):  # the first of each warms the page cache
            (person,) = databases.crowd(engine, 1)
            with bare(demo, engine, person) as server:
                found["bare"].append(server.first_answer(question(engine, person)))
                found["cold"].append(timed_call(bridge, engine, person))
                wait_for(lambda: len(bridge.people()) == 1, "whoever came before is gone")
                # while both run: the program's pages, which all share, count for both in the same part
                found["bare MiB"].append(usage.pss([server.pid]))
                found["MiB"].append(bridge.people()[person.login]["memory_kib"] / 1024)
    return {name: statistics.median(values[1:]) for name, values in found.items()}


def from_a_spare(demo: Demo, databases: Databases, engine: str, repetitions: int, folder: Path) -> float:
    """The same where a process waits that has loaded all that it can."""
    found = []
    with running(demo, engine, folder, {"spares": 1}) as bridge:
        for _ in range(repetitions):
            (person,) = databases.crowd(engine, 1)
            wait_for(
                lambda: bridge.status()["users"]["spares"] == 1 and usage.is_idle([one for one in bridge.descendants() if one != bridge.pid()]), "a spare waits"
            )
            found.append(timed_call(bridge, engine, person))
    return statistics.median(found)


@contextmanager
def shared(demo: Demo, engine: str) -> Iterator[UsersBridge]:
    """The service of the demo that has one login for everybody, without `translate`."""
    name = f"{engine}-dev"
    port = json.loads((demo.home / "team/etc/services.json").read_text())["services"][name]["listen"]["port"]
    token = _declaration.bridge_token(demo.env.read()["MCP_BRIDGE_TOKEN"], name)
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as client:
        yield UsersBridge(f"http://127.0.0.1:{port}", Path(), None, client)


def plain(bridge: UsersBridge, engine: str, database: str, headers: list[tuple[str, str]]) -> float:
    """A question that has the same answer for whoever may read the database."""
    arguments = {"sql": "SELECT 1 AS one"} if engine == "postgres" else {"connectionId": "preconfigured", "database": database, "collection": "nothing"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "query" if engine == "postgres" else "find", "arguments": arguments}}
    began = time.perf_counter()
    answer = bridge.client.post(f"{bridge.url}/mcp", json=body, headers=headers, timeout=60).json()
    seconds = time.perf_counter() - began
    if "result" not in answer or answer["result"].get("isError"):
        raise SystemExit(f"bench: not answered: {answer}")
    return seconds


def warm(demo: Demo, databases: Databases, engine: str, folder: Path, users: dict) -> dict[str, float]:
    """Milliseconds of a call, p50, at the shared service and at the one for people, in turn on two open connections."""
    (person,) = databases.crowd(engine, 1)
    found: dict[str, list[float]] = {"shared": [], "own": []}
    with running(demo, engine, folder, users) as bridge, shared(demo, engine) as other:
        own = [("Authorization", f"Bearer {TOKEN}"), *person.headers.items()]
        for _ in range(WARM_CALLS):
            found["shared"].append(plain(other, engine, DATABASE, []))
            found["own"].append(plain(bridge, engine, own_database(person), own))
    return {name: statistics.median(values[10:]) * 1000 for name, values in found.items()}


def crowds(demo: Demo, databases: Databases, engine: str, kind: str, folder: Path) -> list[dict]:
    """For so many people at once: MiB of all that runs for them, calls a second of eight callers."""
    found = []
    for number in CROWDS[engine, kind]:
        users = {"most": max(30, number), "idle_seconds": 3600, **({"dense": True} if kind == "dense" else {})}
        with running(demo, engine, folder / str(number), users) as bridge:
            people = databases.crowd(engine, number)
            for person in people:
                timed_call(bridge, engine, person)
            began = time.perf_counter()
            if wrong := rounds(bridge, people, LOAD_CALLS, 8, engine):
                raise SystemExit(f"bench: {len(wrong)} wrong answers: {wrong[0]}")
            rate = LOAD_CALLS / (time.perf_counter() - began)
            pid = bridge.pid()
            found.append(
                {"people": number, "MiB": usage.pss([one for one in bridge.descendants() if one != pid]), "bridge MiB": usage.pss([pid]), "calls/s": rate}
            )
    return found


COLUMNS = {
    "bare server: first answer, s": lambda one: f"{one['bare']:.2f}",
    "at the bridge, s": lambda one: f"{one['cold']:.2f}",
    "ratio": lambda one: f"{one['cold'] / one['bare']:.2f}",
    "from a spare, s": lambda one: f"{one['spare']:.2f}" if "spare" in one else "",
    "bare MiB": lambda one: f"{one['bare MiB']:.0f}",
    "MiB a person": lambda one: f"{one['MiB']:.0f}",
    "memory, ratio": lambda one: f"{one['MiB'] / one['bare MiB']:.2f}",
    "warm, shared, ms": lambda one: f"{one['shared']:.2f}",
    "warm, own, ms": lambda one: f"{one['own']:.2f}",
    "added, ms": lambda one: f"{one['own'] - one['shared']:+.2f}",
}


def tables(found: dict) -> str:
    lines = [f"| | {' | '.join(COLUMNS)} |", f"| --- |{' ---: |' * len(COLUMNS)}"]
    lines += [f"| {name} | {' | '.join(cell(one) for cell in COLUMNS.values())} |" for name, one in found["single"].items()]
    lines += ["", "| | people at once | MiB of what runs for them | MiB for each one more | the bridge's own MiB | calls/s of 8 callers |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, rows in found["crowds"].items():
        for before, row in zip([None, *rows], rows, strict=False):
            more = "" if before is None else f"{(row['MiB'] - rows[0]['MiB']) / (row['people'] - rows[0]['people']):.2f}"
            lines.append(f"| {name} | {row['people']} | {row['MiB']:.0f} | {more} | {row['bridge MiB']:.0f} | {row['calls/s']:.0f} |")
    return "\n".join(lines)


def measured(demo: Demo, repetitions: int, folder: Path) -> dict:
    databases, found = Databases(demo), {"single": {}, "crowds": {}}
    for engine in ENGINES:
        for kind, users in (("process", {}), ("dense", {"dense": True})):
            name, place = f"{engine}, {kind}", folder / f"{engine}-{kind}"
            one = first_answers(demo, databases, engine, repetitions, place / "first", dict(users))
            if kind == "process":
                one["spare"] = from_a_spare(demo, databases, engine, repetitions, place / "spare")
            found["single"][name] = one | warm(demo, databases, engine, place / "warm", dict(users))
            found["crowds"][name] = crowds(demo, databases, engine, kind, place)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench_users", description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    succeeded(make("demo"))
    demo = Demo(HOME, "")
    try:
        succeeded(demo.deploy("-e", "mcp_wrapper=bridge"))
        with tempfile.TemporaryDirectory(prefix="mcp-bench-") as folder:
            Path(folder).chmod(0o755)
            found = measured(demo, given.repetitions, Path(folder))
    finally:
        make("demo-stop")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2))
    print(tables(found))


if __name__ == "__main__":
    main()
