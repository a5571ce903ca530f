# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation of a declaration and every filter over it, with 1, 10 and 100 environments of four services each, in one run.

    python -m tests.bench_declaration [--sizes 1,10,100] [--repetitions 9] [--profile NAME]

Milliseconds are of CPU, medians of calls in this process, whose order changes from repetition to repetition. Exit status 1 when something grows faster than the
number of environments: compared is what each costs among the most with what each costs among fewer, in one run.
"""

from __future__ import annotations

import argparse
import cProfile
import functools
import gc
import os
import statistics
import sys
import time
from collections.abc import Callable

from ansible_collections.mcp.tenancy.plugins.filter.team import FilterModule
from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _declaration_across, _declaration_check, _manifest
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _team_env
from tests.bench import machine
from tests.bench_declaration import declared

#: Where installed things would lie on a host.
PROGRAMS = {
    **{name: f"/srv/mcp-tenancy/team_a/lib/{name}" for name in ("tools_python", "gateway", "bridge", "gateway_app", "node", "servers", "caddy")},
    "files": {},
}
#: By which each of many may cost more than each of few before it counts: caches and noise. What takes the square of the time has 10 there.
NOISE = 1.5
#: A call is repeated until it took so long, or the clock measures itself.
LEAST = 0.02


def checked(declaration: dict, values: dict[str, str]) -> list:
    """What every playbook does before it touches anything (plugins/plugin_utils/_team_action.py), without files."""
    problems = _declaration_check.of_parts(declaration)
    sound, unsound = _declaration_across.sound(declaration, problems), _declaration_across.unsound(declaration, problems)
    problems += _declaration_across.problems(sound)
    problems += _declaration_across.on_hosts(sound, declared.HOSTS, declared.HOSTS[0])
    return problems + _team_env.problems(values, _declaration.present(sound), ".env", unsound, leaving=_declaration.absent(sound))


def subjects(size: int) -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    team = declared.team(size)
    wrong, values = declared.wrong(team), declared.env(team)
    services, paths, registry, manifest = (
        _declaration.services(team), _declaration.paths(team), FilterModule().filters()["team_registry"](team), _manifest.manifest(team, PROGRAMS),
    )  # fmt: skip
    labels = dict.fromkeys(manifest["services"], "label")
    given = {
        "team_on_host": (team, declared.HOSTS[0]),
        "team_edge": (team, declared.HOSTS[0]),
        "probed_servers": (services, "token"),
        "with_bridge_tokens": (registry["gateways"], team, "token"),
        "team_manifest": (team, PROGRAMS),
        "bridges": (manifest, labels, "token"),
        "supervised_programs": (manifest, labels, "/usr/bin/python3", paths),
        "systemd_units": (manifest, labels, "/usr/bin/python3", paths),
        "unit_prefix": (team["mcp_team"],),
        "firewall_rules": (manifest,),
    }
    found: dict[str, Callable[[], object]] = {
        "validation": lambda: _expected(checked(team, values), 0),
        "validation, mistakes in each": lambda: _expected(checked(wrong, values), 3 * size),
    }
    for name, call in FilterModule().filters().items():
        found[name] = functools.partial(call, *given.get(name, (team,)))
    return found


def _expected(problems: list, least: int) -> None:
    """What is measured really did its work."""
    if len(problems) < least or (least == 0 and problems):
        raise SystemExit(f"bench: {len(problems)} mistakes were told, at least {least} were made: {problems[:3]}")


def milliseconds(call: Callable[[], object]) -> float:
    calls, began = 0, time.process_time()
    while (took := time.process_time() - began) < LEAST or not calls:
        call()
        calls += 1
    return took / calls * 1000


def measure(sizes: list[int], repetitions: int) -> dict[str, dict[int, float]]:
    """Name → size → median."""
    all_of_them = [(name, size, call) for size in sizes for name, call in subjects(size).items()]
    seen: dict[tuple[str, int], list[float]] = {}
    gc.collect()
    gc.freeze()  # what is measured collects its own garbage, and need not look through what the bench has
    for repetition in range(repetitions):
        first = repetition * len(all_of_them) // repetitions
        for name, size, call in (*all_of_them[first:], *all_of_them[:first]):
            seen.setdefault((name, size), []).append(milliseconds(call))
    figures: dict[str, dict[int, float]] = {}
    for name, size, _call in all_of_them:
        figures.setdefault(name, {})[size] = statistics.median(seen[name, size])
    return figures


def table(figures: dict[str, dict[int, float]], sizes: list[int]) -> str:
    small, large = sizes[0], sizes[-1]
    heads = ["", *(f"{size}, ms" for size in sizes), f"{large} against {small}", f"for each of {large}, ms", f"each of {large} against each of {sizes[-2]}"]
    lines = [f"| {' | '.join(heads)} |", f"| --- |{' ---: |' * (len(heads) - 1)}"]
    for name, row in figures.items():
        cells = [*(f"{row[size]:.3g}" for size in sizes), f"{row[large] / row[small]:.1f}", f"{row[large] / large:.3g}", f"{_growth(row, sizes):.2f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _growth(row: dict[int, float], sizes: list[int]) -> float:
    """What an environment costs among the most of them, against what it costs among fewer: 1 is linear."""
    before, large = sizes[-2], sizes[-1]
    return (row[large] / large) / (row[before] / before)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench_declaration", description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default=[1, 10, 100], type=lambda text: [int(one) for one in text.split(",")], metavar="N,N")
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--profile", metavar="NAME", help="show where one of them spends its time with the most environments, and measure nothing")
    given = parser.parse_args()
    if given.profile:
        cProfile.runctx("call()", {"call": subjects(given.sizes[-1])[given.profile]}, {}, sort="cumulative")
        return 0
    before = machine.load()
    figures = measure(given.sizes, given.repetitions)
    print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores ({machine.processor()}), load average before and after: {before} and {machine.load()}\n")
    print(table(figures, given.sizes))
    failed = [name for name, row in figures.items() if _growth(row, given.sizes) > NOISE]
    print(
        "\n".join(
            ["", *(f"MISSED {name}: grows faster than the number of environments" for name in failed)] if failed else ["", "nothing grows faster than linear"]
        )
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
