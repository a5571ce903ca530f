# SPDX-License-Identifier: GPL-3.0-or-later
"""mcp-proxy (PyPI) as a server for both transports."""

from __future__ import annotations

import subprocess

from tests.wrappers.discovery import mcp_proxy_python
from tests.wrappers.environment import bare
from tests.wrappers.spec import Order, Start, Wrapper


def start(order: Order) -> Start:
    argv = [str(mcp_proxy_python().with_name("mcp-proxy")), "--host", "127.0.0.1", "--port", str(order.port), "--log-level", "ERROR"]
    for name, value in order.environment.items():
        argv += ["--env", name, value]
    return Start([*argv, "--", *order.command], bare(**{order.canary: "x"}))


def version() -> str:
    code = "import importlib.metadata as m; print(m.version('mcp-proxy'))"
    return subprocess.run([mcp_proxy_python(), "-c", code], check=True, capture_output=True, text=True).stdout.strip()


WRAPPER = Wrapper("mcp-proxy", start, version, sse_path="/sse")
