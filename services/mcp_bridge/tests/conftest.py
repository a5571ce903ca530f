# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from running_bridge import STUB, Running, free_port, wait_for


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """``start(listening=None, door="/readyz", **config)``: a bridge that answers at that door."""
    running: list[Running] = []

    def make(listening: socket.socket | None = None, door: str = "/readyz", **config: object) -> Running:
        folder = tmp_path / str(len(running))
        folder.mkdir()
        listen = {"fd": listening.fileno()} if listening else {"port": free_port()}
        bridge = Running({"service": "stub", "command": [sys.executable, "-I", str(STUB)], "listen": listen, **config}, folder, listening)
        running.append(bridge)
        wait_for(lambda: bridge.answers(door), 30, f"{door} answers")
        return bridge

    yield make
    for bridge in running:
        if bridge.process.poll() is None:
            bridge.stop()
