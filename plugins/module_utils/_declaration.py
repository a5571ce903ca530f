# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""From one declaration of a team to everything that follows from it: services, ports, variables, registrations. Pure.

``declaration`` is the ``mcp_*`` variables of a host as a plain dict, already valid (see :mod:`_declaration_check`).
"""

from __future__ import annotations

import hashlib
import hmac
import zlib

ENGINES = ("postgres", "mongodb")
#: Ports that are derived from a service's name lie in here; outside the ephemeral range of Linux (32768 and up).
PORT_RANGE = (20000, 29999)
GATEWAY_PORT = 4444

#: Settings of the gateway that the collection itself decides, with the reason. Values are text, as the environment has them.
GATEWAY_SETTINGS = {
    "HOST": "127.0.0.1",  # the edge is the only way in from the network
    "ENVIRONMENT": "production",  # also a claim in tokens
    "AUTH_REQUIRED": "true",
    "EMAIL_AUTH_ENABLED": "true",
    "ALLOW_PUBLIC_VISIBILITY": "false",
    "SSRF_ALLOW_LOCALHOST": "true",  # the wrapped services listen on loopback
    "SSRF_ALLOW_PRIVATE_NETWORKS": "false",
    "RATE_LIMITING_ENABLED": "false",  # it limits per address and locks a whole proxy out for 15 minutes; the edge limits per client
    "RATE_LIMIT_LOCKOUT_ENABLED": "false",
    "TOOL_RATE_LIMIT": "1000",
    "MCPGATEWAY_UI_ENABLED": "false",
    "MCPGATEWAY_ADMIN_API_ENABLED": "false",
    "LEGACY_API_ENABLED": "false",  # unversioned aliases: a second door to everything
    "USE_STATEFUL_SESSIONS": "false",  # stateful sessions have no owner check
    "MCP_CLIENT_CONNECT_MODE": "legacy",  # saves one round trip a call
    "CACHE_TYPE": "database",
    "JQ_FILTER_WORKERS": "1",
    "REGEX_WORKERS": "1",
    "ENABLE_HEADER_PASSTHROUGH": "false",
    "LOG_TO_FILE": "false",
}
#: What a team may set through ``mcp_gateway_settings`` although we have a value for it.
OVERRIDABLE = {"MCPGATEWAY_UI_ENABLED", "MCPGATEWAY_ADMIN_API_ENABLED", "JQ_FILTER_WORKERS", "REGEX_WORKERS", "TOOL_RATE_LIMIT"}
#: Secrets of our own, generated once when the operator's file lacks them. Name → bytes of randomness.
OWN_SECRETS = {
    "MCP_BRIDGE_TOKEN": 48,
    "JWT_SECRET_KEY": 48,
    "AUTH_ENCRYPTION_SECRET": 48,
    "CSRF_SECRET_KEY": 48,
    "PLATFORM_ADMIN_PASSWORD": 24,
    "DEFAULT_USER_PASSWORD": 24,
}

#: Ports of `translate` on loopback, closed to other users by the firewall: so many for each service (generations overlap), from this range.
TRANSLATE_PORTS, TRANSLATE_RANGE = 4, (30000, 32767)
#: Longest name of a user that Debian's tools take.
USER_NAME_LENGTH = 31

#: How long a call may take when nothing else is declared.
CALL_SECONDS = 60

#: What starts every service.
HOST_TOOLS = ("mcp-unseal", "mcp-exec")

#: Each service's own bearer is derived from this one.
BRIDGE_TOKEN = "MCP_BRIDGE_TOKEN"  # noqa: S105 - a name

#: mongodb-mcp-server: what could reach another database, write files or call home is off.
MONGODB_DISABLED_TOOLS = "atlas,atlas-local,assistant,connect,disconnect,list-connections,export,mongodb-logs"


def credential_key(engine: str, environment: str) -> str:
    """The name of a credential in every ``.env``: ``POSTGRES_DEV_CONNECTION_STRING``."""
    return f"{engine.upper()}_{environment.upper()}_CONNECTION_STRING"


def derived_port(team: str, service: str) -> int:
    """A service's port from its name alone, so that its place in a list never matters."""
    low, high = PORT_RANGE
    return low + zlib.crc32(f"{team}/{service}".encode()) % (high - low + 1)


def on_host(declaration: dict, host: str) -> dict:
    """The declaration as one host sees it: the environments that are on it. One without ``hosts`` is on all."""
    there = [environment for environment in declaration["mcp_environments"] if host in environment.get("hosts", [host])]
    return {**declaration, "mcp_environments": there}


def on_systemd(declaration: dict) -> bool:
    """Whether the services run under systemd, each as a user of its own."""
    return declaration.get("mcp_runtime") == "systemd"


def group(declaration: dict) -> str:
    """The group that may enter the team's folder on its hosts."""
    return _user_name(f"mcp-{declaration['mcp_team']}")


def user(declaration: dict, service: str) -> str:
    """The user that one service runs as. A team's name has no hyphen, so no two teams can meet in a name."""
    return _user_name(f"mcp-{declaration['mcp_team']}-{service}")


def _user_name(name: str) -> str:
    if len(name) <= USER_NAME_LENGTH:
        return name
    return f"{name[: USER_NAME_LENGTH - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def translate_ports(declaration: dict) -> dict[str, list[int]]:
    """For each service the loopback ports that its `translate` may use. Derived from names; where two would meet, the later one moves on."""
    low, high = TRANSLATE_RANGE
    blocks = (high - low + 1) // TRANSLATE_PORTS
    taken: set[int] = set()
    found = {}
    for service in services(declaration):
        block = zlib.crc32(f"{declaration['mcp_team']}/{service['name']}/translate".encode()) % blocks
        while block in taken:
            block = (block + 1) % blocks
        taken.add(block)
        found[service["name"]] = [low + block * TRANSLATE_PORTS + offset for offset in range(TRANSLATE_PORTS)]
    return found


def paths(declaration: dict) -> dict[str, str]:
    """Where a team's things lie on its hosts: one root for each team, one folder on tmpfs."""
    root = declaration["mcp_root"].rstrip("/")
    return {
        "root": root,
        **{name: f"{root}/{name}" for name in ("etc", "lib", "bin", "state", "log", "work")},
        "run": declaration["mcp_runtime_directory"].rstrip("/"),
        "env": f"{root}/etc/.env",
        "key": f"{root}/etc/vault.key",
        "manifest": f"{root}/etc/services.json",
        "client_config": declaration.get("mcp_client_config") or f"{root}/etc/client.json",
    }


def services(declaration: dict) -> list[dict]:
    """Every wrapped service of the team, ordered by name: where it listens, what it connects to, which credential it takes."""
    team, found = declaration["mcp_team"], []
    for environment in declaration["mcp_environments"]:
        for engine in ENGINES:
            database = environment.get(engine)
            if not database:
                continue
            name = f"{engine}-{environment['name']}"
            port = int(database.get("service_port") or derived_port(team, name))
            found.append(
                {
                    "name": name,
                    "engine": engine,
                    "environment": environment["name"],
                    "port": port,
                    "url": f"http://127.0.0.1:{port}/mcp",
                    "credential": credential_key(engine, environment["name"]),
                    "access": database.get("access", "read_only"),
                    "database": connection_target(database, engine),
                    "ca": database["ca"],
                    "guard": database.get("guard", True),
                    "limits": dict(database.get("limits") or {}),
                }
            )
    return sorted(found, key=lambda service: service["name"])


def connection_target(database: dict, engine: str) -> dict:
    """Host, port, database and the parameters that a connection to it must have (without the CA's path, which differs by host)."""
    if engine == "postgres":
        parameters = {"sslmode": str(database.get("sslmode", "verify-full"))}
        port = 5432
    else:
        parameters = {"authSource": str(database.get("auth_source", "admin")), "tls": "true"}
        port = 27017
    return {"host": database["host"], "port": int(database.get("port") or port), "database": database["database"], "parameters": parameters}


def ca_path(declaration: dict, service: dict) -> str:
    """Where the CA of a service's database lies on the host."""
    return f"{paths(declaration)['etc']}/ca/{service['name']}.pem"


def gateway(declaration: dict) -> dict:
    """The gateway's address, settings (plain) and the names of its secrets."""
    port = int(declaration.get("mcp_gateway_port") or GATEWAY_PORT)
    url = f"http://127.0.0.1:{port}"
    public_url = (declaration.get("mcp_public_url") or url).rstrip("/")
    own = {
        **GATEWAY_SETTINGS,
        "PORT": str(port),  # its SSE transport calls itself there
        "APP_DOMAIN": public_url,  # otherwise answers name http://localhost:4444
        "DATABASE_URL": f"sqlite:///{paths(declaration)['state']}/mcp.db",
        "PLATFORM_ADMIN_EMAIL": declaration["mcp_gateway_admin_email"],
        "LOG_LEVEL": "ERROR",
    }
    settings = {**own, **{name: _text(value) for name, value in (declaration.get("mcp_gateway_settings") or {}).items()}}
    return {
        "port": port,
        "url": url,
        "public_url": public_url,
        "settings": settings,
        "secrets": [name for name in OWN_SECRETS if name != BRIDGE_TOKEN],
        "admin_email": declaration["mcp_gateway_admin_email"],
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def bridge_token(team_token: str, service: str) -> str:
    """The bearer of one service's bridge: derived, so that a service that is taken over opens no other. ``mcp-unseal`` derives the same."""
    return hmac.new(team_token.encode(), f"mcp.tenancy bridge\0{service}".encode(), hashlib.sha256).hexdigest()


def probed_servers(found: list[dict], team_token: str) -> list[dict]:
    """The services in the form of the option ``servers`` of ``mcp.tenancy.mcp_probe``."""
    return [{"name": service["name"], "url": service["url"], "token": bridge_token(team_token, service["name"])} for service in found]


def with_bridge_tokens(gateways: list[dict], declaration: dict, team_token: str) -> list[dict]:
    """Registrations with the bearer of each one's bridge, and a label that changes with it and tells nothing about it."""
    of_url = {service["url"]: bridge_token(team_token, service["name"]) for service in services(declaration)}
    label = {url: hashlib.sha256(f"label\0{token}".encode()).hexdigest()[:12] for url, token in of_url.items()}
    return [{**gateway, "auth_token": of_url[gateway["url"]], "auth_version": label[gateway["url"]]} for gateway in gateways]


def registry(declaration: dict) -> dict:
    """What the gateway has to know: per environment a ContextForge team, its upstream gateways, one virtual server, its clients.

    The shape is that of the options of ``mcp.tenancy.gateway_registry``.
    """
    team = declaration["mcp_team"]
    wanted: dict[str, list] = {"teams": [], "gateways": [], "servers": [], "clients": []}
    for environment in declaration["mcp_environments"]:
        space = f"{team}-{environment['name']}".replace("_", "-")
        own = [service for service in services(declaration) if service["environment"] == environment["name"]]
        members = environment.get("members") or []
        wanted["teams"].append(
            {
                "name": space,
                "description": f"Environment {environment['name']} of team {team}",
                "members": [{"email": email, "role": "member"} for email in members],
            }
        )
        for service in own:
            wanted["gateways"].append(
                {
                    "name": f"{space}-{service['engine']}",
                    "url": service["url"],
                    "transport": "STREAMABLEHTTP",
                    "team": space,
                    "visibility": "team",
                    "description": f"{service['engine']} database {service['database']['database']} of {environment['name']}, {service['access']}",
                }
            )
        wanted["servers"].append(
            {
                "name": space,
                "team": space,
                "gateways": [f"{space}-{service['engine']}" for service in own],
                "visibility": "team",
                "description": f"The databases of team {team}, environment {environment['name']}",
            }
        )
        for email in members:
            # One member: the entry has the server's name. More of them: each entry says whose it is.
            name = space if len(members) == 1 else f"{space}-{_short_name(email, members)}"
            wanted["clients"].append({"name": name, "user": email, "team": space, "server": space, **_token_life(declaration)})
    return wanted


def _short_name(email: str, members: list[str]) -> str:
    local = email.partition("@")[0]
    return local if [member.partition("@")[0].lower() for member in members].count(local.lower()) == 1 else email


def _token_life(declaration: dict) -> dict[str, int]:
    """A token is renewed when a third of its life is left, so that runs may fail or be skipped for a while."""
    days = int(declaration.get("mcp_client_days") or 30)
    return {"expires_in_days": days, "renew_within_days": days // 3}


def manifest(declaration: dict, programs: dict) -> dict:
    """How each service of a host is started: what ``mcp-unseal`` and ``mcp-exec`` read. Holds no secret, only their names.

    ``programs`` has the paths on the host: ``gateway`` and ``bridge`` (directories of virtual environments), ``node``, ``servers``
    (folder of ``node_modules``), ``gateway_app``. Its ``files`` has, by name, the checksums of files that a service
    reads when it starts and that are not named after their content: a change of one is a restart.
    """
    where, entries = paths(declaration), {}
    front = gateway(declaration)
    listen = ["--fd", "3"] if on_systemd(declaration) else ["--host", "127.0.0.1", "--port", str(front["port"])]
    entries["gateway"] = {
        "command": [
            *(f"{programs['gateway']}/bin/mcpgateway", "mcp_gateway_front:app", "--app-dir", programs["gateway_app"]),
            *(*listen, "--workers", "1", "--no-access-log", "--no-proxy-headers", "--no-server-header"),
        ],
        "listen": {"host": "127.0.0.1", "port": front["port"]},
        "environment": front["settings"],
        "secrets": {name: {"key": name, "part": "value"} for name in front["secrets"]},
        "priority": 200,
        "files": ["mcp_gateway_front.py", *HOST_TOOLS],
    }
    for service in services(declaration):
        entries[service["name"]] = _wrapped(declaration, programs, service)
        entries[service["name"]]["listen"] = entries[service["name"]]["bridge"]["listen"]
    for name, entry in entries.items():
        entry["directory"] = f"{where['work']}/{name}"
        if on_systemd(declaration):
            entry["user"] = user(declaration, name)
        entry["files"] = {file: programs["files"].get(file, "") for file in entry["files"]}
    host = {"team": declaration["mcp_team"], "runtime_directory": where["run"], "env": where["env"], "key": where["key"]}
    if on_systemd(declaration):
        host["key_sealed_as"] = f"mcp-tenancy-{declaration['mcp_team']}"
    return {**host, "services": entries}


def _wrapped(declaration: dict, programs: dict, service: dict) -> dict:
    where = paths(declaration)
    entry = {
        "command": [f"{programs['bridge']}/bin/python", "-I", "-m", "mcp_bridge", "--manifest", where["manifest"], service["name"]],
        "environment": {},
        "secrets": {BRIDGE_TOKEN: {"key": BRIDGE_TOKEN, "part": "bridge", "service": service["name"]}},
        "priority": 100,
        "files": [*HOST_TOOLS, f"{service['name']}.pem"],
        "bridge": {
            "engine": service["engine"],
            "listen": {"host": "127.0.0.1", "port": service["port"]},
            "wrapper": declaration.get("mcp_wrapper") or "translate",
            "translate_python": f"{programs['gateway']}/bin/python",
            "guard": service["guard"],
            "read_only": service["access"] == "read_only",
            "database": service["database"]["database"],
            "audit_file": f"{where['log']}/{service['name']}/audit.jsonl",
            "limits": {"call_seconds": CALL_SECONDS, **service["limits"]},
        },
    }
    if on_systemd(declaration):
        entry["bridge"]["translate_ports"] = translate_ports(declaration)[service["name"]]
    target, milliseconds = service["database"], int(float(service["limits"].get("call_seconds", CALL_SECONDS)) * 1000)
    if service["engine"] == "postgres":
        entry["wrapped"] = {
            # Everything comes from the environment, so that argv tells nothing.
            "command": [programs["node"], f"{programs['servers']}/@modelcontextprotocol/server-postgres/dist/index.js", "postgresql://"],
            "environment": {
                "PGHOST": target["host"],
                "PGPORT": str(target["port"]),
                "PGDATABASE": target["database"],
                "PGSSLMODE": target["parameters"]["sslmode"],
                "PGAPPNAME": f"mcp {service['name']}",
                # The bridge gives up then, the database must too; and text means what the guard's parser takes it for.
                "PGOPTIONS": f"-c statement_timeout={milliseconds} -c standard_conforming_strings=on",
                "NODE_EXTRA_CA_CERTS": ca_path(declaration, service),  # node-pg ignores PGSSLROOTCERT
            },
            "secrets": {
                "PGUSER": {"key": service["credential"], "part": "username"},
                "PGPASSWORD": {"key": service["credential"], "part": "password"},
            },
        }
    else:
        entry["wrapped"] = {
            "command": [programs["node"], f"{programs['servers']}/mongodb-mcp-server/dist/esm/index.js"],
            "environment": {
                "MDB_MCP_READ_ONLY": _text(service["access"] == "read_only"),
                "MDB_MCP_DISABLED_TOOLS": MONGODB_DISABLED_TOOLS,
                "MDB_MCP_MAX_TIME_M_S": str(milliseconds),
                "MDB_MCP_TELEMETRY": "disabled",
                "MDB_MCP_LOGGERS": "stderr",
                "DO_NOT_TRACK": "1",
            },
            "secrets": {"MDB_MCP_CONNECTION_STRING": {"key": service["credential"], "part": "value"}},
        }
    return entry


def projection_keys(declaration: dict) -> list[str]:
    """The names in the host's ``.env``: what its services need, nothing else."""
    return sorted([*OWN_SECRETS, *(service["credential"] for service in services(declaration))])
