# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guard stands before which engine's tools. The guards are loaded when they are needed: a parser has its weight."""

from __future__ import annotations

from mcp_bridge.bridge import Guard
from mcp_bridge.config import Config


def for_service(config: Config) -> Guard:
    """Tool and arguments to the reason of a refusal, or None. The login's own grants stay the wall behind it."""
    if not config.guard or config.engine == "other":
        return lambda _tool, _arguments: None
    if config.engine == "postgres":
        from mcp_bridge import guard_sql

        return lambda _tool, arguments: _sql(guard_sql.refusal, arguments)
    from mcp_bridge import guard_mongodb

    return lambda tool, arguments: guard_mongodb.refusal(tool, arguments, read_only=config.read_only)


def _sql(refusal: object, arguments: dict) -> str | None:
    """Every text of a PostgreSQL tool is SQL until it is known to be something else."""
    for name, value in arguments.items():
        if not isinstance(value, str):
            return f"the argument {name} is not text"
        if why := refusal(value):
            return why
    return None
