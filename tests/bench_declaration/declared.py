# SPDX-License-Identifier: GPL-3.0-or-later
"""A declaration of so many environments, each with both engines, people's own logins and members; and the same with mistakes in every one of them."""

from __future__ import annotations

import copy

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string, _declaration

HOSTS = [f"gw{number}" for number in range(1, 11)]


def team(environments: int) -> dict:
    """Valid. Ports are given, since those that are derived meet by chance where there are hundreds."""
    return {
        "mcp_team": "team_a",
        "mcp_runtime": "systemd",
        "mcp_wrapper": "translate",
        "mcp_gateway_port": 4444,
        "mcp_gateway_settings": {"LOG_LEVEL": "INFO"},
        "mcp_gateway_admin_email": "mcp-admin@team-a.example",
        "mcp_root": "/srv/mcp-tenancy/team_a",
        "mcp_runtime_directory": "/run/mcp-tenancy/team_a",
        "mcp_environments": [_environment(number) for number in range(environments)],
    }


def _environment(number: int) -> dict:
    def database(engine: str, port: int, **more: object) -> dict:
        users = {"accepts": ["headers", "stored"], "service_port": port + 1}
        return {"host": f"{engine}{number}.team-a.internal", "database": f"team_a_{number}", "ca": "ca.pem", "service_port": port, "users": users, **more}

    return {
        "name": f"e{number}",
        "hosts": HOSTS,
        "postgres": database("pg", 10000 + 4 * number, limits={"max_rows": 500}),
        "mongodb": database("mongo", 10002 + 4 * number),
        "members": [f"person{number + one}@team-a.example" for one in range(5)],
        "upstreams": [{"name": "wiki", "url": f"https://wiki{number}.team-a.example/mcp", "transport": "STREAMABLEHTTP"}],
    }


def wrong(declaration: dict) -> dict:
    """Each environment with a mistyped name, a port that is none, a member who is no address and the database of the one before."""
    found = copy.deepcopy(declaration)
    before = found["mcp_environments"][-1]
    for environment in found["mcp_environments"]:
        environment["member"] = environment.pop("members")[:-1]
        environment["postgres"]["port"] = "no port"
        environment["mongodb"] |= {name: before["mongodb"][name] for name in ("host", "database")}
        environment["hosts"] = [*HOSTS, "gw99"]
        before = environment
    return found


def env(declaration: dict) -> dict[str, str]:
    """What its operator has in the ``.env``."""
    values = {name: f"{name}-of-the-bench" for name in _declaration.OWN_SECRETS}
    for service in _declaration.services(declaration):
        target = service["database"]
        name = _declaration.admin_key(service["engine"], service["environment"])
        values[name] = _connection_string.render(service["engine"], "admin", "drawn", target["host"], target["port"], target["database"], target["parameters"])
    return values
