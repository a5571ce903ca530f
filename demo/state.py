# SPDX-License-Identifier: GPL-3.0-or-later
"""What a demo remembers between two runs: ports and its folder on tmpfs. No secret."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

PORT_NAMES = ("postgres", "mongodb", "gateway", "postgres-dev", "postgres-prod", "mongodb-dev", "mongodb-prod", "postgres-dev-users", "mongodb-dev-users")
TMPFS_MAGIC = "tmpfs"
PORT_RANGE, PORT_TRIES = (12000, 32000), 500


class DemoError(Exception):
    """What is wrong, with the next step."""


@dataclass(frozen=True)
class State:
    """``ports`` by name, the folder on tmpfs, whether the MongoDB-protocol server can run (it needs Python 3.13) and whether this machine gives people
    without root a sandbox for each other's processes (user namespaces)."""

    ports: dict[str, int]
    runtime_directory: str
    mongodb: bool
    sandbox: bool = False

    def run(self) -> Path:
        return Path(self.runtime_directory)


def load(home: Path) -> State:
    """The remembered state; made and remembered first when there is none, also when an earlier run was cut off in between."""
    path = home / "state.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    if set(known.get("ports", {})) == set(PORT_NAMES):
        state = State(**known)
    else:  # there is none, or that of an earlier release, which knew fewer ports
        ports = {**free_ports(), **known.get("ports", {})}
        state = State(ports, known.get("runtime_directory") or str(runtime_directory(home)), sys.version_info >= (3, 13), sandbox_possible())
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=home, prefix=".state-")
        with os.fdopen(handle, "w") as stream:
            json.dump(asdict(state), stream, indent=2)
        os.replace(temporary, path)
    own_folder(state.run())
    return state


def sandbox_possible() -> bool:
    """Whether this user may make user namespaces: some kernels and most containers do not let them."""
    command = ["unshare", "--user", "--map-current-user", "--mount", "--pid", "--fork", "true"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def free_ports() -> dict[str, int]:
    """A free loopback port for each name. All are held at once, so that no two are the same.

    Below the kernel's ephemeral range: a port from there may be an outgoing connection's when the demo comes back to it.
    """
    held: list[socket.socket] = []
    try:
        for port in random.sample(range(*PORT_RANGE), PORT_TRIES):
            with contextlib.suppress(OSError):
                held.append(socket.create_server(("127.0.0.1", port)))
            if len(held) == len(PORT_NAMES):
                return {name: server.getsockname()[1] for name, server in zip(PORT_NAMES, held, strict=True)}
    finally:
        for server in held:
            server.close()
    raise DemoError(f"no {len(PORT_NAMES)} free ports on loopback between {PORT_RANGE[0]} and {PORT_RANGE[1]}. Next: end what listens there")


def runtime_directory(home: Path) -> Path:
    """A short path on tmpfs (a socket's path may have 107 bytes), of its own for each demo."""
    label = hashlib.sha256(os.fsencode(home.absolute())).hexdigest()[:8]
    given = os.environ.get("XDG_RUNTIME_DIR")
    for base in [Path(given)] if given else []:
        if base.is_dir() and os.access(base, os.W_OK) and filesystem(base) == TMPFS_MAGIC:
            return base / f"mcp-tenancy-{label}"
    if filesystem(Path("/dev/shm")) != TMPFS_MAGIC:
        raise DemoError("/dev/shm is not on tmpfs, and clear secrets do not go to a disk. Next: set XDG_RUNTIME_DIR to a folder on tmpfs")
    return Path(f"/dev/shm/mcp-tenancy-{os.geteuid()}-{label}")


def filesystem(path: Path) -> str:
    """The type of the file system of a mount that holds ``path``; the longest mount point wins."""
    best = ("", "")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, kind = line.split()[4], line.partition(" - ")[2].split()[0]
        if path.is_relative_to(mount) and len(mount) >= len(best[0]):
            best = (mount, kind)
    return best[1]


def own_folder(path: Path) -> None:
    """Make sure that the folder is there, ours, and closed to others. /dev/shm is everybody's: somebody may have been there first."""
    path.mkdir(exist_ok=True, mode=0o700)
    status = path.lstat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o077 or path.is_symlink():
        raise DemoError(f"{path} is not ours alone. Next: find out who made it, remove it, run again")


def check_port(name: str, port: int) -> None:
    """A port that we are about to listen on must be free."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        raise DemoError(
            f"port {port} ({name}) was taken by another program since the last run. Next: end that program, or make demo-clean and make demo"
        ) from None
