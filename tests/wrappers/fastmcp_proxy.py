# SPDX-License-Identifier: GPL-3.0-or-later
"""fastmcp's proxy, as its documentation makes one. What it runs is fastmcp/proxy.py."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.wrappers.discovery import fastmcp_python
from tests.wrappers.environment import bare
from tests.wrappers.spec import Order, Start, Wrapper


def start(order: Order) -> Start:
    told = json.dumps({"port": order.port, "command": order.command, "environment": order.environment})
    script = Path(__file__).parent / "fastmcp" / "proxy.py"
    return Start([str(fastmcp_python()), str(script), told], bare(FASTMCP_LOG_LEVEL="ERROR", FASTMCP_CHECK_FOR_UPDATES="off", **{order.canary: "x"}))


def version() -> str:
    code = "import importlib.metadata as m; print(m.version('fastmcp'))"
    return subprocess.run([fastmcp_python(), "-c", code], check=True, capture_output=True, text=True).stdout.strip()


WRAPPER = Wrapper("fastmcp", start, version, restarts_itself=True)
