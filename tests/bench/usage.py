# SPDX-License-Identifier: GPL-3.0-or-later
"""What processes cost, read from /proc: memory as PSS (pages shared with others count in part), processor time since they began."""

from __future__ import annotations

import os
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
MEBIBYTE = 1024  # smaps counts in KiB


def pss(pids: list[int]) -> float | None:
    """MiB; None where the kernel does not tell (a process that is not dumpable is told to root only)."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except FileNotFoundError:
            continue
        except OSError:
            return None
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / MEBIBYTE


def processor(pids: list[int]) -> float:
    """Seconds, user and system."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def is_idle(pids: list[int], seconds: float = 0.3) -> bool:
    """Whether none of them has used the processor for that long."""
    before = processor(pids)
    time.sleep(seconds)
    return processor(pids) == before
