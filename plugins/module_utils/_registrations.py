# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What a team's gateway has to know, and whom to ask whether its services work. Pure."""

from __future__ import annotations

import json

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _registry_former

#: The headers in which a caller's own login comes, by the ways that a target may accept (services/mcp_bridge, users/headers.py).
LOGIN_HEADERS = {
    "headers": ["X-Database-User", "X-Database-Password"],
    "connection_string": ["X-Database-Connection-String"],
    "stored": [],
}
#: Our roles as the gateway calls them.
GATEWAY_ROLES = {"viewer": "member", "owner": "owner"}
#: In which the gateway's own process says who calls (roles/gateway, mcp_gateway_identity.py); a client's is thrown away there.
IDENTITY_HEADER = "X-Database-Identity"


#: By this the gateway's process knows the services towards which people may register a gateway of their own (roles/gateway, mcp_gateway_targets.py).
TARGETS = "MCP_TARGETS"


def targets(declaration: dict) -> tuple[dict[str, str], dict[str, dict]]:
    """For the gateway's process where the Admin UI is on: a plain setting that names services and members, and each service's bearer as a secret.

    A service that takes stored logins only has no header in which one could come, so there is nothing to register.
    """
    if _declaration.gateway(declaration)["settings"]["MCPGATEWAY_UI_ENABLED"] != "true":
        return {}, {}
    members = {environment["name"]: environment.get("members") or [] for environment in declaration["mcp_environments"]}
    found, secrets = [], {}
    for service in _declaration.user_services(declaration):
        headers = [header for way in service["users"].get("accepts") or ["headers"] for header in LOGIN_HEADERS[way]]
        if not headers:
            continue
        variable = f"MCP_TARGET_{service['name'].replace('-', '_').upper()}_TOKEN"
        people = sorted(email.strip().lower() for email in members[service["environment"]])
        found.append({"name": service["name"], "url": service["url"], "headers": headers, "members": people, "bearer": variable})
        secrets[variable] = {"key": _declaration.BRIDGE_TOKEN, "part": "bridge", "service": service["name"]}
    return ({TARGETS: json.dumps(found)} if found else {}), secrets


def probed_servers(found: list[dict], team_token: str) -> list[dict]:
    """The services in the form of the option ``servers`` of ``mcp.tenancy.mcp_probe``."""
    return [{"name": service["name"], "url": service["url"], "token": _declaration.bridge_token(team_token, service["name"])} for service in found]


def seen_through_gateway(declaration: dict) -> list[dict]:
    """Where clients find each service: the option ``services`` of ``mcp.tenancy.gateway_logins``."""
    found = []
    for service in _declaration.services(declaration):
        space = _space(declaration["mcp_team"], service["environment"])
        place = {"server": space, "gateway": f"{space}-{service['engine']}", "database": service["database"]["database"]}
        found.append({"service": service["name"], "engine": service["engine"], **place})
    return found


def people_seen_through_gateway(declaration: dict, people: list[dict]) -> list[dict]:
    """The same for logins that are stored for people (:func:`_people.services`), each asked for as that person. ``on``: the service beside it."""
    found = []
    for one in people:
        space = _space(declaration["mcp_team"], one["environment"])
        name = f"{space}-{one['engine']}-users"
        place = {"server": name, "gateway": name, "database": one["database"]["database"]}
        found.append({"service": one["name"], "engine": one["engine"], **place, "person": one["person"], "team": space, "on": one["base"]})
    return found


def _space(team: str, environment: str) -> str:
    """The name of an environment's team and virtual server at the gateway."""
    return _registry_former.space(team, environment)


def with_bridge_tokens(gateways: list[dict], declaration: dict, team_token: str) -> list[dict]:
    """Registrations with the bearer of each one's bridge, and a label that changes with it and tells nothing about it."""
    services = [*_declaration.services(declaration), *_declaration.user_services(declaration)]
    of_url = {service["url"]: _declaration.bridge_token(team_token, service["name"]) for service in services}
    bearers = {url: {"auth_token": token, "auth_version": _declaration.bearer_label(token)} for url, token in of_url.items()}
    return [{**gateway, **bearers.get(gateway["url"], {})} for gateway in gateways]  # other people's upstreams get no bearer of ours


def registry(declaration: dict) -> dict:
    """What the gateway has to know: per environment a ContextForge team, its upstream gateways, one virtual server, its clients.

    The shape is that of the options of ``mcp.tenancy.gateway_registry``.
    """
    team = declaration["mcp_team"]
    wanted: dict[str, list] = {"teams": [], "gateways": [], "servers": [], "clients": []}
    services, of_users = _by_environment(_declaration.services(declaration)), _by_environment(_declaration.user_services(declaration))
    for environment in declaration["mcp_environments"]:
        space = _space(team, environment["name"])
        own = services.get(environment["name"], [])
        members = _declaration.members(environment)
        emails = [member["email"] for member in members]
        wanted["teams"].append(
            {
                "name": space,
                "description": _registry_former.ENVIRONMENT.format(environment=environment["name"], owner=team),
                "members": [{"email": member["email"], "role": GATEWAY_ROLES[member["role"]]} for member in members],
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
        others = [{**one, "name": f"{space}-{one['name']}"} for one in environment.get("upstreams") or []]
        for upstream in others:
            about = f"An upstream of environment {environment['name']}, not of this collection"
            wanted["gateways"].append({"transport": "STREAMABLEHTTP", **upstream, "team": space, "visibility": "team", "description": about})
        wanted["servers"].append(
            {
                "name": space,
                "team": space,
                "gateways": [*(f"{space}-{service['engine']}" for service in own), *(upstream["name"] for upstream in others)],
                "visibility": "team",
                "description": f"The databases of team {team}, environment {environment['name']}",
            }
        )
        for service in of_users.get(environment["name"], []):
            _for_users(wanted, declaration, service, space, emails)
        for email in emails:
            # One member: the entry has the server's name. More of them: each entry says whose it is.
            name = space if len(emails) == 1 else f"{space}-{_short_name(email, emails)}"
            wanted["clients"].append({"name": name, "user": email, "team": space, "server": space, **_token_life(declaration)})
    return wanted


def _by_environment(services: list[dict]) -> dict[str, list[dict]]:
    """In their order. Once for all: to look through all services for each environment takes the square of the time."""
    found: dict[str, list[dict]] = {}
    for service in services:
        found.setdefault(service["environment"], []).append(service)
    return found


def _for_users(wanted: dict[str, list], declaration: dict, service: dict, space: str, members: list[str]) -> None:
    """A virtual server of its own: a login's headers are for one database."""
    name = f"{space}-{service['engine']}-users"
    about = f"{service['engine']} database {service['database']['database']} of {service['environment']}, each caller with a login of their own"
    accepts = service["users"].get("accepts") or ["headers"]
    same = {"name": name, "team": space, "visibility": "team", "description": about}
    headers = [*(header for way in accepts for header in LOGIN_HEADERS[way]), IDENTITY_HEADER]
    wanted["gateways"].append({**same, "url": service["url"], "transport": "STREAMABLEHTTP", "passthrough_headers": headers})
    wanted["servers"].append({**same, "gateways": [name]})
    for email in members:
        entry = name if len(members) == 1 else f"{name}-{_short_name(email, members)}"
        wanted["clients"].append({"name": entry, "user": email, "team": space, "server": name, **_token_life(declaration)})


def _short_name(email: str, members: list[str]) -> str:
    local = email.partition("@")[0]
    return local if [member.partition("@")[0].lower() for member in members].count(local.lower()) == 1 else email


def _token_life(declaration: dict) -> dict[str, int]:
    """A token is renewed when a third of its life is left, so that runs may fail or be skipped for a while."""
    days = int(declaration.get("mcp_client_days") or 30)
    return {"expires_in_days": days, "renew_within_days": days // 3}
