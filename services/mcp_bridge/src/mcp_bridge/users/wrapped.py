# SPDX-License-Identifier: GPL-3.0-or-later
"""How one person's wrapped server is started: the service's own command and settings, in a sandbox, with this login at this database and nothing else. Pure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from mcp_bridge import database_tls
from mcp_bridge.config import Config, ConfigError
from mcp_bridge.users import connection_string, sandbox
from mcp_bridge.users.credential import Credential

DENSE, SPARE = Path(__file__).with_name("dense"), Path(__file__).with_name("spare.mjs")
#: What a server that waits for a login loads ahead, beside its own program.
AHEAD = {"postgres": [], "mongodb": ["lib.js", "allTools.js"]}


def settings(config: Config, credential: Credential | None) -> Config:
    """None: a server that can log in nowhere, to ask what tools there are."""
    users = config.users
    command = sandbox.command(sandbox.find(users.sandbox), users.visible, users.memory_bytes, config.command)
    environment = {**config.environment, "HOME": sandbox.HOME, **login(config, credential)}
    return replace(config, command=command, environment=environment, env_file=None)


def can_wait(config: Config) -> bool:
    """Whether it is a program that :data:`SPARE` can become."""
    return "/node_modules/" in config.command[1]


def spare(config: Config) -> Config:
    """The same before it is known whose it will be. Its login is the first line that it is sent."""
    users, (node, *program) = config.users, config.command
    inside = [node, str(SPARE), ",".join(AHEAD[config.engine]), *program]
    command = sandbox.command(sandbox.find(users.sandbox), [*users.visible, str(SPARE)], users.memory_bytes, inside)
    return replace(config, command=command, environment={**config.environment, "HOME": sandbox.HOME}, env_file=None)


def dense(config: Config) -> Config:
    """The one process of all logins: it has none when it starts. Raises ConfigError where the wrapped server is none that there is such a form of."""
    users, (node, program) = config.users, config.command[:2]
    modules, found, _rest = program.rpartition("/node_modules/")
    if not found:
        raise ConfigError("users.dense is for the wrapped servers of this collection only. Next: leave it out")
    modules += found.rstrip("/")
    inside = [node, str(DENSE / f"{config.engine}.mjs"), modules]
    command = sandbox.command(sandbox.find(users.sandbox), [*users.visible, str(DENSE)], users.memory_bytes, inside)
    environment = {**config.environment, "HOME": sandbox.HOME}
    if config.engine == "postgres":
        of_tls = {"mode": database_tls.mode_of(config.engine, users.parameters), "ca": users.ca, "client": users.client}
        environment |= {"MCP_DENSE_TLS": json.dumps(of_tls)}
        environment |= {"MCP_DENSE_CONNECTIONS": str(users.connections), "MCP_DENSE_ANSWER_BYTES": str(config.limits.max_answer_bytes)}
    else:
        environment["MCP_DENSE_CONNECTION_STRING"] = login(config, None)["MDB_MCP_CONNECTION_STRING"]
    return replace(config, command=command, environment=environment, env_file=None)


def login(config: Config, credential: Credential | None) -> dict[str, str]:
    """The variables in which a wrapped server takes a login."""
    users = config.users
    if config.engine == "postgres":
        return {} if credential is None else {"PGUSER": credential.user, "PGPASSWORD": credential.password}
    user, password = ("nobody", "none") if credential is None else (credential.user, credential.password)
    files = {name: path for name, path in (("tlsCAFile", users.ca), ("tlsCertificateKeyFile", users.client)) if path}
    parameters = {**users.parameters, "authMechanism": "SCRAM-SHA-256", **files}
    return {"MDB_MCP_CONNECTION_STRING": connection_string.render("mongodb", user, password, users.host, users.port, users.database, parameters)}
