# SPDX-License-Identifier: GPL-3.0-or-later
"""The bare wrapped server: what it does over its own pipes, without any wrapper, is the floor for latency and the ceiling for calls a second."""

from __future__ import annotations

import asyncio
import json
import subprocess

from tests.bench.channel import HELLO, INITIALIZED, LOST, OnAnswer, ask, request
from tests.bench.database import Wrapped


class StdioChannel(asyncio.Protocol):
    """One process. It is driven with ids that are its own alone, whatever ids the callers use."""

    def __init__(self, wrapped: Wrapped) -> None:
        self._wrapped = wrapped
        self._waiting: dict[int, OnAnswer] = {}
        self._next, self._rest = 0, b""
        self.process: subprocess.Popen | None = None

    async def open(self) -> None:
        """Start it and shake hands."""
        loop = asyncio.get_running_loop()
        self.process = subprocess.Popen(
            self._wrapped.command, env=self._wrapped.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._output, _ = await loop.connect_read_pipe(lambda: self, self.process.stdout)
        self._input, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self.process.stdin)
        await ask(self, 1, "initialize", HELLO)
        self._input.write(INITIALIZED + b"\n")

    def send(self, identity: int, method: str, params: bytes, on_answer: OnAnswer) -> None:
        self._next += 1
        self._waiting[self._next] = on_answer
        self._input.write(request(self._next, method, params) + b"\n")

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            waiting = self._waiting.pop(json.loads(line).get("id"), None)
            if waiting is not None:
                waiting(200, line)

    def connection_lost(self, exc: Exception | None) -> None:
        lost, self._waiting = self._waiting, {}
        for waiting in lost.values():
            waiting(LOST, b"")

    def close(self) -> None:
        """Callers share it, so this is for its owner alone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self._input.close()
            self._output.close()
