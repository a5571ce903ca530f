# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotation under 8 callers against stop, change, start; seconds for each credential; 1, 10 and 100 of them. On the demo's real parts.

python -m tests.bench_rotation [--repetitions 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from ansible_collections.mcp.tenancy.plugins.module_utils import _account_batch, _accounts, _connection_string, _declaration
from demo import logins, postgres
from demo import state as demo_state
from tests.bench_rotation import modules
from tests.bench_rotation.done import succeeded
from tests.bench_users.bare import bare
from tests.integration.conftest import HOME, Demo, make
from tests.integration.load import under_load
from tests.integration.users_bridge import Databases, question

SIZES = (1, 10, 100)
ENGINES = ("postgres", "mongodb")
#: From the module that sets a login to the one that sees it through the gateway, both included.
SET, VERIFIED = "credential_accounts", "gateway_logins"


def rotated(demo: Demo) -> None:
    succeeded(demo.playbook("rotate.yml", "-e", "mcp_rotate=all"))


def stopped_changed_started(demo: Demo) -> None:
    """What is done without rotation: services stopped, passwords changed in place, the .env edited, everything started again."""
    supervisorctl = next(demo.home.glob("team/lib/tools-*/bin/supervisorctl"))
    services = list(demo.credentials)
    succeeded(demo.run(str(supervisorctl), "-c", str(demo.home / "team/etc/supervisord.conf"), "stop", *services))
    values, number = demo.env.read(), time.time_ns()
    for service in services:
        engine, environment = service.split("-")
        port, name = demo.state["ports"][engine], _declaration.credential_key(engine, environment)
        values[name] = _connection_string.render(engine, f"given_{environment}", f"password {number}", "localhost", port, f"shop_{environment}")
    demo.env.write(values)
    succeeded(demo.up(MCP_DEMO_CREDENTIAL="unmanaged"))


def measured(demo: Demo, work: Callable[[Demo], None]) -> dict[str, float]:
    """While 8 callers ask: calls, failed or wrong ones, the longest and the 99th percentile in seconds, and how long the work took."""
    with under_load(demo) as load:
        time.sleep(3)  # a load that is steady before the work begins
        began = time.monotonic()
        work(demo)
        took = time.monotonic() - began
    seconds = sorted(seconds for _began, seconds in load.seconds)
    return {"calls": len(seconds), "failed or wrong": len(load.wrong), "longest": load.longest, "p99": seconds[int(len(seconds) * 0.99)], "whole run": took}


def nothing_and_one(demo: Demo, repetitions: int) -> dict[str, float]:
    """Seconds of rotate.yml with nothing due, and with one credential of each engine."""
    found: dict[str, list[float]] = {"nothing due": [], "postgres-dev": [], "mongodb-dev": []}
    for _ in range(repetitions):
        for name, times in found.items():
            began = time.monotonic()
            succeeded(demo.playbook("rotate.yml", *([] if name == "nothing due" else ["-e", f"mcp_rotate={name}"])))
            times.append(time.monotonic() - began)
    return {name: statistics.median(times) for name, times in found.items()}


def alone(demo: Demo, repetitions: int) -> dict[str, dict[str, float]]:
    """For one credential of each engine, medians in seconds: what modules take beyond being started, and the bare wrapped server to its first answer."""
    nothing, databases, found = modules.that_does_nothing(demo), Databases(demo), {}
    for engine in ENGINES:
        told: dict[str, list[float]] = {"modules": [], "set to verified": [], "reload": [], "server": []}
        for _ in range(repetitions):
            ran = [(name, seconds - nothing) for name, seconds in modules.of_rotation(demo, "-e", f"mcp_rotate={engine}-dev")]
            names = [name for name, _seconds in ran]
            walk = ran[names.index(SET) : names.index(VERIFIED) + 1]
            told["modules"].append(sum(seconds for _name, seconds in ran))
            told["set to verified"].append(sum(seconds for _name, seconds in walk))
            told["reload"].append(sum(seconds for name, seconds in walk if name == "bridge_generations"))
            (person,) = databases.crowd(engine, 1)
            with bare(demo, engine, person) as server:
                told["server"].append(server.first_answer(question(engine, person)))
        found[engine] = {name: statistics.median(values) for name, values in told.items()} | {"count": len(ran), "nothing": nothing}
    return found


def accounts(demo: Demo) -> dict[int, float]:
    """Seconds in which so many credentials get their other login in PostgreSQL, set and proven."""
    state, ca = demo_state.load(demo.home), (demo.home / "databases/tls/ca.pem").read_text()
    admin = {"user": "bench_admin", "password": "only for this bench"}
    place = {"host": "localhost", "port": state.ports["postgres"], "database": "shop_dev", "parameters": {"sslmode": "verify-full"}}
    logins.set_postgres_admin(state, "dev", admin["user"], admin["password"])
    found = {}
    for size in SIZES:
        work = []
        for number in range(size):
            service = {"name": f"postgres-{number}", "engine": "postgres", "environment": "dev", "access": "read_only", "limits": {}, "database": place}
            account = _accounts.account({"mcp_team": "bench"}, {**service, "owner": f"bench_{number}"})
            wanted = {"a": {"password": f"a {number}", "valid_until": None}, "b": None}
            work.append({"account": account, "admin": admin, "ca": ca, "wanted": wanted, "prove": ["a"]})
        checked(_account_batch.work(work))
        for credential in work:
            credential.update(wanted={**credential["wanted"], "b": {"password": "the next one", "valid_until": None}}, prove=["b"])
        began = time.monotonic()
        checked(_account_batch.work(work))
        found[size] = time.monotonic() - began
        with postgres.admin(state, "shop_dev") as connection:
            for number in range(size):
                for role in (f"bench_{number}_a", f"bench_{number}_b", f"bench_{number}"):
                    connection.execute(f"DROP OWNED BY {role}")
                    connection.execute(f"DROP ROLE {role}")
    return found


def checked(results: dict[str, dict]) -> None:
    if wrong := [told["error"] for told in results.values() if told["error"]]:
        raise SystemExit(f"bench: {wrong[0]}")


def tables(under: dict[str, dict], runs: dict[str, float], own: dict[str, dict], sizes: dict[int, float]) -> str:
    lines = [
        "| all four credentials, 8 callers | calls | failed or wrong | longest call, s | p99, s | whole run, s |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in under.items():
        lines.append(f"| {name} | {one['calls']} | {one['failed or wrong']} | {one['longest']:.2f} | {one['p99']:.2f} | {one['whole run']:.1f} |")
    lines += ["", "| rotate.yml, `mcp_wrapper: bridge` | seconds | beyond nothing due |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {seconds:.1f} | {seconds - runs['nothing due']:.1f} |" for name, seconds in runs.items()]
    lines += ["", "| one credential: the modules' own seconds | modules | all | set to verified | the bare server's first answer | set to verified beyond it |"]
    lines.append(f"| --- |{' ---: |' * 5}")
    for name, one in own.items():
        beyond = one["set to verified"] - one["server"]
        lines.append(f"| {name} | {one['count']} | {one['modules']:.2f} | {one['set to verified']:.2f} | {one['server']:.2f} | {beyond:.2f} |")
    lines += ["", "| logins set and proven in PostgreSQL | seconds | each, of one alone |", "| ---: | ---: | ---: |"]
    lines += [f"| {size} | {seconds:.2f} | {seconds / size / sizes[1]:.2f} |" for size, seconds in sizes.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench_rotation", description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    succeeded(make("demo"))
    demo, under = Demo(HOME, ""), {}
    try:
        for wrapper in ("translate", "bridge"):
            succeeded(demo.deploy("-e", f"mcp_wrapper={wrapper}"))
            under[f"rotate.yml, {wrapper}"] = measured(demo, rotated)
        runs, own, sizes = nothing_and_one(demo, given.repetitions), alone(demo, given.repetitions), accounts(demo)
        before = demo.env.read()
        under["stop, change, start (translate)"] = measured(demo, stopped_changed_started)
        demo.env.write(before)
    finally:
        make("demo-stop")
    if given.json:
        given.json.write_text(json.dumps({"under load": under, "runs": runs, "own": own, "sizes": sizes}, indent=2))
    print(tables(under, runs, own, sizes))


if __name__ == "__main__":
    main()
