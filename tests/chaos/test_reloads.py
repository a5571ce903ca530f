# SPDX-License-Identifier: GPL-3.0-or-later
"""100 generations under 32 callers: no call fails, none is answered wrongly, and the bridge is no larger for it."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from test_life import under_load

from running_bridge import Running, wait_for

RELOADS, CALLERS = 100, 32


def memory(pid: int) -> int:
    """PSS in KiB."""
    return int(re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)[1])


@pytest.mark.skipif(os.geteuid() != 0, reason="the bridge is not dumpable: only root sees its memory")
def test_b1_100_reloads_under_32_callers(start) -> None:
    bridge: Running = start()
    sizes = []

    def reload() -> None:
        for number in range(1, RELOADS + 1):
            bridge.process.send_signal(signal.SIGHUP)
            wait_for(lambda wanted=number: bridge.status()["reloads"] == wanted, 60, f"generation {number + 1} is taken")
            sizes.append(memory(bridge.process.pid))

    right, wrong = under_load(bridge, reload, CALLERS)
    assert wrong == [] and right > 1000
    early, late = sorted(sizes[10:30])[10], sorted(sizes[-20:])[10]
    print(f"{right} calls right; PSS {early} KiB early, {late} KiB late")
    assert late <= early * 1.1
