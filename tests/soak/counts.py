# SPDX-License-Identifier: GPL-3.0-or-later
"""What the clients saw. An error is excused only for a while after the wrapped server was killed; a reload excuses nothing."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

MARKER = re.compile(rb"soak-[0-9a-f]{8}-\d+-end")


@dataclass
class Counts:
    """``excused``: clear errors in the seconds after a kill. ``bad``: everything that must not be, with the first few told."""

    excuse_seconds: float
    right: int = 0
    excused: int = 0
    dropped: int = 0
    cancelled: int = 0
    streams: int = 0
    kills: int = 0
    reloads: int = 0
    bad: int = 0
    told: list[str] = field(default_factory=list)
    _killed: float = float("-inf")

    def killed(self) -> None:
        self.kills += 1
        self._killed = time.monotonic()

    def answer(self, marker: bytes, status: int, body: bytes) -> None:
        """One answer, or what came in place of it."""
        if status == 200 and marker in body and b'"isError":true' not in body:
            self.right += 1
        elif not MARKER.search(body) and status == 200 and b'"error"' in body and time.monotonic() - self._killed < self.excuse_seconds:
            self.excused += 1
        else:
            self.wrong(f"{marker.decode()} was answered with {status} {body[:200]!r}")

    def wrong(self, what: str) -> None:
        self.bad += 1
        if len(self.told) < 20:
            self.told.append(what)
