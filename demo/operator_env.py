# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator of the demo's team would do by hand: a vault key, and an encrypted .env with the login of a DBA for each service.

The passwords are drawn with the characters that break careless tools, so that every run proves that they arrive.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string, _declaration
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_env import TeamEnv

TEAM = "demo"
ODD = "@:/%?#'\"\\$ é"


def logins(home: Path) -> dict[str, dict[str, tuple[str, str]]]:
    """Service → ``{"admin": (login, password)}`` from the .env, drawn and stored first where it is missing; and ``"login"`` where somebody gave one."""
    state = json.loads((home / "state.json").read_text())
    env = TeamEnv(TEAM, str(home / "control" / ".env"), str(home / "control" / "vault.key"))
    env.create_key()
    values = env.read() if env.path.exists() else {}
    found, missing = {}, {}
    for engine in ("postgres", "mongodb") if state["mongodb"] else ("postgres",):
        for environment in ("dev", "prod"):
            name, given = _declaration.admin_key(engine, environment), _declaration.credential_key(engine, environment)
            if name not in values:
                password = secrets.token_urlsafe(18) + ODD
                port = state["ports"][engine]
                missing[name] = _connection_string.render(engine, f"credential_admin_{environment}", password, "localhost", port, f"shop_{environment}")
            found[f"{engine}-{environment}"] = {"admin": _login(values.get(name) or missing[name], engine)}
            if given in values:
                found[f"{engine}-{environment}"]["login"] = _login(values[given], engine)
    if missing:
        env.write({**values, **missing})
    return found


def _login(text: str, engine: str) -> tuple[str, str]:
    login = _connection_string.parse(text, engine)
    return login.user, login.password
