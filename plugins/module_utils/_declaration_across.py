# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Mistakes that only show when one looks at several parts of a declaration together. Pure.

They are told beside the mistakes of single parts: :func:`sound` leaves out what is known to be wrong, so that one mistake
neither hides another nor makes one up.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration
from ansible_collections.mcp.tenancy.plugins.module_utils._problem import Problem

#: Under this key an environment of a sound declaration says where it stands in the real one.
PLACE = "_place"
#: What stands in for a team whose name is wrong: ports are derived from it.
NAMELESS = "team"
#: Without these a part says nothing.
NEEDED = {"": ("name",), "postgres": ("host", "database"), "mongodb": ("host", "database")}
#: One without the other is a mistake, of which people are told.
PAIR = ("client_certificate", "client_key")
#: By these parts of a host's name people tell what must not be touched, and what is not worth it.
PRODUCTION, OTHERS = {"prod", "production"}, {"dev", "development", "staging"}


def sound(variables: dict[str, Any], found: list[Problem]) -> dict[str, Any]:
    """The declaration without everything that ``found`` points at. Never fails, whatever was declared."""
    wrong = {place for problem in found for place in _with_what_is_around(problem.place)}

    def is_wrong(place: str) -> bool:
        return place in wrong

    def kept(part: dict[str, Any], place: str, needed: tuple[str, ...]) -> dict[str, Any] | None:
        good = {name: value for name, value in part.items() if not is_wrong(f"{place}.{name}") or name in _declaration.ENGINES}
        if not all(name in good for name in PAIR):
            good = {name: value for name, value in good.items() if name not in PAIR}
        return good if all(name in good for name in needed) else None

    declared = {name: value for name, value in variables.items() if name.startswith("mcp_") and not is_wrong(name)}
    declared["mcp_team"] = declared.get("mcp_team", NAMELESS)
    declared["mcp_environments"] = []
    environments = variables.get("mcp_environments")
    for index, environment in enumerate(environments if isinstance(environments, list) else []):
        place = f"mcp_environments[{index}]"
        good = kept(environment, place, NEEDED[""]) if isinstance(environment, dict) else None
        if good is None:
            continue
        for engine in _declaration.ENGINES:
            database = good.pop(engine, None)
            database = kept(database, f"{place}.{engine}", NEEDED[engine]) if isinstance(database, dict) else None
            if database:
                good[engine] = database
        declared["mcp_environments"].append({**good, PLACE: place})
    return declared


def _with_what_is_around(place: str) -> Iterator[str]:
    """``a[0].b`` itself, ``a[0]`` and ``a``."""
    yield place
    for index, character in enumerate(place):
        if character in ".[" and index:
            yield place[:index]


def problems(declared: dict[str, Any]) -> list[Problem]:
    """All of them, in a sound declaration."""
    found = _same_names(declared)
    twice = {problem.place.removesuffix(".name") for problem in found}
    declared = {**declared, "mcp_environments": [one for one in declared["mcp_environments"] if one[PLACE] not in twice and not _declaration.is_absent(one)]}
    return [*found, *_too_many(declared), *_same_databases(declared), *_same_ports(declared), *_mixed(declared), *_administrator(declared)]


def _too_many(declared: dict[str, Any]) -> list[Problem]:
    """Each service has loopback ports of its own for ``translate``, of which there are so many."""
    low, high = _declaration.TRANSLATE_RANGE
    number, most = len(_declaration.services(declared)), (high - low + 1) // _declaration.TRANSLATE_PORTS
    return [Problem("mcp_environments", f"{number} services are more than a team can have ({most})", "make two teams of it")] if number > most else []


def on_hosts(declared: dict[str, Any], hosts: list[str], host: str) -> list[Problem]:
    """Mistakes in which host has which environment; ``hosts`` are all of the inventory, ``host`` the one that is looked at."""
    found = []
    for place, environment in placed(declared):
        for name in sorted(set(environment.get("hosts", [])) - set(hosts)):
            near = (difflib.get_close_matches(name, hosts, n=1) or ["a name from hosts.yml"])[0]
            what = "is a pattern, and must be a name" if re.search(r"[*?:!&\[\]]", name) else "is no host of the inventory"
            found.append(Problem(f"{place}.hosts", f"{name} {what}", f"use {near}"))
    if not found and declared["mcp_environments"] and not _declaration.on_host(declared, host)["mcp_environments"]:
        step = f"name {host} in the hosts of an environment; to take it out of the inventory, run remove.yml for it first"
        found.append(Problem("mcp_environments", f"no environment is on {host}", step))
    return found


def unsound(variables: dict[str, Any], found: list[Problem]) -> list[dict] | None:
    """The services that :func:`sound` leaves out, as far as they are known: ``engine``, ``environment``, ``kind`` ("" when that is not known).

    An engine of an environment with a mistake is among them even if it is not declared: it may be what a mistyped name stands for. None where
    an environment has no name, so that nothing is known of what belongs to it.
    """
    services, environments = [], variables.get("mcp_environments")
    good = [environment for _place, environment in placed(sound(variables, found))]
    kept = {(environment["name"], engine) for environment in good for engine in _declaration.ENGINES if engine in environment}
    if not isinstance(environments, list) or not environments:
        return None
    places: dict[str, set[str]] = {}
    for problem in found:
        places.setdefault(problem.place.partition(".")[0], set()).add(problem.place)
    for index, environment in enumerate(environments):
        place = f"mcp_environments[{index}]"
        wrong = places.get(place, set())
        if not isinstance(environment, dict) or "name" not in environment or f"{place}.name" in wrong:
            return None
        for engine in _declaration.ENGINES:
            if wrong and (environment["name"], engine) not in kept:
                database = environment.get(engine)
                known = isinstance(database, dict) and f"{place}.{engine}.credential" not in wrong
                kind = database.get("credential", "managed") if known else ""
                services.append({"engine": engine, "environment": environment["name"], "kind": kind})
    return services


def placed(declared: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each environment with the place at which it was declared."""
    for index, environment in enumerate(declared["mcp_environments"]):
        yield environment.get(PLACE, f"mcp_environments[{index}]"), environment


def _same_names(declared: dict[str, Any]) -> list[Problem]:
    found, names = [], {}
    for place, environment in placed(declared):
        name = environment["name"]
        if name in names:
            found.append(Problem(f"{place}.name", f"'{name}' is also the name of {names[name]}", "rename one of them"))
        names.setdefault(name, place)
    return found


def _same_databases(declared: dict[str, Any]) -> list[Problem]:
    found, databases = [], {}
    for service in _declaration.services(declared):
        target = service["database"]
        where = (service["engine"], target["host"].lower(), target["port"], target["database"])
        if where in databases:
            what = f"uses the same database as {databases[where]}, so the environments are not apart"
            found.append(Problem(service["name"], what, "give each environment its own database"))
        databases.setdefault(where, service["name"])
    return found


def _same_ports(declared: dict[str, Any]) -> list[Problem]:
    found, ports = [], {int(declared.get("mcp_gateway_port") or _declaration.GATEWAY_PORT): "mcp_gateway_port"}
    if declared.get("mcp_edge"):
        ports[int(declared["mcp_edge"].get("port") or _declaration.EDGE_PORT)] = "mcp_edge"
    for services, key in ((_declaration.services(declared), "service_port"), (_declaration.user_services(declared), "users.service_port")):
        for service in services:
            if service["port"] in ports:
                what = f"would listen on port {service['port']}, as {ports[service['port']]} does"
                found.append(Problem(service["name"], what, f"set {key} of one of them"))
            ports.setdefault(service["port"], service["name"])
    return found


def _mixed(declared: dict[str, Any]) -> list[Problem]:
    """Production's database host in another environment or the other way round, as when a block was copied and its host forgotten."""
    found = []
    for place, environment in placed(declared):
        for engine in _declaration.ENGINES:
            database = environment.get(engine) or {}
            strange = OTHERS if environment["name"] in PRODUCTION else PRODUCTION
            own_domain = database.get("host", "").lower().rpartition(".")[0] or database.get("host", "").lower()  # .dev is a top-level domain
            for part in sorted((set(re.split(r"[^a-z0-9]+", own_domain)) & strange) - {database.get("host_of")}):
                what = f"is on {database['host']}, by its name a host of {part}"
                step = f"correct it, or say host_of: {part} where this environment's database is there on purpose"
                found.append(Problem(f"{place}.{engine}.host", what, step))
    return found


def _administrator(declared: dict[str, Any]) -> list[Problem]:
    admin = str(declared.get("mcp_gateway_admin_email") or "").lower()
    what, step = "names the gateway's administrator, whose token would open every environment", "use a person's own address"
    return [Problem(f"{place}.members", what, step) for place, environment in placed(declared) if admin and admin in _declaration.addresses(environment)]
