# SPDX-License-Identifier: GPL-3.0-or-later
"""What each wrapper's process is given of our own environment: what is needed to run, and nothing that a test could lean on."""

from __future__ import annotations

import os

KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


def bare(**more: str) -> dict[str, str]:
    return {name: os.environ[name] for name in KEPT if name in os.environ} | more
