# SPDX-License-Identifier: GPL-3.0-or-later
"""What the browser has to know of a demo, as JSON on stdout, for the other end of a pipe: ``python -m tests.pictures.described DEMO_HOME``."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_env import TeamEnv


def described(home: Path) -> dict:
    """``url`` of the gateway, ``admin`` and ``password``, ``target`` (address of the service for people), ``login`` (alice's, in headers), ``chromium``."""
    ports = json.loads((home / "state.json").read_text())["ports"]
    secrets = TeamEnv("demo", str(home / "control/.env"), str(home / "control/vault.key")).read()
    headers = json.loads((home / "client-alice.json").read_text())["mcpServers"]["demo-dev-postgres-users"]["headers"]
    return {
        "url": f"http://127.0.0.1:{ports['gateway']}",
        "admin": "mcp-admin@demo.example",
        "password": secrets["PLATFORM_ADMIN_PASSWORD"],
        "target": f"http://localhost:{ports['postgres-dev-users']}/mcp",
        "login": {name: value for name, value in headers.items() if name.startswith("X-Database")},
        "chromium": shutil.which("chromium"),
    }


if __name__ == "__main__":
    json.dump(described(Path(sys.argv[1]).resolve()), sys.stdout)
