# SPDX-License-Identifier: GPL-3.0-or-later
"""A wrapped server behind `mcpgateway.translate`, over the one SSE connection that this bridge keeps to it.

One connection, since `translate` sends every answer to every SSE client; ids of the bridge, since it matches answers by id alone; SSE, since
its other door gives up after 10 seconds (docs/upstream.md). `translate` and all behind it end when this link ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shlex
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from mcp_bridge.config import Config
from mcp_bridge.errors import BUSY, BridgeError, GoneError
from mcp_bridge.process import spawn

STOP_SECONDS = 3.0
POLL_SECONDS = 0.05
MOST_UNSENT = 512


def free_port(allowed: list[int]) -> int:
    """A loopback port that nobody listens on now (0 lets the kernel choose); `translate` cannot be handed a socket. Raises OSError."""
    for port in allowed or [0]:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as translate does: what is left of older connections does not matter
            probe.bind(("127.0.0.1", port))
            return probe.getsockname()[1]
    raise OSError(f"none of translate's ports is free: {', '.join(map(str, allowed))}")


class TranslateLink:
    """One `translate` process with its relay and wrapped server."""

    def __init__(self, config: Config, source: list[str]) -> None:
        """``source``: the arguments that tell the relay where its configuration is."""
        self._config, self._source = config, source
        self._process: subprocess.Popen | None = None
        self._tasks: list[asyncio.Task] = []
        self._unsent: asyncio.Queue[bytes] = asyncio.Queue(MOST_UNSENT)
        self._ended = asyncio.Event()
        self._reason = ""
        self._alive = -1
        self._fifo = Path()

    def _command(self, port: int) -> list[str]:
        relay = [sys.executable, "-m", "mcp_bridge.relay", *self._source, "--alive", str(self._fifo)]
        return [
            *(self._config.translate_python, "-m", "mcpgateway.translate", "--stdio", shlex.join(relay), "--expose-sse"),
            *("--host", "127.0.0.1", "--port", str(port), "--logLevel", "warning"),
        ]

    def _variables(self) -> dict[str, str]:
        # It insists on the gateway's settings; it gets values that open nothing and that live as long as the process.
        thrown = {name: secrets.token_urlsafe(48) for name in ("JWT_SECRET_KEY", "AUTH_ENCRYPTION_SECRET")}
        base = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": self._config.directory, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        kept = {name: os.environ[name] for name in ("PYTHONPATH", "TMPDIR") if name in os.environ}
        return {**base, **kept, **thrown, "EMAIL_AUTH_ENABLED": "false", "LOG_LEVEL": "WARNING"}

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._fifo = self._config.runtime_directory / f"alive-{os.getpid()}-{secrets.token_hex(4)}"
        os.mkfifo(self._fifo, 0o600)
        self._alive = os.open(self._fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        port = free_port(self._config.translate_ports)
        # Its own working directory: translate reads a .env that lies where it starts.
        self._process = spawn(self._command(port), self._variables(), self._config.directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        pidfd = os.pidfd_open(self._process.pid)
        loop.add_reader(pidfd, self._died, pidfd)
        loop.add_reader(self._alive, self._relay_news)
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=httpx.Timeout(10, read=None), trust_env=False)
        connected = loop.create_future()
        self._tasks = [loop.create_task(self._receive(connected)), loop.create_task(self._transmit(connected))]
        await connected

    def _relay_news(self) -> None:
        """A byte: the relay lives. End of file: it is gone, and its translate is of no use."""
        if not os.read(self._alive, 16):
            asyncio.get_running_loop().remove_reader(self._alive)
            self.kill("the relay ended")

    async def _receive(self, connected: asyncio.Future) -> None:
        try:
            while True:
                try:
                    async with self._client.stream("GET", "/sse") as stream:
                        async for event, data in events(stream):
                            if event == "endpoint":
                                connected.set_result(httpx.URL(data).raw_path.decode())
                            elif event == "message":
                                self.on_message(data.encode())
                    break
                except httpx.ConnectError:  # not listening yet
                    await asyncio.sleep(POLL_SECONDS)
            self.kill("its SSE stream ended")
        except httpx.HTTPError as error:
            self.kill(f"its SSE stream broke ({type(error).__name__})")

    async def _transmit(self, connected: asyncio.Future) -> None:
        endpoint = await asyncio.shield(connected)
        try:
            while True:
                answer = await self._client.post(endpoint, content=await self._unsent.get(), headers={"content-type": "application/json"})
                if answer.status_code >= 400:
                    self.kill(f"it refused a message with {answer.status_code}")
        except httpx.HTTPError as error:
            self.kill(f"it takes no messages ({type(error).__name__})")

    def send(self, message: bytes) -> None:
        if self._ended.is_set():
            raise GoneError
        try:
            self._unsent.put_nowait(message)
        except asyncio.QueueFull:
            raise BridgeError(BUSY, "translate does not take messages; try again later", "busy") from None

    def _died(self, pidfd: int) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(pidfd)
        os.close(pidfd)
        status = self._process.wait()
        loop.remove_reader(self._alive)
        os.close(self._alive)
        self._fifo.unlink(missing_ok=True)
        for task in self._tasks:
            task.cancel()
        self._tasks = [loop.create_task(self._client.aclose())]
        self._ended.set()
        self.on_end(self._reason or f"translate ended ({status})")

    def kill(self, reason: str = "") -> None:
        if self._process is not None and not self._ended.is_set():
            self._reason = self._reason or reason
            self._process.kill()

    async def stop(self) -> None:
        if self._process is None or self._ended.is_set():
            return
        self._process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), STOP_SECONDS)
            return
        self.kill()
        await self._ended.wait()

    @property
    def pids(self) -> list[int]:
        return [self._process.pid] if self._process is not None and not self._ended.is_set() else []


async def events(stream: httpx.Response) -> AsyncIterator[tuple[str, str]]:
    """Server-sent events: name and data."""
    name, data = "message", []
    async for line in stream.aiter_lines():
        if not line:
            if data:
                yield name, "\n".join(data)
            name, data = "message", []
        elif line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
