# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.soak --minutes 20``: exit status 1 when anything grew, stayed behind or was answered wrongly."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from tests.bench.contenders import ALL, GUARDED, Contender, started
from tests.bench.database import database
from tests.soak.counts import Counts
from tests.soak.rest import Rest
from tests.soak.rounds import soak
from tests.soak.verdict import findings
from tests.wrappers import bridge

GUARD = any(one.name == GUARDED for one in ALL)
#: How the bridge is started, and for how many seconds after a kill an error is excused: `translate` takes that long to be there again.
SUBJECTS = {
    "direct": (Contender("bridge/direct", bridge.DIRECT, guard=GUARD), 5.0),
    "translate": (Contender("bridge/translate", bridge.TRANSLATE, guard=GUARD), 15.0),
}


def tell(rest: Rest, counts: Counts) -> None:
    kind = "PSS" if rest.exact else "RSS"
    descriptors = "n.a." if rest.descriptors is None else rest.descriptors
    held = f"{rest.memory:6.1f} MiB {kind}, {descriptors} descriptors, {rest.threads} threads, {rest.processes} processes"
    seen = f"right {counts.right}, excused {counts.excused}, dropped {counts.dropped}, cancelled {counts.cancelled}, streams {counts.streams}"
    print(
        f"{rest.second:6.0f} s  {held}, child {rest.child_memory:.0f} MiB | {seen}, reloads {counts.reloads}, kills {counts.kills}, bad {counts.bad}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20, help="in all; a minute is enough to be told something")
    parser.add_argument("--against", default="direct,translate", help="forms of the bridge, which share the time")
    parser.add_argument("--json", type=Path, help="every sample")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the usual way out, which leaves nothing behind
    names = [name.strip() for name in given.against.split(",")]
    if unknown := set(names) - set(SUBJECTS):
        parser.error(f"not known: {', '.join(sorted(unknown))}")
    told, wrong = {}, False
    with database() as wrapped:
        for name in names:
            contender, excuse = SUBJECTS[name]
            counts = Counts(excuse)
            print(f"== {contender.name}{' with its guard' if contender.guard else ''}", flush=True)
            with started(contender, wrapped) as running:
                rests = asyncio.run(soak(running, given.minutes * 60 / len(names), counts, tell))
            found = findings(rests, counts)
            wrong = wrong or bool(found)
            print("\n".join(f"WRONG: {line}" for line in found) or "flat, clean and right", flush=True)
            told[name] = {"counts": asdict(counts), "rests": [asdict(rest) for rest in rests], "findings": found}
    if given.json:
        given.json.write_text(json.dumps(told, indent=1, default=str) + "\n", encoding="utf-8")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
