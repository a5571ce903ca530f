# SPDX-License-Identifier: GPL-3.0-or-later
"""A real bridge process in front of a real stdio server that misbehaves on request; how tests speak to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

SOURCES = Path(__file__).parents[1] / "src"
STUB = Path(__file__).parents[3] / "tests/conformance/stub_server.py"
TOKEN = "token-of-a-test-" + "x" * 20


class Running:
    """One bridge, and how a caller speaks to it."""

    def __init__(self, config: dict, folder: Path, listening: socket.socket | None = None) -> None:
        self.folder = folder
        self.port = listening.getsockname()[1] if listening else config["listen"]["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.audit = folder / "audit.jsonl"
        (folder / "config.json").write_text(json.dumps({"runtime_directory": str(folder / "run"), "audit_file": str(self.audit), **config}))
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), "MCP_BRIDGE_TOKEN": TOKEN}
        command = [sys.executable, "-m", "mcp_bridge", "--config", str(folder / "config.json")]
        self.log = (folder / "log").open("ab")
        passed = [listening.fileno()] if listening else []
        self.process = subprocess.Popen(command, env=environment, stderr=self.log, pass_fds=passed)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)

    def rpc(self, method: str, identity: object = 1, **params: object) -> dict:
        body = {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}
        return httpx.post(f"{self.url}/mcp", json=body, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60).json()

    def call(self, tool: str, **arguments: object) -> dict:
        return self.rpc("tools/call", name=tool, arguments=arguments)

    def status(self) -> dict:
        return httpx.get(f"{self.url}/readyz", timeout=60).json()

    def answers(self, door: str) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(self.url + door, timeout=60).status_code == 200
        return False

    def children(self) -> list[int]:
        """Pids of all that descend from it."""
        parents = {}
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = entry.read_text().rpartition(")")[2].split()
                parents[int(entry.parent.name)] = (int(fields[1]), fields[0])
        found, frontier = [], [self.process.pid]
        while frontier:
            frontier = [pid for pid, (parent, state) in parents.items() if parent in frontier and state != "Z"]
            found += frontier
        return found

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.log.close()


def lives(pid: int) -> bool:
    """Whether that process runs; one that is dead and not yet collected by its parent does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
