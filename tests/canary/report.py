# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found, what could not be looked at, what was left out by name. A secret's name is in it, never a part of its value."""

from __future__ import annotations

COLUMNS = ("where", "place", "secret", "form")


class Report:
    """Filled by the searches of one machine; ``hidden`` keeps secrets out of every name and message."""

    def __init__(self, hidden: object) -> None:
        self._hidden = hidden
        self.hits: set[tuple[str, str, str]] = set()
        self.unseen: set[tuple[str, str]] = set()
        self.exempt: set[tuple[str, str]] = set()
        self.looked: dict[str, int] = {}

    def hit(self, place: str, name: str, form: str) -> None:
        self.hits.add((self._hidden(place), name, form))

    def not_seen(self, place: str, why: str) -> None:
        """Could not be looked at."""
        self.unseen.add((self._hidden(place), self._hidden(why)))

    def left_out(self, place: str, reason: str) -> None:
        self.exempt.add((self._hidden(place), reason))

    def count(self, what: str, number: int = 1) -> None:
        self.looked[what] = self.looked.get(what, 0) + number

    def as_json(self) -> dict:
        return {"hits": sorted(self.hits), "unseen": sorted(self.unseen), "exempt": sorted(self.exempt), "looked": self.looked}


def status(told: dict[str, dict]) -> int:
    """0: nothing is anywhere. 1: something is. 2: nothing was seen, and not everything was looked at."""
    if any(one["hits"] for one in told.values()):
        return 1
    return 2 if any(one["unseen"] for one in told.values()) else 0


def text(told: dict[str, dict]) -> str:
    """For people. ``told``: machine → the report of it."""
    hits = [(machine, *hit) for machine, one in told.items() for hit in one["hits"]]
    unseen = [(machine, *row) for machine, one in told.items() for row in one["unseen"]]
    exempt = [(machine, *row) for machine, one in told.items() for row in one["exempt"]]
    parts = [_table(COLUMNS, hits)] if hits else []
    if unseen:
        parts.append("Could not be looked at:\n" + _table(("where", "place", "why"), unseen))
    if exempt:
        parts.append("Left out by name:\n" + _table(("where", "place", "reason"), exempt))
    for machine, one in told.items():
        parts.append(f"{machine}: looked at " + ", ".join(f"{number} {what}" for what, number in one["looked"].items()))
    parts.append(f"{len(hits)} hits" + (f"; {len(unseen)} places could not be looked at" if unseen else ""))
    return "\n\n".join(parts)


def _table(columns: tuple[str, ...], rows: list[tuple]) -> str:
    lines = [columns, *([_printable(str(cell)) for cell in row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)  # noqa: B905  (hosts may have Python 3.9)


def _printable(text: str) -> str:
    """A name may have a line's end in it, or bytes that are no text."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
