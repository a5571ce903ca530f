# SPDX-License-Identifier: GPL-3.0-or-later
"""A wrapped server as it is, over its own standard input and output: what everything else is measured against."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from tests.integration.conftest import Demo
from tests.integration.users_bridge import Person, configuration


class Bare:
    """Started by :meth:`first_answer`; ended at the end of the block."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._command, self._environment = command, environment
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> Bare:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    @property
    def pid(self) -> int:
        return self._process.pid

    def first_answer(self, question: dict) -> float:
        """Seconds from its start to the answer to a tool call."""
        began = time.perf_counter()
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(self._command, env=self._environment, text=True, **pipes)
        client = {"name": "bench", "version": "1"}
        self._ask(1, "initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client})
        self._tell({"jsonrpc": "2.0", "method": "notifications/initialized"})
        answer = self._ask(2, "tools/call", question)
        if "result" not in answer or answer["result"].get("isError"):
            raise SystemExit(f"bench: the bare server did not answer: {answer}")
        return time.perf_counter() - began

    def _ask(self, identity: int, method: str, params: dict) -> dict:
        self._tell({"jsonrpc": "2.0", "id": identity, "method": method, "params": params})
        for line in self._process.stdout:
            message = json.loads(line)
            if message.get("id") == identity:
                return message
        raise SystemExit("bench: the bare server ended")

    def _tell(self, message: dict) -> None:
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()


def bare(demo: Demo, engine: str, person: Person) -> Bare:
    """The wrapped server as it is, with this person's login."""
    config = configuration(demo, engine, Path("/nowhere"), {})
    environment = {**config["environment"], "PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    if engine == "postgres":
        environment |= {"PGUSER": person.login, "PGPASSWORD": person.password}
    else:
        users = config["users"]
        options = f"authSource=admin&tls=true&authMechanism=SCRAM-SHA-256&tlsCAFile={users['ca']}"
        login = f"{person.login}:{person.password}"
        environment["MDB_MCP_CONNECTION_STRING"] = f"mongodb://{login}@{users['host']}:{users['port']}/{users['database']}?{options}"
    return Bare(config["command"], environment)
