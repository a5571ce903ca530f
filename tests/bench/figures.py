# SPDX-License-Identifier: GPL-3.0-or-later
"""Arithmetic on what was measured. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

MILLISECONDS = 1000


def quantiles(latencies: list[float]) -> dict[str, float | None]:
    """p50, p95 and p99 in milliseconds, each a latency that a call really had; None without any call."""
    ordered = sorted(latencies)
    return {f"p{share}": ordered[min(len(ordered) - 1, len(ordered) * share // 100)] * MILLISECONDS if ordered else None for share in (50, 95, 99)}


@dataclass(frozen=True)
class Spread:
    """Median, least and most of the repetitions."""

    median: float
    least: float
    most: float


def spread(values: list[float | None]) -> Spread | None:
    """None when one of them is not known."""
    if not values or any(value is None for value in values):
        return None
    return Spread(statistics.median(values), min(values), max(values))


def over(repetitions: list[dict], contender: str, *path: str | int) -> list[float | None]:
    """One figure of one contender in each repetition that has it."""
    found = []
    for repetition in repetitions:
        value: object = repetition.get(contender)
        for step in path:
            value = None if value is None else value[step]
        if contender in repetition:
            found.append(value)
    return found


def ratios(repetitions: list[dict], contender: str, other: str, *path: str | int) -> list[float]:
    """Repetition by repetition, so that a minute in which the machine was busy counts for both."""
    pairs = zip(over(repetitions, contender, *path), over(repetitions, other, *path), strict=True)
    return [one / two for one, two in pairs if one is not None and two]
