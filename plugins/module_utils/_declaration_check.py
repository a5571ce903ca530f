# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Every mistake in a team's declaration at once, each with its place and the next step. Pure: plain data in, a list out."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration as declaration_rules
from ansible_collections.mcp.tenancy.plugins.module_utils import _edge_check, _gateways_txt, _rotation

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
    "mcp_gateway_version", "mcp_edge", "mcp_serial", "mcp_deploy", "mcp_rotate", "mcp_status",
    "mcp_do", "mcp_user", "mcp_service", "mcp_login_file",
    "mcp_client_do", "mcp_client_file", "mcp_client_format", "mcp_client_overlap", "mcp_environment",
}  # fmt: skip
#: Bounds of a service's bridge (services/mcp_bridge, config.py); 0 switches those in UNBOUNDED off.
LIMITS = ("call_seconds", "max_rows", "max_answer_bytes", "max_request_bytes", "max_in_flight", "calls_per_second")
UNBOUNDED = {"max_rows", "calls_per_second"}
ENVIRONMENT_KEYS = {"name", "hosts", "postgres", "mongodb", "members", "upstreams"}
DATABASE_KEYS = {
    "postgres": {"host", "port", "database", "access", "sslmode", "ca", "credential", "owner", "schemas", "service_port", "guard", "limits", "users"},
    "mongodb": {"host", "port", "database", "access", "tls", "ca", "auth_source", "credential", "owner", "service_port", "guard", "limits", "users"},
}
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


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is (a variable's path, or ``file:line``), what is wrong, what to do next."""

    place: str
    message: str
    next_step: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}. Next: {self.next_step}."


def problems(variables: dict[str, Any]) -> list[Problem]:
    """All mistakes in the ``mcp_*`` variables of one host, in the order of the declaration."""
    found = [*_unknown(variables, VARIABLES, "")]
    found += _team(variables)
    found += _places(variables)
    found += _clients(variables)
    found += [Problem(f"mcp_rotation{key and '.'}{key}", what, step) for key, what, step in _rotation.mistakes(variables.get("mcp_rotation"))]
    found += [Problem(f"mcp_edge{key and '.'}{key}", what, step) for key, what, step in _edge_check.mistakes(variables)]
    found += _choice(variables, "mcp_runtime", RUNTIMES)
    found += _choice(variables, "mcp_wrapper", WRAPPERS)
    found += _gateway(variables)
    environments = variables.get("mcp_environments")
    if not isinstance(environments, list) or not environments:
        found.append(Problem("mcp_environments", "must be a list with at least one environment", "declare - name: dev with a postgres: or mongodb: below it"))
        return found
    for index, environment in enumerate(environments):
        found += _environment(f"mcp_environments[{index}]", environment)
    if not found:
        found += _across(variables)
    return found


def on_hosts(variables: dict[str, Any], hosts: list[str], host: str) -> list[Problem]:
    """Mistakes in which host has which environment; ``hosts`` are all of the inventory, ``host`` the one that is looked at."""
    found = []
    for index, environment in enumerate(variables["mcp_environments"]):
        for name in sorted(set(environment.get("hosts", [])) - set(hosts)):
            near = (difflib.get_close_matches(name, hosts, n=1) or ["a name from hosts.yml"])[0]
            found.append(Problem(f"mcp_environments[{index}].hosts", f"the inventory has no host {name}", f"use {near}"))
    if not found and not declaration_rules.on_host(variables, host)["mcp_environments"]:
        step = f"name {host} in the hosts of an environment, or take it out of the inventory"
        found.append(Problem("mcp_environments", f"no environment is on {host}", step))
    return found


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
    if not isinstance(name, str) or not ENVIRONMENT.fullmatch(name):
        found.append(Problem(f"{place}.name", "must be lower-case letters and digits, at most 16, starting with a letter", "use a name like dev or prod"))
    if not any(environment.get(engine) for engine in declaration_rules.ENGINES):
        found.append(Problem(place, "has neither postgres nor mongodb", "declare at least one of them"))
    for engine in declaration_rules.ENGINES:
        if environment.get(engine) is not None:
            found += _database(f"{place}.{engine}", environment[engine], engine)
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
    found = _unknown(database, DATABASE_KEYS[engine], place)
    if not (isinstance(database.get("host"), str) and HOST.fullmatch(database["host"])):
        found.append(Problem(f"{place}.host", "must be one host name or address", "use a form like db.team-a.internal"))
    if not (isinstance(database.get("database"), str) and DATABASE.fullmatch(database["database"])):
        found.append(Problem(f"{place}.database", "must be the name of one database", "name the database that this environment uses"))
    if not (isinstance(database.get("ca"), str) and database["ca"]):
        found.append(Problem(f"{place}.ca", "is missing: every connection is verified TLS", "name the PEM file of the database's CA on the control node"))
    for key in ("port", "service_port"):
        if key in database and not _is_port(database[key]):
            found.append(_bad_port(f"{place}.{key}", database[key]))
    if database.get("access", "read_only") not in ("read_only", "read_write"):
        found.append(Problem(f"{place}.access", f"'{database['access']}' is not an access", "use read_only or read_write"))
    if database.get("credential", "managed") not in ("managed", "unmanaged"):
        found.append(Problem(f"{place}.credential", f"'{database['credential']}' is neither managed nor unmanaged", "use one of the two"))
    if "owner" in database and not (isinstance(database["owner"], str) and OWNER.fullmatch(database["owner"])):
        found.append(Problem(f"{place}.owner", "is not a name for an owner role", "use up to 61 lower-case letters, digits and underscores, or leave it out"))
    schemas = database.get("schemas", ["public"])
    if not (isinstance(schemas, list) and schemas and all(isinstance(schema, str) and DATABASE.fullmatch(schema) for schema in schemas)):
        found.append(Problem(f"{place}.schemas", "must be a list of schemas", "write it like [public], or leave it out"))
    if not isinstance(database.get("guard", True), bool):
        found.append(Problem(f"{place}.guard", "must be true or false", "remove it: the guard is on by default"))
    found += _limits(f"{place}.limits", database.get("limits", {}))
    found += _users(f"{place}.users", database["users"]) if database.get("users") is not None else []
    if engine == "postgres" and database.get("sslmode", "verify-full") != "verify-full":
        found.append(Problem(f"{place}.sslmode", f"'{database['sslmode']}' would accept another server than yours", "use verify-full with the right ca"))
    if engine == "mongodb" and database.get("tls", True) is not True:
        found.append(Problem(f"{place}.tls", "must be true", "switch TLS on at the database and name its ca"))
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


def _across(variables: dict[str, Any]) -> list[Problem]:
    """What only shows when one looks at all environments together."""
    found, names, databases, ports = [], {}, {}, {}
    for index, environment in enumerate(variables["mcp_environments"]):
        place = f"mcp_environments[{index}]"
        if environment["name"] in names:
            found.append(Problem(f"{place}.name", f"'{environment['name']}' is also the name of {names[environment['name']]}", "rename one of them"))
        names.setdefault(environment["name"], place)
    if found:  # what follows needs services with names of their own
        return found
    ports[int(variables.get("mcp_gateway_port") or declaration_rules.GATEWAY_PORT)] = "mcp_gateway_port"
    if variables.get("mcp_edge"):
        ports[int(variables["mcp_edge"].get("port") or declaration_rules.EDGE_PORT)] = "mcp_edge"
    for service in declaration_rules.services({**variables, "mcp_team": variables["mcp_team"]}):
        target = service["database"]
        where = (service["engine"], target["host"].lower(), target["port"], target["database"])
        if where in databases:
            found.append(
                Problem(
                    service["name"],
                    f"uses the same database as {databases[where]}, so the environments are not apart",
                    "give each environment its own database",
                )
            )
        databases.setdefault(where, service["name"])
        if service["port"] in ports:
            found.append(
                Problem(service["name"], f"would listen on port {service['port']}, as {ports[service['port']]} does", "set service_port of one of them")
            )
        ports.setdefault(service["port"], service["name"])
    for service in declaration_rules.user_services(variables):
        if service["port"] in ports:
            what = f"would listen on port {service['port']}, as {ports[service['port']]} does"
            found.append(Problem(service["name"], what, "set users.service_port of one of them"))
        ports.setdefault(service["port"], service["name"])
    admin = str(variables.get("mcp_gateway_admin_email") or "").lower()
    for index, environment in enumerate(variables["mcp_environments"]):
        if admin and admin in declaration_rules.addresses(environment):
            found.append(
                Problem(
                    f"mcp_environments[{index}].members",
                    "names the gateway's administrator, whose token would open every environment",
                    "use a person's own address",
                )
            )
    return found
