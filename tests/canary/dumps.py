# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the kernel and the system put memory of processes that crashed."""

from __future__ import annotations

import os

FOLDERS = ("/var/lib/systemd/coredump", "/var/crash", "/var/lib/apport/coredump", "/var/spool/abrt")


def folders(pattern_file: str = "/proc/sys/kernel/core_pattern") -> list[dict]:
    """To be searched like any other; a dump that is written where a process works lies in a folder that is searched anyway."""
    found = list(FOLDERS)
    try:
        with open(pattern_file, encoding="utf-8", errors="replace") as stream:
            pattern = stream.read().strip()
    except OSError:
        pattern = ""
    folder = os.path.dirname(pattern)
    if pattern.startswith("/") and folder != "/":
        found.append(folder.partition("%")[0].rstrip("/") or "/var/crash")
    return [{"path": path} for path in dict.fromkeys(found)]
