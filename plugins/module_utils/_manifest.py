# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""How each service of a host is started: commands, plain settings, the names of its secrets. Pure.

``mcp-unseal``, ``mcp-exec`` and the bridge read it as ``services.json``.
"""

from __future__ import annotations

from urllib.parse import quote

from ansible_collections.mcp.tenancy.plugins.module_utils import _database_tls, _declaration, _edge, _registrations, _sharing, _units

#: How long a call may take when nothing else is declared.
CALL_SECONDS = 60
#: What the gateway's process is made of beside the gateway itself (roles/gateway/files).
GATEWAY_FILES = tuple(
    f"mcp_gateway_{part}.py" for part in ("browser", "database", "drain", "front", "identity", "levels", "outgoing", "people", "rate", "storage", "targets")
)
#: What starts every service.
HOST_TOOLS = ("mcp-unseal", "mcp-exec")
#: mongodb-mcp-server: what could reach another database, write files or call home is off.
MONGODB_DISABLED_TOOLS = "atlas,atlas-local,assistant,connect,disconnect,list-connections,export,mongodb-logs"


def manifest(declaration: dict, programs: dict) -> dict:
    """How each service of a host is started: what ``mcp-unseal`` and ``mcp-exec`` read. Holds no secret, only their names.

    ``programs`` has the paths on the host: ``gateway`` and ``bridge`` (directories of virtual environments), ``tools_python``, ``node``, ``servers``
    (folder of ``node_modules``), ``gateway_app``, ``edge`` (Caddy). Its ``files`` has, by name, the checksums of files that a service
    reads when it starts and that are not named after their content: a change of one is a restart.
    """
    where, entries = _declaration.paths(declaration), {}
    front = _declaration.gateway(declaration)
    targets, bearers = _registrations.targets(declaration)
    listen = ["--fd", "3"] if _declaration.on_systemd(declaration) else ["--host", "127.0.0.1", "--port", str(front["port"])]
    entries["gateway"] = {
        "command": [
            *(f"{programs['gateway']}/bin/mcpgateway", "mcp_gateway_front:app", "--app-dir", programs["gateway_app"]),
            *(*listen, "--workers", "1", "--no-access-log", "--no-proxy-headers", "--no-server-header"),
        ],
        "listen": {"host": "127.0.0.1", "port": front["port"]},
        "environment": {**_sharing.settings(declaration, front["settings"]), **targets, **_edge.gateway_settings(declaration)},
        "secrets": {**_gateway_secrets(front["secrets"]), **bearers, **_sharing.secrets(declaration)},
        "priority": 200,
        "files": [*GATEWAY_FILES, *HOST_TOOLS],
    }
    ports = _declaration.translate_ports(declaration) if _declaration.on_systemd(declaration) else {}
    for service in _declaration.services(declaration):
        entries[service["name"]] = _wrapped(declaration, programs, service, ports.get(service["name"]))
    for service in _declaration.user_services(declaration):
        entries[service["name"]] = _for_users(declaration, programs, service, entries[service["base"]])
    for entry in entries.values():
        entry.setdefault("listen", entry.get("bridge", {}).get("listen"))
    for name, entry in entries.items():
        entry["directory"] = f"{where['work']}/{name}"
        if _declaration.on_systemd(declaration):
            entry["user"] = _declaration.user(declaration, name)
        entry["files"] = {file: programs["files"].get(file, "") for file in entry["files"]}
    host = {"team": declaration["mcp_team"], "runtime_directory": where["run"], "env": where["env"], "key": where["key"]}
    host |= {"tools": where["bin"], "tools_python": programs["tools_python"], "configuration": where["etc"], "path": where["manifest"]}
    if sealed_as := _declaration.key_sealed_as(declaration):
        host["key_sealed_as"] = sealed_as
    edge = _edge.manifest_entry(declaration, programs.get("edge", ""))
    return {**host, "services": entries, **({"edge": edge} if edge else {})}


def _gateway_secrets(names: list[str]) -> dict[str, dict]:
    """Its own, and for one start the secret under which its database was before."""
    own = {name: {"key": name, "part": "value", **({"while_running": True} if name in _declaration.READ_ONCE else {})} for name in names}
    before = [name for name in _declaration.OVERLAP if not name.startswith(_declaration.BRIDGE_TOKEN)]
    return {**own, **{name: {"key": name, "part": "value", "optional": True, "while_running": True} for name in before}}


def _wrapped(declaration: dict, programs: dict, service: dict, translate_ports: list[int] | None) -> dict:
    where = _declaration.paths(declaration)
    entry = {
        "command": [f"{programs['bridge']}/bin/python", "-I", "-m", "mcp_bridge", "--manifest", where["manifest"], service["name"]],
        "environment": {},
        "secrets": _declaration.bearer_secrets(service["name"]),
        "credential": service["mark"],
        "priority": 100,
        "files": [*HOST_TOOLS],  # not the CA: a bridge takes another one while it runs
        **_client(service),
        "bridge": {
            "engine": service["engine"],
            "target": _target(declaration, service),
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
    if translate_ports:
        entry["bridge"]["translate_ports"] = translate_ports
    entry["wrapped"] = _server(declaration, programs, service)
    return entry


def _target(declaration: dict, service: dict) -> dict:
    """Where its connections go and what of TLS they have, for whoever has to find out why there is none."""
    target = service["database"]
    mode = _database_tls.mode_of(service["engine"], target["parameters"])
    files = {"ca": _declaration.ca_path(declaration, service), "client": _declaration.client_path(declaration, service)}
    return {"host": target["host"], "port": target["port"], "mode": mode, **files}


def _client(service: dict) -> dict:
    """For ``mcp-unseal``: the variable that becomes the file with the service's certificate and key."""
    return {"client": {"key": service["client_variable"]}} if service["client"] else {}


def _postgres_url(target: dict) -> str:
    """What of a connection is not in PG variables, which node-pg knows fewer of than libpq. Paths and no secret: it stands in argv.

    The CA is named here, and not by NODE_EXTRA_CA_CERTS, which would be trusted beside all public ones and read only once.
    """
    query = {"sslmode": target["mode"]}
    if target["mode"] in ("require", "verify-ca"):
        query["uselibpqcompat"] = "true"  # without it node-pg takes both for verify-full
    if target["ca"] and target["mode"] in ("verify-ca", "verify-full"):
        query["sslrootcert"] = target["ca"]
    if target["client"]:
        query |= {"sslcert": target["client"], "sslkey": target["client"]}
    return "postgresql://?" + "&".join(f"{name}={quote(value)}" for name, value in query.items())


def _server(declaration: dict, programs: dict, service: dict) -> dict:
    """How the wrapped server is started: command, settings, the names of its secrets."""
    target, milliseconds = service["database"], int(float(service["limits"].get("call_seconds", CALL_SECONDS)) * 1000)
    if service["engine"] == "postgres":
        url = _postgres_url(_target(declaration, service))
        return {
            "command": [programs["node"], f"{programs['servers']}/@modelcontextprotocol/server-postgres/dist/index.js", url],
            "environment": {
                "PGHOST": target["host"],
                "PGPORT": str(target["port"]),
                "PGDATABASE": target["database"],
                "PGAPPNAME": f"mcp {service['name']}",
                # The bridge gives up then, the database must too; and text means what the guard's parser takes it for.
                "PGOPTIONS": f"-c statement_timeout={milliseconds} -c standard_conforming_strings=on",
            },
            "secrets": {
                "PGUSER": {"key": service["credential"], "part": "username"},
                "PGPASSWORD": {"key": service["credential"], "part": "password"},
            },
        }
    return {
        "command": [programs["node"], f"{programs['servers']}/mongodb-mcp-server/dist/esm/index.js"],
        "environment": {
            "MDB_MCP_READ_ONLY": _declaration.text_of(service["access"] == "read_only"),
            "MDB_MCP_DISABLED_TOOLS": MONGODB_DISABLED_TOOLS,
            "MDB_MCP_MAX_TIME_M_S": str(milliseconds),
            "MDB_MCP_TELEMETRY": "disabled",
            "MDB_MCP_LOGGERS": "stderr",
            "DO_NOT_TRACK": "1",
        },
        "secrets": {"MDB_MCP_CONNECTION_STRING": {"key": service["credential"], "part": "value"}},
    }


def _for_users(declaration: dict, programs: dict, service: dict, base: dict) -> dict:
    """Its base with callers' logins in the place of its own. The bridge starts the wrapped servers itself: of `translate` each would need one."""
    target, wrapped = _target(declaration, service), _server(declaration, programs, service)
    place = {key: service["database"][key] for key in ("host", "port", "database", "parameters")}
    visible = [programs["node"], programs["servers"], *(target[file] for file in ("ca", "client") if target[file])]
    users = {**place, "ca": target["ca"], "client": target["client"], "visible": visible, **service["users"]}
    bridge = {key: value for key, value in base["bridge"].items() if key not in ("translate_ports", "target")}
    stored = {"MCP_USERS": {"key": service["credential"], "part": "value"}} if service["stored"] else {}  # the bridge's; no wrapped server gets it
    return {
        "command": [*base["command"][:-1], service["name"]],
        "environment": {},
        "secrets": {
            **_declaration.bearer_secrets(service["name"]),
            _declaration.IDENTITY: {"key": _declaration.IDENTITY, "part": "value"},
        },
        **({"credential": service["mark"]} if service["stored"] else {}),
        "priority": 100,
        "files": [*HOST_TOOLS],
        **_client(service),
        "bridge": {
            **bridge,
            "wrapper": "bridge",
            "listen": {"host": "127.0.0.1", "port": service["port"]},
            "audit_file": f"{_declaration.paths(declaration)['log']}/{service['name']}/audit.jsonl",
            "users": users,
        },
        "wrapped": {**wrapped, "secrets": stored},
    }


def bridges(
    manifest: dict, marks: dict[str, str], team_token: str = "", tls: dict[str, str] | None = None, bearers: dict[str, list[str]] | None = None
) -> list[dict]:
    """The bridges of a host in the form of ``mcp.tenancy.bridge_generations``: the login that each should use, and how it is told to read it again.

    With ``team_token`` each is asked for its tools too. ``tls``: names of what each should make its connections with, where that is to be seen to.
    ``bearers``: service → labels of the bearers that it should accept; others are not asked.
    """
    found = []
    for name, service in manifest["services"].items():
        of_users = "users" in service.get("bridge", {})  # no login of its own, so nothing to take, but tools to list
        if name not in marks and not (of_users and team_token):
            continue
        if "user" in service:
            reload = [["systemctl", "reload", f"{_units.prefix(manifest['team'])}{name}.service"]]
        else:
            python, folder = manifest["tools_python"], manifest["tools_python"].rpartition("/")[0]
            reload = [
                [python, "-I", f"{manifest['tools']}/mcp-unseal", "--manifest", manifest["path"], name],
                [f"{folder}/supervisorctl", "-c", f"{manifest['configuration']}/supervisord.conf", "signal", "HUP", name],
            ]
        token = _declaration.bridge_token(team_token, name) if team_token else ""
        found.append({"name": name, "port": service["listen"]["port"], "mark": marks.get(name, ""), "reload": reload, "token": token})
        found[-1] |= {"tls": (tls or {}).get(name, ""), "bearers": (bearers or {}).get(name)}
    return found
