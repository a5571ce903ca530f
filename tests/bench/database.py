# SPDX-License-Identifier: GPL-3.0-or-later
"""What is behind all wrappers: one PostgreSQL with TLS, and the command of one stdio MCP server for it. Programs are found, or installed from a lock."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.wrappers.discovery import REPOSITORY, node

HOME = REPOSITORY / ".cache" / "bench"
ENTRY = Path("node_modules/@modelcontextprotocol/server-postgres/dist/index.js")


@dataclass(frozen=True)
class Wrapped:
    """The server that every wrapper wraps: argv and the variables that it needs."""

    command: list[str]
    environment: dict[str, str]


def demo_python() -> Path:
    """The demo's environment (PostgreSQL is a package in it): a finished one that is there, else one of our own."""
    for folder in (REPOSITORY / ".cache/integration/venv", REPOSITORY / ".demo/venv"):
        if (folder / ".stamp").exists():
            return folder / "bin" / "python"
    subprocess.run([REPOSITORY / "scripts" / "venv", HOME / "venv", "requirements/demo.txt"], check=True, stdout=subprocess.DEVNULL)
    return HOME / "venv" / "bin" / "python"


def server_script() -> Path:
    """server-postgres as the collection installs it."""
    found = [path / ENTRY for path in (REPOSITORY / ".cache" / "integration").glob("*/lib/servers-*") if (path / ENTRY).exists()]
    if found:
        return max(found, key=lambda path: path.stat().st_mtime)
    folder, source = HOME / "servers", REPOSITORY / "roles" / "wrapped_services" / "files"
    if not (folder / ENTRY).exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(source / name, folder / name)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder / ENTRY


@contextmanager
def database() -> Iterator[Wrapped]:
    """A database that lives as long as the block."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "XDG_RUNTIME_DIR") if name in os.environ}
        environment |= {"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"}
        argv = [demo_python(), "-m", "tests.bench.postgres_host", folder]
        host = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        try:
            line = host.stdout.readline()
            if not line:
                raise RuntimeError("no database; what went wrong stands above")
            yield Wrapped([node(), str(server_script()), "postgresql://"], {"PATH": os.environ["PATH"], **json.loads(line)})
        finally:
            host.stdin.close()
            host.wait(30)
            host.stdout.close()
