# SPDX-License-Identifier: GPL-3.0-or-later
"""On PYTHONPATH of a playbook that runs on this machine: every module's process writes its name and its seconds into MCP_BENCH_MODULES when it ends."""

import atexit
import os
import re
import sys
import time


def _told(began: float, path: str) -> None:
    if payload := re.search(r"/ansible_(\S+)_payload\.zip$", sys.path[0]):  # what Ansible puts first on the path of a module
        with open(path, "a", encoding="utf-8") as file:  # one short line: written whole
            file.write(f"{payload[1].rpartition('.')[2]} {time.monotonic() - began:.4f}\n")


if wanted := os.environ.get("MCP_BENCH_MODULES"):
    with open("/proc/self/stat", encoding="utf-8") as stat:  # 22nd field: when the process was started, in ticks since boot
        started = int(stat.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    atexit.register(_told, time.monotonic() - (time.clock_gettime(time.CLOCK_BOOTTIME) - started), wanted)
