# SPDX-License-Identifier: GPL-3.0-or-later
"""One real demo for all integration tests: embedded databases, real gateway, real wrapped servers, under .cache/integration.

As root it runs in a user namespace as uid 1000, so that the tests see what a person without root sees.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HOME = REPOSITORY / ".cache" / "integration"
UNPRIVILEGED = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []


@dataclass
class Demo:
    """A running demo and what tests do with it."""

    home: Path
    first: str  # what the first run printed

    def run(self, *command: str, timeout: int = 900, **environment: str) -> subprocess.CompletedProcess:
        """A command as the demo's user, in the repository."""
        return run([*map(str, command)], timeout=timeout, MCP_DEMO_HOME=str(self.home), ANSIBLE_HOME=str(self.home / "ansible"), **environment)

    def up(self) -> subprocess.CompletedProcess:
        return make("demo")

    def deploy(self, *arguments: str, inventory: str = "inventories/demo", **environment: str) -> subprocess.CompletedProcess:
        return self.run(str(REPOSITORY / ".venv/bin/ansible-playbook"), "deploy.yml", "-i", inventory, *arguments, **environment)

    @property
    def state(self) -> dict:
        return json.loads((self.home / "state.json").read_text())

    @property
    def clients(self) -> dict:
        return json.loads((self.home / "client.json").read_text())["mcpServers"]

    def processes(self) -> dict[int, list[str]]:
        """Pid → argv of everything that belongs to this demo."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
                environment = (entry / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if int(entry.name) != os.getpid() and (
                str(self.home) in " ".join(argv) or f"={self.home}/team" in environment or f"={self.home}/databases" in environment
            ):
                found[int(entry.name)] = argv
        return found

    def call(self, server: str, tool: str, arguments: dict) -> httpx.Response:
        """One raw tools/call at a virtual server with its own token."""
        entry = self.clients[server]
        return self.rpc(entry["url"], entry["headers"], "tools/call", {"name": tool, "arguments": arguments})

    @staticmethod
    def rpc(url: str, headers: dict, method: str, params: dict | None = None) -> httpx.Response:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        accept = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
        return httpx.post(url, json=body, headers={**headers, **accept}, timeout=60)

    def ask_postgres(self, environment: str, sql: str) -> str:
        """Rows as text; raises when the call did not work."""
        answer = self.call(f"demo-{environment}", f"demo-{environment}-postgres-query", {"sql": sql}).json()
        assert not answer.get("error") and not answer["result"].get("isError"), answer
        return answer["result"]["content"][0]["text"]

    def ask_mongodb(self, environment: str, tool: str, **arguments: object) -> str:
        place = {"connectionId": "preconfigured", **arguments}
        if "collection" in arguments:
            place["database"] = f"shop_{environment}"
        answer = self.call(f"demo-{environment}", f"demo-{environment}-mongodb-{tool}", place).json()
        assert not answer.get("error") and not answer["result"].get("isError"), answer
        return "\n".join(block["text"] for block in answer["result"]["content"])


def run(command: list[str], timeout: int = 900, **environment: str) -> subprocess.CompletedProcess:
    given = {**os.environ, **environment}
    for name in ("PYTHONPATH", "ANSIBLE_CONFIG", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL"):
        given.pop(name, None)
    return subprocess.run(
        [*UNPRIVILEGED, *command],
        cwd=REPOSITORY, env=given, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=timeout,
    )  # fmt: skip


def make(target: str) -> subprocess.CompletedProcess:
    return run(["make", "--no-print-directory", target, f"DEMO_HOME={HOME}"])


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """Up once, stopped in the end; what is installed stays for the next session of tests."""
    done = make("demo")
    assert done.returncode == 0, done.stdout[-6000:]
    sys.stdout.write(done.stdout)
    yield Demo(HOME, done.stdout)
    stopped = make("demo-stop")
    assert stopped.returncode == 0, stopped.stdout[-3000:]
    assert Demo(HOME, "").processes() == {}, "make demo-stop leaves no process"


def recap(output: str) -> dict[str, int]:
    """Ansible's counts of the last play recap."""
    return {name: int(count) for name, count in re.findall(r"(ok|changed|unreachable|failed)=(\d+)", output.rpartition("PLAY RECAP")[2])}
