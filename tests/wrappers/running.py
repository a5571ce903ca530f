# SPDX-License-Identifier: GPL-3.0-or-later
"""running(name, command, env): a wrapper on a free loopback port, ready when a real call through it was answered."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.wrappers.process import Running, free_port, spawn
from tests.wrappers.spec import Order
from tests.wrappers.table import WRAPPERS

READY_SECONDS = 60
CANARY = "CONFORMANCE_CANARY"


class NotReadyError(RuntimeError):
    """The wrapper did not answer in time; the message ends with what it had to say."""


@contextmanager
def running(name: str, command: list[str], env: dict[str, str] | None = None, *, call_seconds: float = 30) -> Iterator[Running]:
    """Call it from the main thread: a wrapper ends together with the thread that started it."""
    wrapper, mark, port = WRAPPERS[name], f"--mark={secrets.token_hex(8)}", free_port()
    with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as folder:
        order = Order([*command, mark], env or {}, port, Path(folder), call_seconds, CANARY)
        start = wrapper.start(order)
        process, log = spawn(start.argv, start.env, order.folder)
        base = f"http://127.0.0.1:{port}"
        one = Running(
            name=name,
            url=base + wrapper.path,
            sse_url=base + wrapper.sse_path if wrapper.sse_path else None,
            headers=start.headers,
            command=order.command,
            process=process,
            log=log,
            restarts_itself=wrapper.restarts_itself,
            promises_cancellation=wrapper.promises_cancellation,
            call_seconds=wrapper.call_seconds(call_seconds),
            max_request_bytes=wrapper.max_request_bytes,
            has_door=wrapper.has_door,
        )
        try:
            _wait_until_ready(one)
            yield one
        finally:
            one.stop()


def _wait_until_ready(one: Running) -> None:
    end = time.monotonic() + READY_SECONDS
    while one.alive() and time.monotonic() < end:
        try:
            if _round_trip(one):
                return
        except (httpx.HTTPError, ValueError):
            pass
        time.sleep(0.05)
    tail = one.log.read_text(errors="replace")[-2000:]
    raise NotReadyError(f"{one.name}: {'no answer in time' if one.alive() else f'ended with {one.process.returncode}'}\n{tail}")


def _round_trip(one: Running) -> bool:
    """initialize, then a tool call that only the wrapped server can answer; the session is closed again."""
    headers = {**one.headers, "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "ready", "version": "1"}}
    with httpx.Client(headers=headers, timeout=10) as client:
        first = client.post(one.url, json={"jsonrpc": "2.0", "id": "ready-1", "method": "initialize", "params": hello})
        if session := first.headers.get("mcp-session-id"):
            client.headers["mcp-session-id"] = session
        client.post(one.url, json={"jsonrpc": "2.0", "method": "notifications/initialized"})
        call = {"name": "count", "arguments": {}}
        answer = client.post(one.url, json={"jsonrpc": "2.0", "id": "ready-2", "method": "tools/call", "params": call})
        if session:
            client.delete(one.url)
        return answer.status_code == 200 and "pid" in answer.text
