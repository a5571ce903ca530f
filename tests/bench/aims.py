# SPDX-License-Identifier: GPL-3.0-or-later
"""What the bridge is to reach, and whether it did in this run. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from tests.bench.contenders import BARE, DIRECT, ECHO
from tests.bench.figures import over, ratios

TIMES_BEST, SHARE_OF_BARE, ADDED_MS, IDLE_MIB, READY_SECONDS = 2.0, 0.9, 1.0, 45.0, 1.0


@dataclass(frozen=True)
class Verdict:
    """One aim: what was wanted, what was found, whether that is enough (None: cannot be known here)."""

    wanted: str
    found: str
    reached: bool | None


def verdicts(repetitions: list[dict], callers: list[int], subject: str = DIRECT) -> list[Verdict]:
    """All aims of one form of the bridge."""
    if subject not in repetitions[0] or BARE not in repetitions[0]:
        return []
    found = [_rate(repetitions, subject, number) for number in callers if number > 1]
    if 1 in callers:
        pairs = zip(over(repetitions, subject, "loads", "1", "p50"), over(repetitions, BARE, "loads", "1", "p50"), strict=True)
        added = statistics.median(one - two for one, two in pairs)
        found.append(Verdict(f"p50 at 1 caller at most {ADDED_MS:g} ms above the bare server", f"{added:+.2f} ms", added <= ADDED_MS))
    idle = over(repetitions, subject, "idle", 0)
    known = None not in idle
    middle = statistics.median(idle) if known else 0
    found.append(
        Verdict(f"idle at most {IDLE_MIB:g} MiB PSS, without the child", f"{middle:.1f} MiB" if known else "n.a.", middle <= IDLE_MIB if known else None)
    )
    pairs = zip(over(repetitions, subject, "ready"), over(repetitions, BARE, "ready"), strict=True)
    later = statistics.median(one - two for one, two in pairs)
    found.append(Verdict(f"ready at most {READY_SECONDS:g} s after the bare server", f"{later:+.2f} s", later <= READY_SECONDS))
    return found


def correct_peers(repetitions: list[dict], callers: int) -> list[str]:
    """Other people's wrappers that gave every caller its own answer, and all of them."""
    names = [name for name in repetitions[0] if name not in (BARE, ECHO) and not name.startswith("bridge/")]
    return [name for name in names if not any(over(repetitions, name, "loads", str(callers), "wrong"))]


def _rate(repetitions: list[dict], subject: str, callers: int) -> Verdict:
    path = ("loads", str(callers), "right_per_second")
    bad = sum(over(repetitions, subject, "loads", str(callers), "wrong") + over(repetitions, subject, "loads", str(callers), "failed"))
    share = statistics.median(ratios(repetitions, subject, BARE, *path))
    against = {peer: statistics.median(ratios(repetitions, subject, peer, *path)) for peer in correct_peers(repetitions, callers)}
    wanted = f"calls/s at {callers} callers: {TIMES_BEST:g} times the best correct peer, or {SHARE_OF_BARE:.0%} of the bare server; none wrong or failed"
    told = f"{share:.0%} of the bare server, {bad} wrong or failed"
    times = None
    if against:
        best = min(against, key=against.get)
        times = against[best]
        told = f"{times:.1f} times {best}; {told}"
    return Verdict(wanted, told, bad == 0 and (share >= SHARE_OF_BARE or (times is not None and times >= TIMES_BEST)))
