# SPDX-License-Identifier: GPL-3.0-or-later
"""What a series of rests and the clients' counts amount to: a list of what is wrong. Pure."""

from __future__ import annotations

import statistics

from tests.soak.counts import Counts
from tests.soak.rest import Rest

MEMORY_GROWTH = 1.10  # the last quarter against the second: the first is warm-up
MORE_DESCRIPTORS, MORE_THREADS = 2, 2


def quarter(rests: list[Rest], number: int) -> list[Rest]:
    """One of four, counted from 1."""
    return rests[len(rests) * (number - 1) // 4 : len(rests) * number // 4]


def middle(rests: list[Rest], name: str) -> float:
    return statistics.median(getattr(rest, name) for rest in rests)


def findings(rests: list[Rest], counts: Counts) -> list[str]:
    """Nothing wrong: an empty list."""
    found = [*counts.told]
    if counts.bad > len(counts.told):
        found.append(f"and {counts.bad - len(counts.told)} more")
    if not counts.right:
        found.append("no call was answered right at all")
    if len(rests) < 8:
        return [*found, f"only {len(rests)} rests: too short to tell anything"]
    second, last = quarter(rests, 2), quarter(rests, 4)
    if middle(last, "memory") > MEMORY_GROWTH * middle(second, "memory"):
        found.append(f"memory grew: {middle(second, 'memory'):.1f} MiB in the second quarter, {middle(last, 'memory'):.1f} MiB in the last")
    for name, more in (("descriptors", MORE_DESCRIPTORS), ("threads", MORE_THREADS)):
        known = all(getattr(rest, name) is not None for rest in rests)
        if known and middle(last, name) > middle(second, name) + more:
            found.append(f"{name} grew: {middle(second, name):g} in the second quarter, {middle(last, name):g} in the last")
    for name, wanted in (("zombies", 0), ("in_flight", 0), ("children", 1), ("processes", rests[0].processes)):
        other = [rest for rest in rests if getattr(rest, name) != wanted]
        if other:
            found.append(
                f"at rest {name} was {getattr(other[0], name)} and not {wanted}, in {len(other)} of {len(rests)} rests, first after {other[0].second:.0f} s"
            )
    return found
