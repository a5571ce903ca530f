# SPDX-License-Identifier: GPL-3.0-or-later
"""One wrapper that runs: its door, its processes, its end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

OPEN_FILES = 1024  # what systemd and most shells give a process; a wrapper that needs more has to ask for it
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_until(condition, seconds: float, pause: float = 0.02) -> bool:
    """For what cannot be awaited: looks again until it is so, or the time is over."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def processes() -> dict[int, tuple[int, str]]:
    """pid -> (parent's pid, time of start), of all processes that live (zombies do not)."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                if fields[0] not in "ZX":
                    found[int(entry.name)] = (int(fields[1]), fields[19])
    return found


def descendants(root: int) -> dict[int, str]:
    """pid -> time of start. The two together name a process for good; a pid alone is soon another's."""
    table, found, todo = processes(), {}, [root]
    while todo:
        parent = todo.pop()
        children = {pid: started for pid, (its, started) in table.items() if its == parent}
        found |= children
        todo += children
    return found


def runs(command: list[str]) -> list[int]:
    """Processes that were started with exactly this command: finds children that have lost their parents, too."""
    wanted, found = b"\0".join(argument.encode() for argument in command) + b"\0", []
    for pid in processes():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes() == wanted:
                found.append(pid)
    return found


def resident_bytes(pids: list[int]) -> int:
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    return total


def _in_the_child() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # a killed test run takes its wrappers along
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


@dataclass
class Running:
    """A wrapper in front of one stdio server. Nobody else on the machine runs `command`: its last argument is unique."""

    name: str
    url: str
    sse_url: str | None
    headers: dict[str, str]
    command: list[str]
    process: subprocess.Popen
    log: Path
    restarts_itself: bool
    promises_cancellation: bool
    call_seconds: float | None
    max_request_bytes: int | None
    has_door: bool
    seen: dict[int, str] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None

    def descendants(self) -> list[int]:
        found = descendants(self.pid)
        self.seen |= found
        return list(found)

    def survivors(self) -> list[int]:
        """What has been seen below this wrapper and lives, whoever its parent is now; and each copy of the wrapped server."""
        now = processes()
        return sorted({pid for pid, started in self.seen.items() if now.get(pid, (0, ""))[1] == started} | set(self.servers()))

    def servers(self) -> list[int]:
        """The copies of the wrapped server that live, orphans included."""
        return runs(self.command)

    def memory(self) -> int:
        """Resident bytes of the wrapper itself, without the wrapped servers."""
        servers = set(self.servers())
        return resident_bytes([self.pid, *(pid for pid in self.descendants() if pid not in servers)])

    def kill9(self) -> None:
        self.descendants()
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Politely, then not: after this there is no process of it left."""
        self.descendants()
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in self.survivors():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def spawn(argv: list[str], env: dict[str, str], folder: Path) -> tuple[subprocess.Popen, Path]:
    log = folder / "wrapper.log"
    with log.open("ab") as output:
        process = subprocess.Popen(  # the descriptors of the test run are not inherited
            argv, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, preexec_fn=_in_the_child
        )
    return process, log
