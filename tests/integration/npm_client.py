# SPDX-License-Identifier: GPL-3.0-or-later
"""mcporter, an MCP client from npm, unmodified, from a committed lock; run with the Node.js of the demo's own wrapped servers.

Installing takes some seconds once; it happens below .cache, which is no part of the repository.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from tests.integration.conftest import REPOSITORY, Demo

SOURCE, FOLDER = REPOSITORY / "tests" / "clients", REPOSITORY / ".cache" / "clients"


def node(demo: Demo) -> Path:
    """The one that the demo's wrapped servers are started with."""
    services = json.loads((demo.home / "team/etc/services.json").read_text())["services"]
    return Path(next(word for service in services.values() for word in words(service) if word.endswith("/node")))


def words(value: object) -> list[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [word for part in parts for word in words(part)]


def environment(demo: Demo) -> dict[str, str]:
    """A home folder of its own: what else is configured on this machine is not for the test."""
    home = FOLDER / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {"PATH": f"{node(demo).parent}:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", "npm_config_userconfig": str(Path.home() / ".npmrc")}


def script(demo: Demo) -> Path:
    """The client's entry point, installed first when it is not there as the lock says."""
    lock = FOLDER / "package-lock.json"
    if not lock.exists() or lock.read_bytes() != (SOURCE / lock.name).read_bytes():
        shutil.rmtree(FOLDER / "node_modules", ignore_errors=True)
        FOLDER.mkdir(parents=True, exist_ok=True)
        given = environment(demo)
        work = FOLDER / "new"
        work.mkdir(exist_ok=True)
        for name in ("package.json", lock.name):
            shutil.copyfile(SOURCE / name, work / name)
        own = node(demo).parent.parent / "lib/node_modules/npm/bin/npm-cli.js"  # of a Node.js that came from PyPI
        npm = [node(demo), own] if own.exists() else [shutil.which("npm", path=given["PATH"])]
        subprocess.run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=work, env=given, check=True)
        (work / "node_modules").rename(FOLDER / "node_modules")
        (work / lock.name).rename(lock)  # last: it says that the rest is whole
        shutil.rmtree(work)
    return FOLDER / "node_modules" / "mcporter" / "dist" / "cli.js"


def run(demo: Demo, *arguments: str) -> subprocess.CompletedProcess:
    """One command of mcporter with the file of ``demo`` as its whole configuration."""
    command = [node(demo), script(demo), "--config", demo.file, *arguments]
    return subprocess.run(command, cwd=FOLDER / "home", env=environment(demo), capture_output=True, text=True, check=False, timeout=60)
