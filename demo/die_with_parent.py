# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m demo.die_with_parent SIGNAL COMMAND …``: become COMMAND, and get SIGNAL when the parent (a supervisor) is gone."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def ask_kernel(number: int) -> None:
    """Survives exec; so a killed supervisor leaves no orphan."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the supervisor is gone")


if __name__ == "__main__":
    ask_kernel(signal.Signals[f"SIG{sys.argv[1]}"])
    os.execv(sys.argv[2], sys.argv[2:])
