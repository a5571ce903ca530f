# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""From one declaration of a team to what follows from it: services, ports, users, paths, settings of the gateway. Pure.

How the services are started is in :mod:`_manifest`, what the gateway has to know in :mod:`_registrations`.

``declaration`` is the ``mcp_*`` variables of a host as a plain dict, already valid (see :mod:`_declaration_check`).
"""

from __future__ import annotations

import hashlib
import hmac
import zlib

from ansible_collections.mcp.tenancy.plugins.module_utils import _database_tls

ENGINES = ("postgres", "mongodb")
#: Ports that are derived from a service's name lie in here; outside the ephemeral range of Linux (32768 and up).
PORT_RANGE = (20000, 29999)
GATEWAY_PORT, EDGE_PORT = 4444, 443

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
    "REDIS_URL": "",  # its default is a port on loopback where anybody may listen, and parts of the gateway ask there whatever the kind of cache is
    "JQ_FILTER_WORKERS": "1",
    "REGEX_WORKERS": "1",
    "ENABLE_HEADER_PASSTHROUGH": "false",
    "LOG_TO_FILE": "false",
}
#: What is different with the Admin UI on. Its doors for members are in roles/gateway, mcp_gateway_browser.py.
UI_SETTINGS = {
    "LEGACY_API_ENABLED": "true",  # the UI's own pages call the unversioned paths
    "PASSWORD_RESET_ENABLED": "false",  # by mail, which nobody set up here; administrators give a first password
    "LLMCHAT_ENABLED": "false",  # talks to models and servers of whoever is logged in
    # What members cannot open anyway is not offered to them; administrators see all.
    "MCPGATEWAY_UI_HIDE_SECTIONS": (
        "prompts,resources,roots,mcp-registry,metrics,plugins,export-import,logs,version-info,maintenance,teams,users,agents,settings"
    ),
}
#: What a team may set through ``mcp_gateway_settings`` although we have a value for it.
OVERRIDABLE = {"MCPGATEWAY_UI_ENABLED", "MCPGATEWAY_ADMIN_API_ENABLED", "JQ_FILTER_WORKERS", "REGEX_WORKERS", "TOOL_RATE_LIMIT"}
#: Secrets of our own, generated once when the operator's file lacks them. Name → bytes of randomness.
OWN_SECRETS = {
    "MCP_BRIDGE_TOKEN": 48,
    "MCP_IDENTITY_SECRET": 48,
    "JWT_SECRET_KEY": 48,
    "AUTH_ENCRYPTION_SECRET": 48,
    "CSRF_SECRET_KEY": 48,
    "PLATFORM_ADMIN_PASSWORD": 24,
    "DEFAULT_USER_PASSWORD": 24,
}

#: What a host has beside them for as long as one takes the place of another (:mod:`_own_secrets`).
OVERLAP = ("MCP_BRIDGE_TOKEN_NEXT", "MCP_BRIDGE_TOKEN_BEFORE", "AUTH_ENCRYPTION_SECRET_BEFORE")

#: Ports of `translate` on loopback, closed to other users by the firewall: so many for each service (generations overlap), from this range.
TRANSLATE_PORTS, TRANSLATE_RANGE = 4, (30000, 32767)
#: Longest name of a user that Debian's tools take.
USER_NAME_LENGTH = 31

#: What a team may say about callers who bring their own logins, as the bridge knows it (services/mcp_bridge, config.py).
USERS = ("accepts", "dense", "most", "spares", "connections", "idle_seconds", "grace_seconds", "memory_bytes")

#: What a member may be. A viewer calls tools; an owner may also manage the environment's team where the gateway's Admin UI is on.
ROLES = ("viewer", "owner")

#: What is given up by each kind of connection that is weaker than verify-full.
WEAKER = {
    "verify-ca": "any server with a certificate of that CA is taken for the database",
    "require": "any server is taken for the database, whatever certificate it shows",
    "disable": "nothing is encrypted, and any server is taken for the database",
}
WEAKER_STEP = "give the server a certificate of a CA for its name, declare ca, and remove sslmode or tls, then tls_floor"
#: What mcp-unseal calls the file with a service's client certificate and key.
CLIENT_FILE = "client.pem"

#: By this the gateway says to services for people who calls.
IDENTITY = "MCP_IDENTITY_SECRET"
#: Each service's own bearer is derived from this one.
BRIDGE_TOKEN = "MCP_BRIDGE_TOKEN"  # noqa: S105 - a name
#: Secrets whose change is no reason to start the gateway anew: it reads them once, at its very first start.
READ_ONCE = ("PLATFORM_ADMIN_PASSWORD",)


def credential_key(engine: str, environment: str) -> str:
    """The name of a credential in every ``.env``: ``POSTGRES_DEV_CONNECTION_STRING``."""
    return f"{engine.upper()}_{environment.upper()}_CONNECTION_STRING"


def admin_key(engine: str, environment: str) -> str:
    """The name of the login that may change a managed credential; only the operator's ``.env`` has it."""
    return f"{engine.upper()}_{environment.upper()}_ADMIN_CONNECTION_STRING"


def client_key(engine: str, environment: str) -> str:
    """The name under which a host's ``.env`` has the certificate and key by which its connections identify themselves at the server."""
    return f"{engine.upper()}_{environment.upper()}_CLIENT_CERTIFICATE"


def mark_key(engine: str, environment: str) -> str:
    """The name under which a host's ``.env`` says which login it has."""
    return f"{engine.upper()}_{environment.upper()}_CREDENTIAL"


def derived_port(team: str, service: str) -> int:
    """A service's port from its name alone, so that its place in a list never matters."""
    low, high = PORT_RANGE
    return low + zlib.crc32(f"{team}/{service}".encode()) % (high - low + 1)


def on_host(declaration: dict, host: str) -> dict:
    """The declaration as one host sees it: the environments that are on it. One without ``hosts`` is on all, one that is to go on none."""
    there = [environment for environment in present(declaration)["mcp_environments"] if host in environment.get("hosts", [host])]
    return {**declaration, "mcp_environments": there}


def present(declaration: dict) -> dict:
    """The declaration without the environments that are to go (``state: absent``)."""
    return {**declaration, "mcp_environments": [one for one in declaration["mcp_environments"] if not is_absent(one)]}


def absent(declaration: dict) -> dict:
    """The declaration with nothing but those."""
    return {**declaration, "mcp_environments": [one for one in declaration["mcp_environments"] if is_absent(one)]}


def is_absent(environment: dict) -> bool:
    """Whether an environment is declared for no other reason than that it should go, its logins included."""
    return environment.get("state") == "absent"


def members(environment: dict) -> list[dict]:
    """Who may use an environment, ``{"email", "role"}`` each, addresses as they are written. A plain address is a viewer."""
    return [{"email": one, "role": ROLES[0]} if isinstance(one, str) else {"role": ROLES[0], **one} for one in environment.get("members") or []]


def addresses(environment: dict) -> list[str]:
    """Their addresses in lower case, as the gateway keeps them."""
    return [member["email"].lower() for member in members(environment)]


def on_systemd(declaration: dict) -> bool:
    """Whether the services run under systemd, each as a user of its own."""
    return declaration.get("mcp_runtime") == "systemd"


def group(declaration: dict) -> str:
    """The group that may enter the team's folder on its hosts."""
    return _user_name(f"mcp-{declaration['mcp_team']}")


def user(declaration: dict, service: str) -> str:
    """The user that one service runs as. A team's name has no hyphen, so no two teams can meet in a name."""
    return _user_name(f"mcp-{declaration['mcp_team']}-{service}")


def key_sealed_as(declaration: dict) -> str:
    """The name under which systemd encrypts a host's vault key with the host's own; empty where there is no systemd."""
    return f"mcp-tenancy-{declaration['mcp_team']}" if on_systemd(declaration) else ""


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
        "store": f"{root}/etc/credentials.json",
        "record": f"{root}/etc/deployed.json",
        "gateway_database": f"{root}/state/mcp.db",
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
                    "mark": mark_key(engine, environment["name"]),
                    "kind": database.get("credential", "managed"),
                    "owner": database.get("owner", ""),
                    **({"schemas": list(database.get("schemas") or ["public"])} if engine == "postgres" else {}),
                    "access": database.get("access", "read_only"),
                    "database": connection_target(database, engine),
                    "ca": database.get("ca") or "",
                    "client": {"certificate": database["client_certificate"], "key": database["client_key"]} if database.get("client_certificate") else None,
                    "client_variable": client_key(engine, environment["name"]),
                    "guard": database.get("guard", True),
                    "limits": dict(database.get("limits") or {}),
                }
            )
    return sorted(found, key=lambda service: service["name"])


def user_services(declaration: dict) -> list[dict]:
    """Every service that takes its callers' own logins, ordered by name. ``base``: the service with a login of its own that leads to the same database.

    ``credential``: the variable of a host's ``.env`` with the logins that are stored for people, where ``stored`` says that some may be.
    """
    found, environments = [], {one["name"]: one for one in reversed(declaration["mcp_environments"])}  # of two with one name, which is told, the first
    for service in services(declaration):
        users = environments[service["environment"]][service["engine"]].get("users")
        if not users:
            continue
        name = f"{service['name']}-users"
        port = int(users.get("service_port") or derived_port(declaration["mcp_team"], name))
        same = {key: service[key] for key in ("engine", "environment", "access", "database", "guard", "limits", "ca", "client", "client_variable")}
        told = {key: users[key] for key in USERS if key in users}
        same |= {"name": name, "base": service["name"], "port": port, "url": f"http://127.0.0.1:{port}/mcp", "users": told}
        stored = f"{service['engine']}_{service['environment']}_USERS".upper()
        same |= {"stored": "stored" in (users.get("accepts") or []), "credential": stored, "mark": f"{stored}_CREDENTIAL"}
        found.append({**same, "template": users.get("template", "")})
    return found


def connection_target(database: dict, engine: str) -> dict:
    """Host, port, database and the parameters that a connection to it must have (without the CA's path, which differs by host)."""
    if engine == "postgres":
        parameters = {"sslmode": tls_mode(database, engine)}
        port = 5432
    else:
        parameters = {"authSource": str(database.get("auth_source", "admin")), **_database_tls.mongodb_parameters(tls_mode(database, engine))}
        port = 27017
    return {"host": database["host"], "port": int(database.get("port") or port), "database": database["database"], "parameters": parameters}


def tls_mode(database: dict, engine: str) -> str:
    """What is declared about TLS in one set of words, those of :data:`_database_tls.MODES`; anything else as it stands."""
    said = database.get("sslmode" if engine == "postgres" else "tls", _database_tls.MODES[-1])
    return {True: _database_tls.MODES[-1], False: _database_tls.MODES[0]}.get(said, str(said)) if isinstance(said, bool) else str(said)


def weaker(declaration: dict) -> list[str]:
    """A sentence for each connection that is weaker than verified TLS to the declared name, which the inventory has to allow."""
    found = []
    for service in services(declaration):
        target = service["database"]
        mode = _database_tls.mode_of(service["engine"], target["parameters"])
        if mode in WEAKER:
            where = f"{service['environment']}: the connection of {service['name']} to {service['engine']} at {target['host']}:{target['port']}"
            found.append(f"{where} is weaker than verify-full ({mode}): {WEAKER[mode]}. The inventory allows it (tls_floor). Next: {WEAKER_STEP}.")
    return found


def ca_path(declaration: dict, service: dict) -> str:
    """Where the CA of a service's database lies on the host; empty where a weaker connection needs none."""
    return f"{paths(declaration)['etc']}/ca/{service.get('base') or service['name']}.pem" if service["ca"] else ""


def client_path(declaration: dict, service: dict) -> str:
    """Where a service finds the certificate and key by which it identifies itself, on tmpfs; empty where none are declared."""
    return f"{paths(declaration)['run']}/{service['name']}/{CLIENT_FILE}" if service["client"] else ""


def tls_parameters(declaration: dict, service: dict) -> dict[str, str]:
    """What a MongoDB connection string of a service says of files on its host."""
    found = {"tlsCAFile": ca_path(declaration, service), "tlsCertificateKeyFile": client_path(declaration, service)}
    return {name: path for name, path in found.items() if path and service["database"]["parameters"]["tls"] == "true"}


def gateway(declaration: dict) -> dict:
    """The gateway's address, settings (plain) and the names of its secrets."""
    port = int(declaration.get("mcp_gateway_port") or GATEWAY_PORT)
    url = f"http://127.0.0.1:{port}"
    public_url = (declaration.get("mcp_public_url") or edge_url(declaration) or url).rstrip("/")
    own = {
        **GATEWAY_SETTINGS,
        "PORT": str(port),  # its SSE transport calls itself there
        "APP_DOMAIN": public_url,  # otherwise answers name http://localhost:4444
        "DATABASE_URL": f"sqlite:///{paths(declaration)['gateway_database']}",
        "PLATFORM_ADMIN_EMAIL": declaration["mcp_gateway_admin_email"],
        "LOG_LEVEL": "ERROR",
    }
    if user_services(declaration):
        own["ENABLE_HEADER_PASSTHROUGH"] = "true"  # for the upstreams that name headers, and for those headers only
    told = {name: text_of(value) for name, value in (declaration.get("mcp_gateway_settings") or {}).items()}
    if told.get("MCPGATEWAY_UI_ENABLED") == "true":
        own |= UI_SETTINGS
    settings = {**own, **told}
    return {
        "port": port,
        "url": url,
        "public_url": public_url,
        "settings": settings,
        "secrets": [name for name in OWN_SECRETS if name != BRIDGE_TOKEN],
        "admin_email": declaration["mcp_gateway_admin_email"],
    }


def edge_url(declaration: dict) -> str:
    """The base URL at the edge; empty without one."""
    edge = declaration.get("mcp_edge")
    if not edge:
        return ""
    return https_url(edge["name"], int(edge.get("port") or EDGE_PORT))


def https_url(name: str, port: int) -> str:
    return f"https://{name}" + (f":{port}" if port != EDGE_PORT else "")


def text_of(value: object) -> str:
    """A setting as the environment has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def bridge_token(team_token: str, service: str) -> str:
    """The bearer of one service's bridge: derived, so that a service that is taken over opens no other. ``mcp-unseal`` derives the same."""
    return hmac.new(team_token.encode(), f"mcp.tenancy bridge\0{service}".encode(), hashlib.sha256).hexdigest()


def bearer_secrets(service: str) -> dict[str, dict]:
    """What a service's bridge is given as its bearers: its own, and the next one or the one before, where there is one. It takes them while it runs."""
    same = {"part": "bridge", "service": service, "while_running": True}
    others = {name: {"key": name, "optional": True, **same} for name in OVERLAP if name.startswith(BRIDGE_TOKEN)}
    return {BRIDGE_TOKEN: {"key": BRIDGE_TOKEN, **same}, **others}


def bearers(values: dict[str, str], service: str) -> list[str]:
    """The labels of the bearers that a service's bridge should accept, by the host's own variables."""
    return sorted(bearer_label(bridge_token(values[name], service)) for name in bearer_secrets(service) if values.get(name))


def bearer_label(bearer: str) -> str:
    """A label that changes with a bearer and tells nothing about it. The bridge makes the same (services/mcp_bridge, access.py)."""
    return hashlib.sha256(f"label\0{bearer}".encode()).hexdigest()[:12]
