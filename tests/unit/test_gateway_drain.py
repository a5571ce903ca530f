# SPDX-License-Identifier: GPL-3.0-or-later
"""A real uvicorn that is restarted under callers who keep their connections."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

FILES = Path(__file__).parents[2] / "roles/gateway/files"
#: As the gateway does: uvicorn's own program, and an application that installs what it needs when it is started.
APP = """
import mcp_gateway_drain

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        mcp_gateway_drain.install()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""


def started(folder: Path, *listen: str, passed: tuple[int, ...] = ()) -> subprocess.Popen:
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(folder), "--log-level", "warning", "--no-access-log", *listen, "several:app"]
    return subprocess.Popen(command, env={"PYTHONPATH": str(FILES)}, pass_fds=passed)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "several.py").write_text(APP)
    return tmp_path


def test_callers_who_keep_their_connections_see_nothing_of_restarts(folder: Path) -> None:
    answers = 0

    async def caller(url: str, done: asyncio.Event) -> None:
        nonlocal answers
        async with httpx.AsyncClient(timeout=60) as client:
            while not done.is_set():
                assert (await client.post(url, content=b"x")).text == "ok"
                answers += 1

    async def some_more(callers: list[asyncio.Task]) -> None:
        wanted = answers + 300
        while answers < wanted and not any(one.done() for one in callers):
            await asyncio.sleep(0.01)

    async def run(listening: socket.socket) -> None:
        listen, passed, done = ("--fd", str(listening.fileno())), (listening.fileno(),), asyncio.Event()
        running = started(folder, *listen, passed=passed)
        try:
            callers = [asyncio.create_task(caller(f"http://127.0.0.1:{listening.getsockname()[1]}/", done)) for _ in range(24)]
            for _ in range(3):
                await some_more(callers)
                running.terminate()
                assert await asyncio.to_thread(running.wait, 20) in (0, -signal.SIGTERM)
                running = started(folder, *listen, passed=passed)
            await some_more(callers)
            done.set()
            await asyncio.gather(*callers)
        finally:
            running.kill()
            running.wait()

    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        asyncio.run(run(listening))
    assert answers >= 1200


def test_a_connection_that_is_silent_holds_nothing_up_for_long(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = started(folder, "--fd", str(listening.fileno()), passed=(listening.fileno(),))
        silent = socket.create_connection(listening.getsockname())
        silent.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b"ok"):
            answer += silent.recv(1000)
        began = time.monotonic()
        running.terminate()
        assert running.wait(20) in (0, -signal.SIGTERM) and time.monotonic() - began > 1, "it was given time, and no more"
        assert silent.recv(1000) == b""
        silent.close()


def test_where_the_socket_is_the_servers_own_it_stops_at_once(folder: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = started(folder, "--port", str(port))
    deadline = time.monotonic() + 20
    while socket.socket().connect_ex(("127.0.0.1", port)):
        assert time.monotonic() < deadline and running.poll() is None
        time.sleep(0.05)
    began = time.monotonic()
    running.terminate()
    assert running.wait(20) in (0, -signal.SIGTERM) and time.monotonic() - began < 1.5
