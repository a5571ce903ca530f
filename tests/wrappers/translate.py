# SPDX-License-Identifier: GPL-3.0-or-later
"""mcpgateway.translate as it comes, both transports on one port."""

from __future__ import annotations

import secrets
import shlex
import subprocess

from tests.wrappers.discovery import gateway_python
from tests.wrappers.environment import bare
from tests.wrappers.spec import Order, Start, Wrapper


def throw_away_secrets() -> dict[str, str]:
    """translate reads the whole gateway's settings and refuses to start without strong values; these open nothing."""
    return {"JWT_SECRET_KEY": secrets.token_urlsafe(48), "AUTH_ENCRYPTION_SECRET": secrets.token_urlsafe(48), "EMAIL_AUTH_ENABLED": "false"}


def start(order: Order) -> Start:
    argv = [str(gateway_python()), "-m", "mcpgateway.translate", "--stdio", shlex.join(order.command), "--expose-sse", "--expose-streamable-http"]
    argv += ["--host", "127.0.0.1", "--port", str(order.port), "--logLevel", "error"]
    return Start(argv, bare(**throw_away_secrets(), **order.environment, **{order.canary: "x"}))


def version() -> str:
    code = "import importlib.metadata as m; print(m.version('mcp-contextforge-gateway'))"
    return subprocess.run([gateway_python(), "-c", code], check=True, capture_output=True, text=True).stdout.strip()


WRAPPER = Wrapper("translate", start, version, sse_path="/sse", call_seconds=lambda asked: 10.0)
