# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What several gateways of one team share: a PostgreSQL database and a Redis. Pure. What may be declared is in :mod:`_sharing_check`.

Without a declaration of it each gateway has a SQLite database of its own, and nothing in here changes anything.
"""

from __future__ import annotations

from urllib.parse import quote

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string, _database_tls, _declaration

DATABASE, CACHE = "mcp_gateway_database", "mcp_gateway_cache"
ENGINES = {DATABASE: "postgres", CACHE: "redis"}
#: Where their logins stand in the operator's ``.env``, as connection strings like those of the environments.
LOGINS = {DATABASE: "GATEWAY_DATABASE_CONNECTION_STRING", CACHE: "GATEWAY_CACHE_CONNECTION_STRING"}
#: What a host's ``.env`` has in their place: the URL as the gateway's libraries want it. The gateway's own variable is the second name.
URLS = {DATABASE: ("GATEWAY_DATABASE_URL", "DATABASE_URL"), CACHE: ("GATEWAY_CACHE_URL", "REDIS_URL")}
#: Names of the connections, for files and for people.
NAMES = {DATABASE: "gateway-database", CACHE: "gateway-cache"}

#: What the team may still set by mcp_gateway_settings. The gateway's own default, 200 connections each, is beyond what a PostgreSQL server takes.
POOL = {"DB_POOL_SIZE": "20", "DB_MAX_OVERFLOW": "10"}
#: What it may not. One gateway checks upstreams for all, at its own loopback: what is down there must not be taken away from the others.
WITH_DATABASE = {"UNHEALTHY_THRESHOLD": "-1"}
WITH_CACHE = {"CACHE_TYPE": "redis"}
#: Settings of the gateway that follow from the two, and are the team's own without them.
SETTINGS = set(WITH_DATABASE)


def shares(declaration: dict) -> bool:
    """Whether the gateway's registry is in a PostgreSQL database."""
    return bool(declaration.get(DATABASE))


def registrar(declaration: dict, team_hosts: list[str], host: str) -> str:
    """The host whose gateway is told what ``host`` has: where the registry is shared one of them tells all, or two would make the same row twice."""
    return team_hosts[0] if shares(declaration) else host


def connections(declaration: dict) -> list[dict]:
    """The declared ones, in the form of :func:`_declaration.services` as far as a connection needs it. ``variable``: which of the two it is."""
    found = []
    for variable, engine in ENGINES.items():
        told = declaration.get(variable)
        if told:
            same = {"name": NAMES[variable], "variable": variable, "engine": engine, "environment": "the gateway", "ca": told.get("ca") or "", "client": None}
            found.append({**same, "login": LOGINS[variable], "database": target(variable, told)})
    return found


def target(variable: str, told: dict) -> dict:
    """Host, port, database and what of TLS a login in the ``.env`` must agree with."""
    port = int(told.get("port") or _connection_string.DEFAULT_PORTS[ENGINES[variable]])
    database = str(told.get("database", 0)) if variable == CACHE else told["database"]
    return {"host": told["host"], "port": port, "database": database, "parameters": {"sslmode": mode(variable, told)}}


def mode(variable: str, told: dict) -> str:
    """One of :data:`_database_tls.MODES`, or what stands there."""
    return _declaration.tls_mode(told, "postgres" if variable == DATABASE else "mongodb")


def ca_path(declaration: dict, connection: dict) -> str:
    """Where its CA lies on a host; empty where a weaker connection needs none."""
    return f"{_declaration.paths(declaration)['etc']}/ca/{connection['name']}.pem" if connection["ca"] else ""


def weaker(declaration: dict) -> list[str]:
    """A sentence for each connection that is weaker than verified TLS to the declared name, which the inventory has to allow."""
    found = []
    for one in connections(declaration):
        place, kind = one["database"], one["database"]["parameters"]["sslmode"]
        if kind in _declaration.WEAKER:
            where = f"{one['variable']}: the gateway's connection to {place['host']}:{place['port']}"
            what = f"is weaker than verify-full ({kind}): {_declaration.WEAKER[kind]}. The inventory allows it (tls_floor)"
            found.append(f"{where} {what}. Next: {_declaration.WEAKER_STEP}.")
    return found


def settings(declaration: dict, own: dict[str, str]) -> dict[str, str]:
    """The plain settings of the gateway, ``own`` without the file that it would keep its database in."""
    if not shares(declaration):
        return own
    instead = {URLS[one["variable"]][1] for one in connections(declaration)}  # these are secrets then
    kept = {name: value for name, value in own.items() if name not in instead}
    return {**POOL, **kept, **WITH_DATABASE, **(WITH_CACHE if declaration.get(CACHE) else {})}


def secrets(declaration: dict) -> dict[str, dict]:
    """Of the gateway's process: variables with a login in them, and under which name of the host's ``.env`` they are."""
    return {URLS[one["variable"]][1]: {"key": URLS[one["variable"]][0], "part": "value"} for one in connections(declaration)}


def urls(declaration: dict, values: dict[str, str]) -> dict[str, str]:
    """For a host's ``.env``, from the operator's. Their logins were checked before."""
    found = {}
    for one in connections(declaration):
        login = _connection_string.parse(values[one["login"]], one["engine"])
        render = database_url if one["variable"] == DATABASE else cache_url
        found[URLS[one["variable"]][0]] = render(one["database"], login.user, login.password, ca_path(declaration, one))
    return found


def database_url(place: dict, user: str, password: str, ca: str) -> str:
    """As SQLAlchemy reads it, which decodes login, database and parameters, and gives the parameters to libpq."""
    kind = place["parameters"]["sslmode"]
    query = {"sslmode": kind, **({"sslrootcert": ca} if ca and kind in ("verify-ca", "verify-full") else {})}
    parameters = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return f"postgresql+psycopg://{login}@{_host(place['host'])}:{place['port']}/{quote(place['database'], safe='')}?{parameters}"


def cache_url(place: dict, user: str, password: str, ca: str) -> str:
    """As redis-py reads it. TLS stands in the URL, since some of the gateway's connections know nothing but that."""
    kind, scheme, query = place["parameters"]["sslmode"], "redis", {}
    if kind != _database_tls.MODES[0]:
        verified = kind in ("verify-ca", "verify-full")
        scheme, query = "rediss", {"ssl_cert_reqs": "required" if verified else "none", "ssl_check_hostname": str(kind == "verify-full")}
        if verified:
            query["ssl_ca_certs"] = ca
    parameters = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return f"{scheme}://{login}@{_host(place['host'])}:{place['port']}/{place['database']}" + (f"?{parameters}" if parameters else "")


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
