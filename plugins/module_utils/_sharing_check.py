# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What is wrong with ``mcp_gateway_database`` and ``mcp_gateway_cache``, alone and on several hosts. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ansible_collections.mcp.tenancy.plugins.module_utils import _database_tls, _declaration, _sharing
from ansible_collections.mcp.tenancy.plugins.module_utils._problem import Problem

KEYS = {
    _sharing.DATABASE: {"host", "port", "database", "sslmode", "ca", "tls_floor"},
    _sharing.CACHE: {"host", "port", "database", "tls", "ca", "tls_floor"},
}
EXAMPLES = {
    _sharing.DATABASE: "{host: db.team-a.internal, database: team_a_gateway, ca: files/team-a-ca.pem}",
    _sharing.CACHE: "{host: redis.team-a.internal, ca: files/team-a-ca.pem}",
}
#: What clients call, which has to be one name for all hosts, and what the hosts share.
SAME = (_sharing.DATABASE, _sharing.CACHE, "mcp_public_url")
#: Numbers of a Redis database; servers have 16 unless told otherwise.
LAST_CACHE = 255


def problems(variables: dict[str, Any], unknown: Callable[[dict, set, str], list[Problem]], host: re.Pattern, name: re.Pattern) -> list[Problem]:
    """Each by itself. ``unknown`` finds keys that there are not; ``host`` and ``name`` are what a host and a database may be called."""
    found = []
    for variable, known in KEYS.items():
        if variables.get(variable) is None:
            continue
        told = variables[variable]
        if not isinstance(told, dict) or not told:
            found.append(Problem(variable, "must be a mapping", f"write {variable}: {EXAMPLES[variable]}, or remove it"))
            continue
        found += unknown(told, known, variable)
        found += _place(variable, told, host)
        found += _database(told, name) if variable == _sharing.DATABASE else _cache(told)
        found += _tls(variable, told)
    if variables.get(_sharing.CACHE) and not variables.get(_sharing.DATABASE):
        what = "is for gateways that share a database, and none is declared"
        found.append(Problem(_sharing.CACHE, what, f"declare {_sharing.DATABASE}: {EXAMPLES[_sharing.DATABASE]}, or remove it"))
    return found


def _place(variable: str, told: dict, host: re.Pattern) -> list[Problem]:
    found = []
    if not (isinstance(told.get("host"), str) and host.fullmatch(told["host"])):
        found.append(Problem(f"{variable}.host", "must be one host name or address", "use a form like db.team-a.internal"))
    port = told.get("port", 1)
    if isinstance(port, bool) or not str(port).isdecimal() or not 1 <= int(port) <= 65535:
        found.append(Problem(f"{variable}.port", f"'{port}' is not a port", "use a number from 1 to 65535"))
    return found


def _database(told: dict, name: re.Pattern) -> list[Problem]:
    if isinstance(told.get("database"), str) and name.fullmatch(told["database"]):
        return []
    step = "name a database that is for the gateway alone and that its login owns"
    return [Problem(f"{_sharing.DATABASE}.database", "must be the name of one database", step)]


def _cache(told: dict) -> list[Problem]:
    number = told.get("database", 0)
    if isinstance(number, bool) or not str(number).isdecimal() or int(number) > LAST_CACHE:
        what = f"'{number}' is not the number of a Redis database"
        return [Problem(f"{_sharing.CACHE}.database", what, f"use one from 0 to {LAST_CACHE}, or leave it out for 0")]
    return []


def _tls(variable: str, told: dict) -> list[Problem]:
    """Verified TLS to the declared name, unless ``tls_floor`` beside it allows something weaker."""
    modes, found = _database_tls.MODES, []
    key, best = ("sslmode", "verify-full") if variable == _sharing.DATABASE else ("tls", "true")
    floor, mode = told.get("tls_floor", modes[-1]), _sharing.mode(variable, told)
    if floor not in modes:
        found.append(Problem(f"{variable}.tls_floor", f"'{floor}' is not a kind of connection", f"use one of {', '.join(modes)}, or leave it out"))
        floor = modes[-1]
    if mode not in modes:
        step = f"use {best}, or where tls_floor allows it one of {', '.join(modes[:-1])}"
        found.append(Problem(f"{variable}.{key}", f"'{mode}' is not a kind of connection that can be relied upon", step))
        mode = modes[-1]
    elif modes.index(mode) < modes.index(floor):
        step = f"use {best} with the right ca; a weaker connection needs tls_floor: {mode} beside it, and every run will tell of it"
        found.append(Problem(f"{variable}.{key}", f"'{mode}' is weaker than is allowed: {_declaration.WEAKER[mode]}", step))
        mode = modes[-1]
    if mode in ("verify-ca", "verify-full") and not (isinstance(told.get("ca"), str) and told["ca"].strip()):
        found.append(
            Problem(f"{variable}.ca", "is missing: the gateway's connections are verified TLS", "name the PEM file of the server's CA on the control node")
        )
    return found


def on_hosts(declared: dict[str, Any], host: str, others: dict[str, dict], placed: list[tuple[str, dict]]) -> list[Problem]:
    """What is wrong where several hosts share. ``others``: the team's other gateway hosts with what of :data:`SAME` and ``mcp_edge`` they have.

    ``placed``: environments with their places (:func:`_declaration_across.placed`).
    """
    if not _sharing.shares(declared) or not others:
        return []
    found = []
    if not declared.get(_sharing.CACHE):
        what = f"is shared by {len(others) + 1} hosts without {_sharing.CACHE}: each would not know for up to a minute what another changed or revoked"
        found.append(Problem(_sharing.DATABASE, what, f"declare {_sharing.CACHE}: {EXAMPLES[_sharing.CACHE]}"))
    for place, environment in placed:
        missing = sorted({host, *others} - set(environment.get("hosts", [host, *others])))
        if missing:
            what = f"leaves out {', '.join(missing)}, whose gateway has this environment too since the gateways share their registry"
            found.append(Problem(f"{place}.hosts", what, "remove it, so that the environment is on every gateway host"))
    if not _name(declared):
        step = "declare mcp_edge with the same name on every host, or mcp_public_url where something else is in front of them"
        found.append(Problem(_sharing.DATABASE, "is shared, and clients have no one name for the gateways", step))
    for other, theirs in sorted(others.items()):
        found += [
            Problem(name, f"is another one on {other}, and the gateways of a team share it", "declare it for the whole team, in group_vars")
            for name in SAME
            if declared.get(name) != theirs.get(name)
        ]
        if _name(declared) != _name(theirs) and declared.get("mcp_public_url") == theirs.get("mcp_public_url"):
            step = "give every host the same mcp_edge.name and port, or declare mcp_public_url"
            found.append(Problem("mcp_edge.name", f"is another one on {other}, and a client's file has one name", step))
    return found


def _name(declared: dict) -> str:
    """By which clients reach the gateways."""
    edge = declared.get("mcp_edge")
    return str(declared.get("mcp_public_url") or (_declaration.edge_url(declared) if isinstance(edge, dict) and "name" in edge else ""))
