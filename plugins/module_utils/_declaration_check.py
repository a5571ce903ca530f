# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Every mistake in a team's declaration at once, each with its place and the next step. Pure: plain data in, a list out."""

from __future__ import annotations

import difflib
import re
from typing import Any

from ansible_collections.mcp.tenancy.plugins.module_utils import (
    _database_tls,
    _declaration_across,
    _edge,
    _edge_check,
    _gateways_txt,
    _rotation,
    _sharing,
    _sharing_check,
)
from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration as declaration_rules
from ansible_collections.mcp.tenancy.plugins.module_utils._problem import Problem

TEAM = re.compile(r"[a-z][a-z0-9_]{0,29}")
ENVIRONMENT = re.compile(r"[a-z][a-z0-9]{0,15}")
HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*|\[?[0-9A-Fa-f:]+\]?")
EMAIL = re.compile(r"[^@\s,;:\"<>]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
PATH = re.compile(r"/[^\x00-\x1f\x7f\"'\\$%{}]*[^\x00-\x20\x7f\"'\\$%{}]")
PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._~/-]*)?")
DATABASE = re.compile(r"[^\x00-\x1f\x7f/\\. \"$*<>:|?]{1,63}")

#: Every variable of the collection's public interface.
VARIABLES = {
    "mcp_team", "mcp_environments", "mcp_runtime", "mcp_wrapper", "mcp_rotation", "mcp_gateway_settings", "mcp_gateway_port", "mcp_gateway_admin_email",
    "mcp_public_url", "mcp_root", "mcp_runtime_directory", "mcp_client_config", "mcp_client_days", "mcp_env_file", "mcp_vault_key_file", "mcp_python",
    "mcp_gateway_version", "mcp_gateway_database", "mcp_gateway_cache", "mcp_edge", "mcp_serial", "mcp_deploy", "mcp_rotate", "mcp_status",
    "mcp_do", "mcp_user", "mcp_service", "mcp_login_file",
    "mcp_client_do", "mcp_client_file", "mcp_client_format", "mcp_client_overlap", "mcp_environment",
    "mcp_new_vault_key_file", "mcp_own_secrets",
    "mcp_remove", "mcp_remove_logins", "mcp_backup", "mcp_backup_directory", "mcp_upgrade",
}  # fmt: skip
#: Bounds of a service's bridge (services/mcp_bridge, config.py); 0 switches those in UNBOUNDED off.
LIMITS = ("call_seconds", "max_rows", "max_answer_bytes", "max_request_bytes", "max_in_flight", "calls_per_second")
UNBOUNDED = {"max_rows", "calls_per_second"}
ENVIRONMENT_KEYS = {"name", "state", "hosts", "postgres", "mongodb", "members", "tls_floor", "upstreams"}
STATES = ("present", "absent")
_BOTH = {
    "host", "port", "database", "access", "ca", "client_certificate", "client_key", "credential", "owner", "service_port", "guard", "limits", "users",
    "host_of",
}  # fmt: skip
DATABASE_KEYS = {"postgres": {*_BOTH, "sslmode", "schemas"}, "mongodb": {*_BOTH, "tls", "auth_source"}}
#: Callers who bring their own logins: the ways in which they may, and bounds of numbers.
LOGIN_WAYS = ("headers", "connection_string", "stored")
USERS_NUMBERS = {
    "most": (1, 1000),
    "connections": (1, 1000),
    "spares": (0, 100),
    "idle_seconds": (1, 86400),
    "grace_seconds": (1, 3600),
    "memory_bytes": (64 * 1024**2, 64 * 1024**3),
}
SECRET_WORDS = re.compile(r"pass(word|wd)?$|secret|connection_string|token|^(user|username|login|dsn|uri|url)$", re.IGNORECASE)
OWNER = re.compile(r"[a-z_][a-z0-9_]{0,60}")
RUNTIMES = ("systemd", "supervisor")
WRAPPERS = ("translate", "bridge")


def problems(variables: dict[str, Any]) -> list[Problem]:
    """All mistakes in the ``mcp_*`` variables of one host, in the order of the declaration."""
    found = of_parts(variables)
    return found + _declaration_across.problems(_declaration_across.sound(variables, found))


def of_parts(variables: dict[str, Any]) -> list[Problem]:
    """The mistakes that each part has by itself."""
    found = [*_unknown(variables, VARIABLES, "")]
    found += _team(variables)
    found += _places(variables)
    found += _clients(variables)
    found += [Problem(f"mcp_rotation{key and '.'}{key}", what, step) for key, what, step in _rotation.mistakes(variables.get("mcp_rotation"))]
    found += [Problem(f"mcp_edge{key and '.'}{key}", what, step) for key, what, step in _edge_check.mistakes(variables)]
    found += _choice(variables, "mcp_runtime", RUNTIMES)
    found += _choice(variables, "mcp_wrapper", WRAPPERS)
    found += _gateway(variables)
    found += _sharing_check.problems(variables, _unknown, HOST, DATABASE)
    environments = variables.get("mcp_environments")
    if not isinstance(environments, list) or not environments:
        if not _mistyped("mcp_environments", variables, VARIABLES):
            what, step = "must be a list with at least one environment", "declare - name: dev with a postgres: or mongodb: below it"
            found.append(Problem("mcp_environments", what, step))
        return found
    for index, environment in enumerate(environments):
        found += _environment(f"mcp_environments[{index}]", environment)
    return found


def _mistyped(name: str, given: dict[str, Any], known: set[str]) -> bool:
    """Whether a name that is missing may stand there under another spelling, of which people are told already."""
    return name not in given and any(difflib.get_close_matches(str(one), known, n=1) == [name] for one in given if one not in known)


def _unknown(given: dict[str, Any], known: set[str], place: str) -> list[Problem]:
    found = []
    for name in given:
        if name in known:
            continue
        where = f"{place}.{name}" if place else name
        if place and SECRET_WORDS.search(str(name)):
            found.append(Problem(where, "a login does not belong into plain variables", "put the connection string into the team's encrypted .env"))
            continue
        near = difflib.get_close_matches(str(name), known, n=1)
        step = f"did you mean {near[0]}?" if near else f"use one of {', '.join(sorted(known))}"
        found.append(Problem(where, "is not a known name", step.rstrip("?") + (" (rename it)" if near else "")))
    return found


def _team(variables: dict[str, Any]) -> list[Problem]:
    team = variables.get("mcp_team")
    if _mistyped("mcp_team", variables, VARIABLES):
        return []
    if not isinstance(team, str) or not TEAM.fullmatch(team):
        return [Problem("mcp_team", "must be a name of lower-case letters, digits and _ that starts with a letter, at most 30", "set mcp_team: team_a")]
    return []


def _places(variables: dict[str, Any]) -> list[Problem]:
    """Paths on the hosts must be whole, and one team's folder must hold nothing else; those on the control node may be relative to the inventory."""
    found = []
    for name in ("mcp_root", "mcp_runtime_directory", "mcp_client_config"):
        value = variables.get(name)
        if value is not None and not (isinstance(value, str) and PATH.fullmatch(value) and not {"..", "."} & set(value.split("/"))):
            found.append(Problem(name, "must be a whole path of plain characters", "use a form like /srv/mcp-tenancy/team_a"))
    if not found and variables.get("mcp_root") and str(variables.get("mcp_root")).rstrip("/") == str(variables.get("mcp_runtime_directory")).rstrip("/"):
        found.append(Problem("mcp_runtime_directory", "is also mcp_root", "set it to a folder of its own on tmpfs, below /run or /dev/shm"))
    if not found and declaration_rules.on_systemd(variables) and not str(variables.get("mcp_runtime_directory", "/run/")).startswith("/run/"):
        found.append(Problem("mcp_runtime_directory", "systemd makes it below /run only", "remove the variable, or use a form like /run/mcp-tenancy/team_a"))
    for name in ("mcp_env_file", "mcp_vault_key_file"):
        if name in variables and not (isinstance(variables[name], str) and variables[name].strip()):
            found.append(Problem(name, "must be the path of a file", "name one, relative to the inventory or whole"))
    pythons = variables.get("mcp_python", "python3")
    if not all(isinstance(python, str) and python for python in (pythons if isinstance(pythons, list) and pythons else [pythons])):
        found.append(Problem("mcp_python", "must be a program or a list of programs", "use a form like [python3.13, /usr/bin/python3.12]"))
    return found


def _clients(variables: dict[str, Any]) -> list[Problem]:
    found = []
    days = variables.get("mcp_client_days", 30)
    if isinstance(days, bool) or not str(days).isdecimal() or not 1 <= int(days) <= 365:
        found.append(Problem("mcp_client_days", f"'{days}' is not a number of days", "use a number from 1 to 365"))
    overlap = variables.get("mcp_client_overlap", "24h")
    try:
        if str(overlap) != "0":
            _rotation.duration(overlap)
    except ValueError as error:
        found.append(Problem("mcp_client_overlap", str(error), "use a form like 24h or 2d, or 0 for none"))
    url = variables.get("mcp_public_url")
    if url is not None and not (isinstance(url, str) and PUBLIC_URL.fullmatch(url)):
        found.append(Problem("mcp_public_url", "is not the base of a URL", "use a form like https://mcp.team-a.example"))
    return found


def _choice(variables: dict[str, Any], name: str, allowed: tuple[str, ...]) -> list[Problem]:
    if variables.get(name, allowed[0]) not in allowed:
        return [Problem(name, f"'{variables[name]}' is not available", f"use {' or '.join(allowed)}")]
    return []


def _gateway(variables: dict[str, Any]) -> list[Problem]:
    found = []
    if "mcp_gateway_port" in variables and not _is_port(variables["mcp_gateway_port"]):
        found.append(_bad_port("mcp_gateway_port", variables["mcp_gateway_port"]))
    email = variables.get("mcp_gateway_admin_email")
    derived = f"mcp-admin@{str(variables.get('mcp_team')).replace('_', '-')}.example"  # a mistake in the team's name is told once
    if email is not None and email != derived and not (isinstance(email, str) and EMAIL.fullmatch(email)):
        found.append(Problem("mcp_gateway_admin_email", "is not an e-mail address", "use a form like mcp-admin@example.com"))
    settings = variables.get("mcp_gateway_settings") or {}
    if not isinstance(settings, dict):
        return [*found, Problem("mcp_gateway_settings", "must be a mapping of NAME: value", "write LOG_LEVEL: INFO below it")]
    ours = (set(declaration_rules.GATEWAY_SETTINGS) | {"PORT", "APP_DOMAIN", "DATABASE_URL", "PLATFORM_ADMIN_EMAIL"}) - declaration_rules.OVERRIDABLE
    ours |= _sharing.SETTINGS if _sharing.shares(variables) else set()
    ours |= {_edge.UI_ORIGINS} if isinstance(variables.get("mcp_edge"), dict) and variables["mcp_edge"].get("ui") else set()
    for name, value in settings.items():
        place = f"mcp_gateway_settings.{name}"
        if name in ours:
            found.append(
                Problem(place, "is set by the collection itself, other parts depend on it", "remove it, or use the variable that docs/architecture.md names")
            )
        elif name in declaration_rules.OWN_SECRETS or re.search(r"PASSWORD|SECRET|TOKEN$|_KEY$", str(name)):
            found.append(Problem(place, "is a secret", "put it into the team's encrypted .env"))
        elif not re.fullmatch(r"[A-Z][A-Z0-9_]*", str(name)):
            found.append(Problem(place, "is not the name of a setting", "use upper-case letters, digits and _"))
        elif isinstance(value, (dict, list)) or "\n" in str(value) or "\0" in str(value):
            found.append(Problem(place, "must be one line of text, a number or a boolean", "write lists as JSON text in single quotes"))
        elif name == "LOG_LEVEL" and str(value).upper() == "DEBUG":
            found.append(Problem(place, "DEBUG makes the gateway log secrets and results", "use INFO at most"))
    return found


def _environment(place: str, environment: Any) -> list[Problem]:
    if not isinstance(environment, dict):
        return [Problem(place, "must be a mapping", "write - name: dev")]
    found = _unknown(environment, ENVIRONMENT_KEYS, place)
    name = environment.get("name")
    if not (isinstance(name, str) and ENVIRONMENT.fullmatch(name)) and not _mistyped("name", environment, ENVIRONMENT_KEYS):
        found.append(Problem(f"{place}.name", "must be lower-case letters and digits, at most 16, starting with a letter", "use a name like dev or prod"))
    engines = declaration_rules.ENGINES
    if not any(environment.get(engine) for engine in engines) and not any(_mistyped(engine, environment, ENVIRONMENT_KEYS) for engine in engines):
        found.append(Problem(place, "has neither postgres nor mongodb", "declare at least one of them"))
    for engine in declaration_rules.ENGINES:
        if environment.get(engine) is not None:
            found += _database(f"{place}.{engine}", environment[engine], engine)
            found += _tls(f"{place}.{engine}", environment[engine], engine, environment.get("tls_floor", _database_tls.MODES[-1]))
    if environment.get("tls_floor", _database_tls.MODES[-1]) not in _database_tls.MODES:
        step = f"use one of {', '.join(_database_tls.MODES)}, or leave it out"
        found.append(Problem(f"{place}.tls_floor", f"'{environment['tls_floor']}' is not a kind of connection", step))
    if environment.get("state", STATES[0]) not in STATES:
        found.append(Problem(f"{place}.state", f"must be one of {', '.join(STATES)}", "remove it, or write absent for an environment that is to go"))
    hosts = environment.get("hosts", ["any"])
    if not isinstance(hosts, list) or not hosts or not all(isinstance(host, str) and host for host in hosts):
        found.append(Problem(f"{place}.hosts", "must be a list of the inventory's host names", "name some, or remove it: all hosts then"))
    return [*found, *_upstreams(f"{place}.upstreams", environment.get("upstreams", [])), *_members(f"{place}.members", environment.get("members", []))]


def _upstreams(place: str, upstreams: Any) -> list[Problem]:
    """Further MCP servers of an environment, as a line of ``gateways.txt`` has them."""
    if not isinstance(upstreams, list) or not all(isinstance(upstream, dict) for upstream in upstreams):
        return [Problem(place, "must be a list of mappings", "write - {name: wiki, url: 'https://wiki.example.com/mcp'}")]
    found: list[Problem] = []
    names = [*declaration_rules.ENGINES, *(f"{engine}-users" for engine in declaration_rules.ENGINES)]
    for index, upstream in enumerate(upstreams):
        where = f"{place}[{index}]"
        found += _unknown(upstream, {"name", "url", "transport"}, where)
        try:
            _gateways_txt.entry("|".join(str(upstream.get(key, "")).replace("|", "%7C") for key in ("name", "url", "transport")))
        except _gateways_txt.LineError as error:
            found.append(Problem(where, str(error), "use a form like {name: wiki, url: 'https://wiki.example.com/mcp', transport: STREAMABLEHTTP}"))
        if str(upstream.get("name")).lower() in names:
            found.append(Problem(where, f"'{upstream['name']}' is the name of another one or of a database", "rename it"))
        names.append(str(upstream.get("name")).lower())
    return found


def _members(place: str, members: Any) -> list[Problem]:
    if not isinstance(members, list):
        return [Problem(place, "must be a list of e-mail addresses", "write members: [alice@example.com]")]
    found, emails = [], []
    for index, member in enumerate(members):
        where, email = f"{place}[{index}]", member
        if isinstance(member, dict):
            email = member.get("email")
            found += _unknown(member, {"email", "role"}, where)
            role = member.get("role", declaration_rules.ROLES[0])
            if role == "developer":
                found.append(Problem(f"{where}.role", "'developer' would change at the gateway what is declared here", "use viewer, which may call every tool"))
            elif role not in declaration_rules.ROLES:
                found.append(Problem(f"{where}.role", f"'{role}' is not a role", f"use {' or '.join(declaration_rules.ROLES)}, or leave it out"))
        if not (isinstance(email, str) and EMAIL.fullmatch(email)):
            found.append(Problem(where, "is not an e-mail address", "use a form like alice@example.com, or {email: alice@example.com, role: owner}"))
        emails.append(str(email).lower())
    if len(set(emails)) != len(emails):
        found.append(Problem(place, "names somebody twice", "remove the duplicate"))
    return found


def _database(place: str, database: Any, engine: str) -> list[Problem]:
    if not isinstance(database, dict):
        return [Problem(place, "must be a mapping", "give it host, database and ca")]
    known = DATABASE_KEYS[engine]
    found = _unknown(database, known, place)
    if not (isinstance(database.get("host"), str) and HOST.fullmatch(database["host"])) and not _mistyped("host", database, known):
        found.append(Problem(f"{place}.host", "must be one host name or address", "use a form like db.team-a.internal"))
    if not (isinstance(database.get("database"), str) and DATABASE.fullmatch(database["database"])) and not _mistyped("database", database, known):
        found.append(Problem(f"{place}.database", "must be the name of one database", "name the database that this environment uses"))
    for key in ("port", "service_port"):
        if key in database and not _is_port(database[key]):
            found.append(_bad_port(f"{place}.{key}", database[key]))
    if database.get("access", "read_only") not in ("read_only", "read_write"):
        found.append(Problem(f"{place}.access", f"'{database['access']}' is not an access", "use read_only or read_write"))
    if database.get("credential", "managed") not in ("managed", "unmanaged"):
        found.append(Problem(f"{place}.credential", f"'{database['credential']}' is neither managed nor unmanaged", "use one of the two"))
    if "owner" in database and not (isinstance(database["owner"], str) and OWNER.fullmatch(database["owner"])):
        found.append(Problem(f"{place}.owner", "is not a name for an owner role", "use up to 61 lower-case letters, digits and underscores, or leave it out"))
    if "host_of" in database and not (isinstance(database["host_of"], str) and ENVIRONMENT.fullmatch(database["host_of"])):
        found.append(Problem(f"{place}.host_of", "is not the name of an environment", "use the part of the host's name that is meant, like prod"))
    schemas = database.get("schemas", ["public"])
    if not (isinstance(schemas, list) and schemas and all(isinstance(schema, str) and DATABASE.fullmatch(schema) for schema in schemas)):
        found.append(Problem(f"{place}.schemas", "must be a list of schemas", "write it like [public], or leave it out"))
    if not isinstance(database.get("guard", True), bool):
        found.append(Problem(f"{place}.guard", "must be true or false", "remove it: the guard is on by default"))
    found += _limits(f"{place}.limits", database.get("limits", {}))
    found += _users(f"{place}.users", database["users"]) if database.get("users") is not None else []
    return found


def _tls(place: str, database: Any, engine: str, floor: Any) -> list[Problem]:
    """Verified TLS to the declared name, unless the environment allows something weaker."""
    if not isinstance(database, dict):
        return []  # told already
    found, modes = [], _database_tls.MODES
    variable, best = ("sslmode", "verify-full") if engine == "postgres" else ("tls", "true")
    mode = declaration_rules.tls_mode(database, engine)
    if mode not in modes:
        weak = "true, or false where" if engine == "mongodb" else "verify-full, or where"
        step = f"use {weak} the environment's tls_floor allows it one of {', '.join(modes[:-1])}"
        found.append(Problem(f"{place}.{variable}", f"'{mode}' is not a kind of connection that can be relied upon", step))
        mode = modes[-1]
    elif modes.index(mode) < (modes.index(floor) if floor in modes else 0):
        step = f"use {best} with the right ca; a weaker connection needs tls_floor: {mode} in this environment, and every run will tell of it"
        found.append(Problem(f"{place}.{variable}", f"'{mode}' is weaker than this environment allows: {declaration_rules.WEAKER[mode]}", step))
        mode = modes[-1]  # what else is wrong is said of what it should be
    if mode not in modes[:2] and not (isinstance(database.get("ca"), str) and database["ca"]) and not _mistyped("ca", database, DATABASE_KEYS[engine]):
        found.append(Problem(f"{place}.ca", "is missing: every connection is verified TLS", "name the PEM file of the database's CA on the control node"))
    if mode == "disable" and database.get("credential", "managed") == "managed":
        found.append(Problem(f"{place}.credential", "a managed login's password would cross the network in clear", "use credential: unmanaged, or TLS"))
    if mode == "disable" and database.get("users"):
        found.append(Problem(f"{place}.users", "people's logins need TLS", "switch TLS on at the server"))
    pair = {name: database.get(name) for name in ("client_certificate", "client_key")}
    for name, value in pair.items():
        if name in database and not (isinstance(value, str) and value):
            found.append(Problem(f"{place}.{name}", "must be the path of a PEM file", "name one, relative to the inventory or whole"))
    if bool(pair["client_certificate"]) != bool(pair["client_key"]):
        missing = next(name for name, value in pair.items() if not value)
        found.append(Problem(f"{place}.{missing}", "is missing: a client certificate goes with its key", "name both, or neither"))
    elif pair["client_key"] and mode == "disable":
        found.append(Problem(f"{place}.client_key", "there is no client certificate without TLS", "remove both, or switch TLS on"))
    return found


def _users(place: str, users: Any) -> list[Problem]:
    if not isinstance(users, dict) or not users:
        return [Problem(place, "must be a mapping", "write users: {accepts: [headers]}, or remove it")]
    found = _unknown(users, {"accepts", "dense", "template", "service_port", *USERS_NUMBERS}, place)
    accepts = users.get("accepts", ["headers"])
    if not isinstance(accepts, list) or not accepts or any(way not in LOGIN_WAYS for way in accepts):
        found.append(Problem(f"{place}.accepts", "must be a list of ways in which a login may come", f"use {' or '.join(LOGIN_WAYS)}, in brackets"))
    if not isinstance(users.get("dense", False), bool):
        found.append(Problem(f"{place}.dense", f"'{users['dense']}' is neither true nor false", "use true for one process for all logins, or leave it out"))
    template = users.get("template")
    if template is not None and not (isinstance(template, str) and OWNER.fullmatch(template)):
        found.append(Problem(f"{place}.template", f"'{template}' is not the name of a role", "name the role whose rights the logins of people get"))
    if "service_port" in users and not _is_port(users["service_port"]):
        found.append(_bad_port(f"{place}.service_port", users["service_port"]))
    for key, (least, most) in USERS_NUMBERS.items():
        value = users.get(key, least)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            found.append(
                Problem(f"{place}.{key}", f"'{value}' is not a whole number from {least} to {most}", f"use one like {max(1, most // 10)}, or leave it out")
            )
    return found


def _limits(place: str, limits: Any) -> list[Problem]:
    if not isinstance(limits, dict):
        return [Problem(place, "must be a mapping", f"use names like {LIMITS[0]}: 60")]
    found = _unknown(limits, set(LIMITS), place)
    for name, value in limits.items():
        if name in LIMITS and (isinstance(value, bool) or not isinstance(value, int | float) or value < (0 if name in UNBOUNDED else 1)):
            found.append(Problem(f"{place}.{name}", f"'{value}' is not a bound", "use a number" + (", 0 for no bound" if name in UNBOUNDED else " from 1")))
    return found


def _is_port(value: Any) -> bool:
    return not isinstance(value, bool) and str(value).isdecimal() and 1 <= int(value) <= 65535


def _bad_port(place: str, value: Any) -> Problem:
    return Problem(place, f"'{value}' is not a port", "use a number from 1 to 65535")
