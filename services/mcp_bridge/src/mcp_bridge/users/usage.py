# SPDX-License-Identifier: GPL-3.0-or-later
"""What processes of users take: processor time and memory, with all that descends from them, as /proc tells."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_TICK, _PROC = os.sysconf("SC_CLK_TCK"), Path("/proc")


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in (_PROC / str(one) / "task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def processor_seconds(pids: list[int]) -> float:
    """For how long they and their descendants have worked."""
    return sum(_ticks(one) for pid in pids for one in family(pid)) / _TICK


def _ticks(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    return 0


def memory_kib(pids: list[int]) -> int:
    """Proportional set size: what is shared counts in parts."""
    return sum(_pss(one) for pid in pids for one in family(pid))


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
