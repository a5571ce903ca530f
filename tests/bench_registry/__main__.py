# SPDX-License-Identifier: GPL-3.0-or-later
"""Registrations at a real gateway: one call of ``gateway_registry`` against a loop of ``ansible.builtin.uri``, 100 and 1,000 of them, in one run.

    python -m tests.bench_registry [--sizes 100,1000] [--loop 100] [--ways each,listed] [--repetitions 3]

Seconds are those of a whole ``ansible-playbook``, its own start included. Each contender has a gateway of its own with an empty database; the upstreams are
one stub on loopback that answers at once, so that nothing but gateway and client is measured. Exit status 1 when an aim is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import machine
from tests.gateway_alone import ADMIN, REPOSITORY, Gateway, Upstreams, gateway

#: At least so many times as fast as the loop.
AIMS = {"create": 6, "no change": 20}
STEPS = ("create", "no change", "one change")
ONE_CALL, EACH, LISTED = "one call", "a request for each", "a request for what the list lacks"
WAYS = {"each": EACH, "listed": LISTED}


def playbook(name: str, folder: Path, **variables: object) -> float:
    """Seconds of one run."""
    given = folder / "variables.json"
    given.touch(mode=0o600)
    given.write_text(json.dumps(variables))
    environment = {**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_LOCALHOST_WARNING": "false"}
    command = [REPOSITORY / ".venv/bin/ansible-playbook", REPOSITORY / "tests/bench_registry" / name, "-e", f"@{given}"]
    began = time.monotonic()
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"{name} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return time.monotonic() - began


def registrations(upstreams: Upstreams, number: int, **more: str) -> list[dict]:
    same = {"transport": "STREAMABLEHTTP", "visibility": "team", **more}
    return [{"name": f"up-{index}", "url": upstreams.url(f"up-{index}"), "description": "as it was", **same} for index in range(number)]


def changed(wanted: list[dict]) -> list[dict]:
    return [{**wanted[0], "description": "changed"}, *wanted[1:]]


def there(own: Gateway, number: int, description: str) -> None:
    """What was measured was really done."""
    with own.client() as client:
        rows = {row["name"]: row["description"] for row in client.list_gateways()}
    if len(rows) != number or rows["up-0"] != description:
        raise SystemExit(f"bench: {len(rows)} registrations of {number}, the first one is {rows.get('up-0')!r}")


def one_call(own: Gateway, upstreams: Upstreams, number: int, repetitions: int, folder: Path) -> Iterator[tuple[str, list[float]]]:
    def run(gateways: list[dict]) -> float:
        return playbook("registry.yml", folder, bench_url=own.url, bench_admin=ADMIN, bench_key=own.key, bench_gateways=gateways)

    run([])  # the team, and warm caches
    wanted = registrations(upstreams, number, team="bench")
    yield "create", [run(wanted)]
    there(own, number, "as it was")
    yield "no change", [run(wanted) for _ in range(repetitions)]
    yield "one change", [run(changed(wanted)), *(seconds for _ in range(repetitions - 1) for seconds in (run(wanted), run(changed(wanted))))]
    there(own, number, "changed")


def loop(own: Gateway, upstreams: Upstreams, number: int, way: str, folder: Path) -> Iterator[tuple[str, list[float]]]:
    with own.client() as client:
        wanted = registrations(upstreams, number, team_id=client.create_team("bench", "")["id"])

    def run(gateways: list[dict], *different: dict) -> float:
        with own.client() as client:  # a token of ours lives for minutes, a loop may take longer
            token = client._bearer()
        return playbook("loop.yml", folder, bench_url=own.url, bench_token=token, bench_way=way, bench_registrations=gateways, bench_changed=different)

    yield "create", [run(wanted)]
    there(own, number, "as it was")
    yield "no change", [run(wanted)]
    yield "one change", [run(wanted, changed(wanted)[0])]
    there(own, number, "changed")


def measure(
    sizes: list[int], looped: list[int], ways: list[str], loop_steps: list[str], repetitions: int, folder: Path, upstreams: Upstreams
) -> dict[tuple[str, int, str], list[float]]:
    figures = {}
    contenders = [(name, size) for size in sorted({*sizes, *looped}) for name in (ONE_CALL, *ways) if size in (sizes if name == ONE_CALL else looped)]
    for name, size in contenders:
        with gateway(folder / f"{name}-{size}".replace(" ", "-")) as own:
            steps = (
                one_call(own, upstreams, size, repetitions, folder)
                if name == ONE_CALL
                else loop(own, upstreams, size, "each" if name == EACH else "listed", folder)
            )
            for step, seconds in steps:
                figures[name, size, step] = seconds
                print(f"{name}, {size}, {step}: {', '.join(f'{one:.1f}' for one in seconds)} s", flush=True)
                if name != ONE_CALL and step == loop_steps[-1]:
                    break
    return figures


def times(figures: dict, size: int, step: str) -> float:
    """How many times as long the loop takes."""
    return figures[EACH, size, step][0] / statistics.median(figures[ONE_CALL, size, step])


def table(figures: dict) -> str:
    lines = ["| registrations | way | create, s | no change, s | one change, s |", "| ---: | --- | ---: | ---: | ---: |"]
    for name, size in dict.fromkeys((name, size) for name, size, _step in figures):
        cells = []
        for step in STEPS:
            if (name, size, step) not in figures:
                cells.append("–")
                continue
            seconds = statistics.median(figures[name, size, step])
            against = (
                f" ({seconds / statistics.median(figures[ONE_CALL, size, step]):.1f} times)" if name != ONE_CALL and (ONE_CALL, size, step) in figures else ""
            )
            cells.append(f"{seconds:.1f}{against}")
        lines.append(f"| {size} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def missed(figures: dict, sizes: list[int], looped: list[int]) -> list[str]:
    """Aims that were not reached."""
    found = [
        f"{size}, {step}: {times(figures, size, step):.1f} times as fast, aim {aim}"
        for size in looped
        if size in sizes
        for step, aim in AIMS.items()
        if times(figures, size, step) < aim
    ]
    small, large = min(sizes), max(sizes)
    for step in STEPS if small < large else ():
        grown = statistics.median(figures[ONE_CALL, large, step]) / statistics.median(figures[ONE_CALL, small, step])
        if grown > large / small:
            found.append(f"{step}: {large} take {grown:.1f} times as long as {small}, more than linear")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench_registry", description=__doc__.splitlines()[0])
    numbers = {"type": lambda text: [int(one) for one in text.split(",")], "metavar": "N,N"}
    parser.add_argument("--sizes", default=[100, 1000], **numbers)
    parser.add_argument("--loop", default=[100], help="how many the loop is measured with; 1,000 take it half an hour", **numbers)
    parser.add_argument("--ways", default=list(WAYS), type=lambda text: text.split(","), help="of the loop: each,listed")
    parser.add_argument("--loop-steps", default=list(STEPS), type=lambda text: text.split(","), help="of create,no change,one change, in this order")
    parser.add_argument("--repetitions", type=int, default=3)
    given = parser.parse_args()
    folder, upstreams = Path(tempfile.mkdtemp(prefix="bench-registry-")), Upstreams()
    before = machine.load()
    try:
        figures = measure(given.sizes, given.loop, [WAYS[way] for way in given.ways], given.loop_steps, given.repetitions, folder, upstreams)
    finally:
        upstreams.close()
        shutil.rmtree(folder)
    print(f"\n{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores ({machine.processor()}), load average before and after: {before} and {machine.load()}\n")
    print(table(figures))
    failed = missed(figures, given.sizes, given.loop if "each" in given.ways else [])
    print("\n".join(["", *(f"MISSED {one}" for one in failed)] if failed else ["", "all aims reached"]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
