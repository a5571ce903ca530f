# SPDX-License-Identifier: GPL-3.0-or-later
"""One real demo for all integration tests: embedded databases, real gateway, real wrapped servers, under .cache/integration.

As root it runs in a user namespace as uid 1000, so that the tests see what a person without root sees.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from ansible_collections.mcp.tenancy.plugins.plugin_utils import _credentials_file
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_env import TeamEnv

REPOSITORY = Path(__file__).resolve().parents[2]
HOME = REPOSITORY / ".cache" / "integration"
#: The wrapper of tests that only need one: it starts faster. Whoever looks at what a second deploy changes must say which.
BRIDGE = ("-e", "mcp_wrapper=bridge")
UNPRIVILEGED = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []


@dataclass
class Demo:
    """A running demo and what tests do with it."""

    home: Path
    first: str  # what the first run printed

    def run(self, *command: str, timeout: int = 900, **environment: str) -> subprocess.CompletedProcess:
        """A command as the demo's user, in the repository."""
        return run([*map(str, command)], timeout=timeout, MCP_DEMO_HOME=str(self.home), ANSIBLE_HOME=str(self.home / "ansible"), **environment)

    def up(self, **environment: str) -> subprocess.CompletedProcess:
        return make("demo", **environment)

    def deploy(self, *arguments: str, inventory: str = "inventories/demo", **environment: str) -> subprocess.CompletedProcess:
        return self.playbook("deploy.yml", *arguments, inventory=inventory, **environment)

    def playbook(
        self, name: str, *arguments: str, inventory: str = "inventories/demo", checkout: Path = REPOSITORY, **environment: str
    ) -> subprocess.CompletedProcess:
        command = [str(REPOSITORY / ".venv/bin/ansible-playbook"), str(checkout / name), "-i", str(checkout / inventory), *arguments]
        return self.run(*command, **environment, **({} if checkout == REPOSITORY else {"ANSIBLE_CONFIG": str(checkout / "ansible.cfg")}))

    def disturbed(self, line: str, disturb: Callable[[subprocess.Popen], None], name: str, *arguments: str) -> tuple[int, str]:
        """Run a playbook, and ``disturb`` when it prints ``line``. Its exit and what it said. Fails when that line never comes."""
        command = [*UNPRIVILEGED, str(REPOSITORY / ".venv/bin/ansible-playbook"), name, "-i", "inventories/demo", *arguments]
        given = {**environment_of_nobody(), "MCP_DEMO_HOME": str(self.home), "ANSIBLE_HOME": str(self.home / "ansible"), "PYTHONUNBUFFERED": "1"}
        said, done = [], False
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with subprocess.Popen(command, cwd=REPOSITORY, env=given, text=True, start_new_session=True, **pipes) as run:
            for text in run.stdout:
                said.append(text)
                if not done and text.startswith(line):
                    done = True
                    disturb(run)
        assert done, f"{line} was not seen in:\n{''.join(said)[-3000:]}"
        return run.returncode, "".join(said)

    def killed_at(self, line: str, name: str, *arguments: str, after: float = 0) -> None:
        """A playbook of which the whole process group is killed so many seconds after it prints ``line``. What it started on a host goes on for a moment."""

        def kill(run: subprocess.Popen) -> None:
            time.sleep(after)  # a moment inside of the task, not a wait for something
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)

        self.disturbed(line, kill, name, *arguments)

    @property
    def env(self) -> TeamEnv:
        """The operator's file."""
        return TeamEnv("demo", str(self.home / "control/.env"), str(self.home / "control/vault.key"))

    @property
    def credentials(self) -> dict:
        """The entries of the credentials' document, decrypted."""
        held = json.loads((self.home / "team/etc/credentials.json").read_text())
        return _credentials_file.opened(held, self.env.keys(), "demo")["credentials"]

    @contextlib.contextmanager
    def operator_env(self, **values: str) -> Iterator[None]:
        """The operator's file with other values for the length of a block."""
        before = self.env.read()
        self.env.write({**before, **values})
        try:
            yield
        finally:
            self.env.write(before)

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


def environment_of_nobody() -> dict[str, str]:
    """This process's environment without what make, pytest and virtual environments put there."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "ANSIBLE_CONFIG", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL")}


def run(command: list[str], timeout: int = 900, **environment: str) -> subprocess.CompletedProcess:
    given = {**environment_of_nobody(), **environment}
    return subprocess.run(
        [*UNPRIVILEGED, *command],
        cwd=REPOSITORY, env=given, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=timeout,
    )  # fmt: skip


def make(target: str, **environment: str) -> subprocess.CompletedProcess:
    return run(["make", "--no-print-directory", target, f"DEMO_HOME={HOME}"], **environment)


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """Up once, stopped in the end; what is installed stays for the next session of tests. MCP_TEST_DEMO names one that runs, for whoever writes a test."""
    if there := os.environ.get("MCP_TEST_DEMO"):
        yield Demo(Path(there).resolve(), "")
        return
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
