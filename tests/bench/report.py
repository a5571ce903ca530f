# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured, as tables. Pure, but for putting them into a page."""

from __future__ import annotations

from pathlib import Path

from tests.bench.aims import verdicts
from tests.bench.contenders import BARE, DIRECT, ECHO, GUARDED
from tests.bench.figures import Spread, over, ratios, spread

BEGIN, END = "<!-- figures: begin (written by make bench) -->", "<!-- figures: end -->"
WORDS = {True: "reached", False: "**missed**", None: "n.a."}


def _one(value: Spread | None, digits: int = 1) -> str:
    return "n.a." if value is None else f"{value.median:.{digits}f}"


def _ranged(value: Spread | None, digits: int = 0) -> str:
    return "n.a." if value is None else f"{value.median:.{digits}f} ({value.least:.{digits}f}–{value.most:.{digits}f})"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def loads(repetitions: list[dict], callers: list[int]) -> str:
    """Speed and processor time."""
    rows = []
    for number in callers:
        for name in repetitions[0]:
            told = {key: over(repetitions, name, "loads", str(number), key) for key in repetitions[0][name]["loads"][str(number)]}
            share = spread(ratios(repetitions, name, BARE, "loads", str(number), "right_per_second")) if BARE in repetitions[0] and name != ECHO else None
            rows.append(
                [
                    *(name, str(number), _ranged(spread(told["right_per_second"])), "" if share is None else f"{share.median:.0%}"),
                    *(_one(spread(told[key]), 2) for key in ("p50", "p95", "p99")),
                    *(str(sum(told[key])) for key in ("wrong", "failed")),
                    "–" if name == BARE else _one(spread(told["cpu_wrapper"]), 3),
                    "–" if name == ECHO else _one(spread(told["cpu_child"]), 3),
                ]
            )
    head = ["", "callers", "right calls/s (least–most)", "of bare", "p50 ms", "p95 ms", "p99 ms", "wrong", "failed", "CPU s/1,000 wrapper", "child"]
    return _table(head, rows)


def places(repetitions: list[dict]) -> str:
    """Start-up and memory."""
    rows = []
    for name in (name for name in repetitions[0] if name != ECHO):
        ready = over(repetitions, name, "ready")
        own = over(repetitions, BARE, "ready") if BARE in repetitions[0] else None
        later = spread([one - two for one, two in zip(ready, own, strict=True)]) if own and name != BARE else None
        cells = ["–" if part == 0 and name == BARE else _one(spread(over(repetitions, name, when, part))) for when in ("idle", "loaded") for part in (0, 1)]
        rows.append([name, _one(spread(ready), 2), "–" if later is None else _one(later, 2), *cells])
    return _table(["", "first right answer, s", "after the bare server's, s", "idle PSS MiB", "its child", "loaded PSS MiB", "its children"], rows)


def aims(repetitions: list[dict], callers: list[int]) -> str:
    """Verdicts on the bridge."""
    rows = []
    for subject in (DIRECT, GUARDED):
        rows += [[f"{subject}: {one.wanted}", one.found, WORDS[one.reached]] for one in verdicts(repetitions, callers, subject)]
    return _table(["aim", "found", ""], rows) if rows else ""


def page(run: dict) -> str:
    """All of it."""
    repetitions, callers, machine = run["repetitions"], run["callers"], run["machine"]
    about = (
        f"{run['date']}, {machine['cores']} cores ({machine['processor']}), {len(repetitions)} repetitions of {run['seconds']:g} s for each number of callers. "
    )
    about += f"Load average before and after: {machine['load_before']} and {machine['load_after']}. Versions: "
    about += ", ".join(f"{name} {version}" for name, version in run["versions"].items()) + "."
    return "\n\n".join(part for part in (about, aims(repetitions, callers), loads(repetitions, callers), places(repetitions)) if part)


def put(path: Path, tables: str) -> None:
    """Into the page, in place of the tables of the last run."""
    text = path.read_text(encoding="utf-8") if path.exists() else f"{BEGIN}\n{END}\n"
    before, rest = text.split(BEGIN)
    path.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")
