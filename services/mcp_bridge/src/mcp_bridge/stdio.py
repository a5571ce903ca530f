# SPDX-License-Identifier: GPL-3.0-or-later
"""A wrapped server that the bridge starts itself: JSON lines over its stdin and stdout."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess

from mcp_bridge.config import Config
from mcp_bridge.errors import BUSY, BridgeError, GoneError
from mcp_bridge.lines import Lines
from mcp_bridge.process import spawn

UNREAD_LIMIT = 8 * 1024 * 1024  # bytes that wait for a server that does not read
STOP_SECONDS = 3.0
LAST_WORDS_SECONDS = 0.2


class _Output(asyncio.Protocol):
    """The server's stdout."""

    def __init__(self, link: StdioLink, lines: Lines) -> None:
        self._link, self._lines = link, lines

    def data_received(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            self._link.on_message(line)

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.output_closed()


class StdioLink:
    """One process. Its end is noticed by the kernel's own news (a pidfd) or by the end of its output, whichever comes first."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._process: subprocess.Popen | None = None
        self._input: asyncio.WriteTransport | None = None
        self._output: asyncio.ReadTransport | None = None
        self._pidfd = -1
        self._status: int | None = None
        self._ended = asyncio.Event()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        config = self._config
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = spawn(config.command, config.variables(), config.directory, sandboxed=config.users is not None, **pipes)
        self._pidfd = os.pidfd_open(self._process.pid)
        loop.add_reader(self._pidfd, self._died)
        lines = Lines(config.limits.max_answer_bytes + 65536)
        self._output, _ = await loop.connect_read_pipe(lambda: _Output(self, lines), self._process.stdout)
        self._input, _ = await loop.connect_write_pipe(asyncio.Protocol, self._process.stdin)

    def send(self, message: bytes) -> None:
        if self._input is None or self._input.is_closing():
            raise GoneError
        if self._input.get_write_buffer_size() > UNREAD_LIMIT:
            raise BridgeError(BUSY, "the database server does not read its input; try again later", "busy")
        self._input.write(message + b"\n")

    def output_closed(self) -> None:
        """A server without an output is of no use, whether its process lives or not."""
        self._output = None
        if self._status is None:
            self.kill()
        else:
            self._finish()

    def _died(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._status = self._process.wait()  # it is dead: returns at once
        self._input.close()
        if self._output is None:
            self._finish()
        else:  # what it wrote before it died is still read; but no longer than this, should a child of its own hold the pipe
            asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, self._finish)

    def _finish(self) -> None:
        if self._ended.is_set():
            return
        self._ended.set()
        if self._output is not None:
            self._output.close()
        self.on_end(f"exit status {self._status}" if self._status >= 0 else f"signal {-self._status}")

    def kill(self) -> None:
        if self._process is not None and not self._ended.is_set():
            self._process.kill()

    async def stop(self) -> None:
        if self._process is None or self._ended.is_set():
            return
        self._input.close()
        self._process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), STOP_SECONDS)
            return
        self.kill()
        await self._ended.wait()

    @property
    def pids(self) -> list[int]:
        return [self._process.pid] if self._process is not None and not self._ended.is_set() else []
