# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator does while clients call: deploys (whole, in check mode, killed), and a load whose every answer is looked at."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from two_teams import Client

REPOSITORY = Path(__file__).resolve().parents[3]
INVENTORIES = os.environ.get("SCENARIO_INVENTORIES", "inventories/team_a inventories/team_b molecule/default/inventory").split()
#: Callers with markers of their own, alternating between environments; what is not the caller's own row is told, with when and how long it took.
LOAD = """
import asyncio, json, os, sys, time
import httpx2

entries = json.load(open(sys.argv[1]))["mcpServers"]
targets, callers, pause, stop = json.loads(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
told = {"right": 0, "errors": [], "slowest": 0.0}

async def caller(number):
    count = 0
    async with httpx2.AsyncClient(timeout=90) as client:
        while not os.path.exists(stop):
            count += 1
            entry, tool, *database = targets[(number + count) % len(targets)]
            marker = f"{number}/{count}"
            arguments = {"sql": f"SELECT '{marker}' AS marker"}
            if database:
                pipeline = [{"$match": {"_id": 1}}, {"$project": {"marker": {"$literal": marker}}}]
                arguments = {"connectionId": "preconfigured", "database": database[0], "collection": "owner", "pipeline": pipeline}
            params = {"name": tool, "arguments": arguments}
            headers = {**entries[entry]["headers"], "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
            began = time.monotonic()
            try:
                body = {"jsonrpc": "2.0", "id": count, "method": "tools/call", "params": params}
                answer = await client.post(entries[entry]["url"], headers=headers, json=body)
                result, text = answer.json()["result"], answer.text
                said = "".join(block["text"] for block in result["content"])
                right = f'"marker":"{marker}"' in said if database else json.loads(said) == [{"marker": marker}]
            except (httpx2.HTTPError, KeyError, ValueError, IndexError) as error:
                right, text = False, repr(error) if isinstance(error, httpx2.HTTPError) else f"{answer.status_code} {answer.text}"
            took = time.monotonic() - began
            told["slowest"] = max(told["slowest"], took)
            if right:
                told["right"] += 1
            else:
                told["errors"].append([round(took, 2), text[:300]])
                await asyncio.sleep(0.2)
            await asyncio.sleep(pause)

async def main():
    await asyncio.gather(*(caller(number) for number in range(callers)))

asyncio.run(main())
json.dump(told, open(stop + ".told", "w"))
"""


@dataclass
class Load:
    """What a load was answered, once it is over."""

    right: int = 0
    errors: list[tuple[float, str]] = field(default_factory=list)
    slowest: float = 0.0


@contextlib.contextmanager
def load(client: Client, team: str, targets: list[tuple[str, ...]], callers: int = 4, pause: float = 0) -> Iterator[Load]:
    """``targets``: entries of the client configuration, each with the tool to call, and for MongoDB's the database.

    ``pause``: seconds of a caller after each answer.
    """
    stop = f"/root/stop-{team}"
    client.host.check_output("rm -f %s %s.told", stop, stop)
    given = f"/root/{team}.json {_quoted(json.dumps(targets))} {callers} {pause} {stop}"
    started = f"setsid {client.python} -c {_quoted(LOAD)} {given} >/root/load-{team}.log 2>&1 </dev/null &"
    client.host.check_output("sh -c %s", started)
    told = Load()
    try:
        yield told
    finally:
        client.host.check_output("touch %s", stop)
    until(lambda: client.host.file(f"{stop}.told").exists, 120, "the load ends: " + client.host.run(f"cat /root/load-{team}.log").stdout)
    for name, value in json.loads(client.host.file(f"{stop}.told").content_string).items():
        setattr(told, name, value)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def until(condition: object, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.3)


def command(*arguments: str, name: str = "deploy.yml") -> tuple[list[str], dict[str, str]]:
    environment = {**os.environ, "MOLECULE_PROJECT_DIRECTORY": str(REPOSITORY), "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".collections")}
    environment |= {"ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3", "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")}
    environment |= {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}  # molecule asks for colours
    return ["ansible-playbook", name, *(part for path in INVENTORIES for part in ("-i", path)), *arguments], environment


def deploy(*arguments: str) -> subprocess.CompletedProcess:
    return playbook("deploy.yml", *arguments)


def playbook(name: str, *arguments: str) -> subprocess.CompletedProcess:
    argv, environment = command(*arguments, name=name)
    return subprocess.run(argv, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=900)


def canary(*arguments: str) -> subprocess.CompletedProcess:
    """``scripts/canary`` with the scenario's own Python: a team's secrets, looked for everywhere. Its table is on stdout."""
    _argv, environment = command()
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (REPOSITORY / ".collections", REPOSITORY)))
    argv = [sys.executable, "-m", "tests.canary", *(part for path in INVENTORIES for part in ("-i", path)), *arguments]
    return subprocess.run(argv, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=900)


def deploy_killed_at(moment: str, *arguments: str) -> None:
    """``kill -9`` as soon as Ansible says that it starts a task whose name begins so. What it started on a host goes on for a moment."""
    argv, environment = command(*arguments)
    with subprocess.Popen(
        argv, env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL, start_new_session=True
    ) as running:
        assert any(moment in line for line in running.stdout), moment
        os.killpg(running.pid, signal.SIGKILL)


def killed_deploy_is_finished(client: Client, moment: str, number: int) -> None:
    """Kill a deploy to team_b's host there; the next run finishes, the one after it has nothing to do. What is edited changes with ``number``."""
    edited = {"mcp_gateway_settings": {"LOG_LEVEL": ("WARNING", "ERROR")[number % 2]}, "mcp_client_days": 20 + number}
    edit = ("--limit", "team-b-gw1", "-e", json.dumps(edited))
    deploy_killed_at(moment, *edit)
    finished = deploy(*edit)
    assert recap(finished, "team-b-gw1")["failed"] == 0, finished.stdout[-3000:]
    assert recap(deploy(*edit), "team-b-gw1")["changed"] == 0
    assert not client.ask("team_b", "team-b-dev", "team-b-dev-postgres-query", sql="SELECT 1 AS one")["error"]


def recap(done: subprocess.CompletedProcess, host: str) -> dict[str, int]:
    """Ansible's counts for one host."""
    line = re.search(rf"^{re.escape(host)} +: (.*)$", done.stdout.rpartition("PLAY RECAP")[2], re.MULTILINE)
    assert line, done.stdout[-3000:]
    return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", line[1])}
