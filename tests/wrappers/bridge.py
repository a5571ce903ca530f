# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own bridge: alone ("bridge-direct"), and in front of mcpgateway.translate ("bridge-translate")."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from functools import partial

from tests.wrappers.discovery import REPOSITORY, bridge_python, gateway_python
from tests.wrappers.environment import bare
from tests.wrappers.spec import Order, Start, Wrapper

SOURCE = REPOSITORY / "services" / "mcp_bridge" / "src"
TOKEN = "MCP_BRIDGE_TOKEN"
MAX_REQUEST_BYTES = 1024 * 1024


def start(order: Order, *, mode: str) -> Start:
    runtime = order.folder / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    configuration = {
        "service": "conformance",
        "engine": "other",
        "listen": {"host": "127.0.0.1", "port": order.port},
        "wrapper": mode,
        "runtime_directory": str(runtime),
        "command": order.command,
        "environment": {"PATH": os.environ["PATH"], **order.environment},
        "token_env": TOKEN,
        "guard": False,  # the guard reads SQL; here nothing speaks it
        "limits": {
            "call_seconds": order.call_seconds,
            "max_rows": 10_000,
            "max_answer_bytes": 32 * 1024 * 1024,
            "max_request_bytes": MAX_REQUEST_BYTES,
            "max_in_flight": 256,
            "calls_per_second": 0,
        },
    }
    if mode == "translate":
        configuration["translate_python"] = str(gateway_python())
    file, token = order.folder / "bridge.json", secrets.token_urlsafe(32)
    file.write_text(json.dumps(configuration))
    env = bare(PYTHONPATH=str(SOURCE), PYTHONDONTWRITEBYTECODE="1", **{TOKEN: token, order.canary: "x"})
    return Start([str(bridge_python()), "-m", "mcp_bridge", "--config", str(file)], env, {"Authorization": f"Bearer {token}"})


def version() -> str:
    """The commit, since the bridge is developed here."""
    told = subprocess.run(["git", "-C", REPOSITORY, "log", "-1", "--format=%h", "--", SOURCE], check=False, capture_output=True, text=True).stdout.strip()
    changed = subprocess.run(["git", "-C", REPOSITORY, "status", "--porcelain", "--", SOURCE], check=False, capture_output=True, text=True).stdout.strip()
    return (told or "not committed") + ("+" if told and changed else "")


def _wrapper(name: str, mode: str) -> Wrapper:
    return Wrapper(
        name,
        partial(start, mode=mode),
        version,
        sse_path="/sse",
        restarts_itself=True,
        promises_cancellation=True,
        call_seconds=lambda asked: asked,
        max_request_bytes=MAX_REQUEST_BYTES,
        has_door=True,
        ours=True,
    )


DIRECT = _wrapper("bridge-direct", "bridge")
TRANSLATE = _wrapper("bridge-translate", "translate")
