# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the programs are that the wrappers are made of: named by the environment, else found, else installed from a lock.

Installing takes a minute once; it happens below .cache/conformance, which is no part of the repository.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
HOME = REPOSITORY / ".cache" / "conformance"


def _python_of(folder: Path) -> Path:
    return folder / "bin" / "python"


def _installed(name: str, lock: str) -> Path:
    """A virtual environment that holds exactly this lock."""
    folder = HOME / name
    subprocess.run([REPOSITORY / "scripts" / "venv", folder, lock], check=True, stdout=subprocess.DEVNULL)
    return _python_of(folder)


def _newest(name: str) -> Path | None:
    found = [path for path in (REPOSITORY / ".cache" / "integration").glob(f"*/lib/{name}-*") if _python_of(path).exists()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def gateway_python() -> Path:
    """The gateway's own installation, as the integration tests deploy it: mcpgateway.translate is a part of it."""
    if named := os.environ.get("MCP_GATEWAY_VENV"):
        return _python_of(Path(named))
    if found := _newest("gateway"):
        return _python_of(found)
    return _installed("gateway", "roles/gateway/files/requirements.txt")


def mcp_proxy_python() -> Path:
    return _installed("mcp-proxy", "requirements/peers.txt")


def fastmcp_python() -> Path:
    return _installed("fastmcp", "tests/wrappers/fastmcp/requirements.txt")


def node() -> str:
    if named := os.environ.get("MCP_NODE"):
        return named
    if found := shutil.which("node"):
        return found
    raise FileNotFoundError("no node on PATH; name one in $MCP_NODE")


def supergateway_script() -> Path:
    """Installed with npm from the committed lock; npm's own configuration says from where."""
    source, folder = Path(__file__).parent / "supergateway", HOME / "supergateway"
    script, lock = folder / "node_modules" / "supergateway" / "dist" / "index.js", folder / "package-lock.json"
    if not script.exists() or lock.read_bytes() != (source / lock.name).read_bytes():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(source / name, folder / name)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return script


def bridge_python() -> Path:
    """An environment that holds what the bridge imports; the bridge itself is run from its source."""
    if named := os.environ.get("MCP_BRIDGE_VENV"):
        return _python_of(Path(named))
    return _installed("bridge", "roles/bridge/files/requirements.txt")
