# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared: the bare server, our bridge in its forms, other people's wrappers. Each is started in front of the same server."""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.database import Wrapped
from tests.wrappers import CANARY, bridge, fastmcp_proxy, mcp_proxy, supergateway, translate
from tests.wrappers.discovery import REPOSITORY
from tests.wrappers.environment import bare
from tests.wrappers.process import Running, free_port, spawn
from tests.wrappers.spec import Order, Start, Wrapper

CALL_SECONDS = 30
BARE, ECHO = "bare server", "echo server"
DIRECT, GUARDED = "bridge/direct", "bridge/direct + guard"


@dataclass(frozen=True)
class Contender:
    """``wrapper``: how it is started; None for the two that are no wrapper. ``guard``: with the bridge's guard for SQL."""

    name: str
    wrapper: Wrapper | None = None
    guard: bool = False


#: In the order of a repetition.
ALL = [
    Contender(ECHO),
    Contender(BARE),
    Contender(DIRECT, bridge.DIRECT),
    *([Contender(GUARDED, bridge.DIRECT, guard=True)] if (bridge.SOURCE / "mcp_bridge" / "guard_sql.py").exists() else []),
    Contender("bridge/translate", bridge.TRANSLATE),
    Contender("translate", translate.WRAPPER),
    Contender("mcp-proxy", mcp_proxy.WRAPPER),
    Contender("supergateway", supergateway.WRAPPER),
    Contender("fastmcp", fastmcp_proxy.WRAPPER),
]


def _start(contender: Contender, order: Order) -> Start:
    if contender.name == ECHO:
        return Start([sys.executable, "-m", "tests.bench.echo", str(order.port)], bare(PYTHONPATH=str(REPOSITORY)))
    start = contender.wrapper.start(order)
    if contender.guard:
        file = order.folder / "bridge.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"engine": "postgres", "guard": True}))
    return start


@contextmanager
def started(contender: Contender, wrapped: Wrapped) -> Iterator[Running]:
    """A wrapper that has just been started and may not answer yet; no process of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        mark, port = f"--mark={secrets.token_hex(8)}", free_port()
        order = Order([*wrapped.command, mark], wrapped.environment, port, Path(folder), CALL_SECONDS, CANARY)
        start = _start(contender, order)
        process, log = spawn(start.argv, start.env, order.folder)
        running = Running(
            name=contender.name,
            url=f"http://127.0.0.1:{port}/mcp",
            sse_url=f"http://127.0.0.1:{port}/sse",
            headers=start.headers,
            command=order.command,
            process=process,
            log=log,
            restarts_itself=False,
            promises_cancellation=False,
            call_seconds=CALL_SECONDS,
            max_request_bytes=None,
            has_door=bool(start.headers),
        )
        try:
            yield running
        finally:
            running.stop()


def version(contender: Contender) -> str:
    """Of the wrapper."""
    return contender.wrapper.version() if contender.wrapper else ""
