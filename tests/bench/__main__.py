# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.bench``: measure, print the tables, and write them down where asked."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import signal
import sys
from pathlib import Path

from tests.bench import contenders, machine, report
from tests.bench.database import database
from tests.bench.measure import measure

CALLERS = [1, 8, 32]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short repetition: does everything run, roughly how fast is it")
    parser.add_argument(
        "--only", default="", help=f"a comma between names; the bare server is always measured. Names: {', '.join(one.name for one in contenders.ALL)}"
    )
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load")
    parser.add_argument("--json", type=Path, help="every figure of every repetition")
    parser.add_argument("--markdown", type=Path, help="the page whose tables are replaced")
    given = parser.parse_args()
    if given.quick:
        given.repetitions, given.seconds = 1, 1.0
    return given


def chosen(only: str) -> list[contenders.Contender]:
    names = {name.strip() for name in only.split(",") if name.strip()}
    unknown = names - {one.name for one in contenders.ALL}
    if unknown:
        sys.exit(f"bench: not known: {', '.join(sorted(unknown))}. Next: --help lists the names")
    return [one for one in contenders.ALL if not names or one.name in names | {contenders.BARE}]


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the usual way out, which leaves nothing behind
    given = arguments()
    taking_part = chosen(given.only)
    run = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "callers": CALLERS,
        "seconds": given.seconds,
        "versions": machine.versions(taking_part),
        "machine": {"cores": os.cpu_count(), "processor": machine.processor(), "load_before": machine.load()},
        "repetitions": [],
    }
    with database() as wrapped:
        for number in range(given.repetitions):
            repetition = {}
            # Each repetition begins with another one, so that nobody always runs after the same neighbour.
            for one in [*taking_part[number % len(taking_part) :], *taking_part[: number % len(taking_part)]]:
                print(f"repetition {number + 1} of {given.repetitions}: {one.name}", file=sys.stderr, flush=True)
                repetition[one.name] = measure(one, wrapped, CALLERS, given.seconds)
            run["repetitions"].append({one.name: repetition[one.name] for one in taking_part})
    run["machine"]["load_after"] = machine.load()
    tables = report.page(run)
    print(tables)
    if given.json:
        given.json.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    if given.markdown:
        report.put(given.markdown, tables)


if __name__ == "__main__":
    main()
