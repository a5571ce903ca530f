# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from `users` in a declaration: a service, its unit, its registration, and mistakes told with their places."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import yaml

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _declaration_check, _layout, _manifest, _registrations
from tests.unit.test_declaration import DECLARATION, PROGRAMS
from tests.unit.test_units import HOST, units_of


def with_users(declaration: dict, users: object, environment: int = 0, engine: str = "postgres") -> dict:
    changed = copy.deepcopy(declaration)
    changed["mcp_environments"][environment][engine]["users"] = users
    return changed


TEAM = with_users(HOST, {"accepts": ["headers", "connection_string"], "most": 5})
NAME = next(service["name"] for service in _declaration.user_services(TEAM))


def test_a_target_is_a_service_beside_the_one_with_the_shared_login() -> None:
    base = NAME.removesuffix("-users")
    manifest = _manifest.manifest(TEAM, PROGRAMS)["services"]
    shared, own = manifest[base], manifest[NAME]
    assert own["bridge"]["users"]["host"] == next(one for one in _declaration.services(TEAM) if one["name"] == base)["database"]["host"]
    assert own["bridge"]["users"]["most"] == 5 and own["listen"] != shared["listen"] and own["user"] != shared["user"]
    assert own["wrapped"]["secrets"] == {} and {"MCP_BRIDGE_TOKEN", "MCP_IDENTITY_SECRET"} < set(own["secrets"]) and "credential" not in own
    assert own["bridge"]["wrapper"] == "bridge" and "translate_ports" not in own["bridge"]
    assert shared == _manifest.manifest(HOST, PROGRAMS)["services"][base], "the other one stays as it is"


def test_stored_logins_come_to_the_bridge_with_a_mark_and_only_there() -> None:
    stored = with_users(HOST, {"accepts": ["stored"]})
    service = next(one for one in _declaration.user_services(stored) if one["name"] == NAME)
    entry = _manifest.manifest(stored, PROGRAMS)["services"][NAME]
    assert entry["wrapped"]["secrets"] == {"MCP_USERS": {"key": service["credential"], "part": "value"}} and entry["credential"] == service["mark"]
    headers = next(one["passthrough_headers"] for one in _registrations.registry(stored)["gateways"] if "passthrough_headers" in one)
    assert headers == ["X-Database-Identity"]


def test_dense_is_one_process_with_memory_for_all_in_its_unit() -> None:
    entry = _manifest.manifest(with_users(HOST, {"dense": True, "connections": 7}), PROGRAMS)["services"][NAME]
    assert entry["bridge"]["users"]["dense"] is True and entry["bridge"]["users"]["connections"] == 7
    own, dense = (units_of(with_users(HOST, {"dense": dense, "most": 30}))[f"mcp-tenancy-team_a-{NAME}.service"]["content"] for dense in (False, True))
    memory = [int(next(line for line in unit.splitlines() if line.startswith("MemoryMax=")).partition("=")[2].rstrip("M")) for unit in (own, dense)]
    assert memory[1] < memory[0]


def test_it_has_its_user_folders_and_a_unit_that_may_make_sandboxes_and_nothing_else_changes() -> None:
    user = _declaration.user(TEAM, NAME)
    layout = _layout.layout(TEAM)
    assert f"u {user} - " in layout["sysusers"]["content"] and sum(folder.get("owner") == user for folder in layout["folders"]) == 2
    before, after = units_of(HOST), units_of(TEAM)
    added = {name for name in after if name not in before}
    assert {name for name in added if name.endswith(".service")} == {f"mcp-tenancy-team_a-{NAME}.service"}
    unit = after[f"mcp-tenancy-team_a-{NAME}.service"]["content"]
    assert "RestrictNamespaces=user pid mnt ipc uts\n" in unit and "SystemCallFilter=@system-service @mount\n" in unit and "NoNewPrivileges=yes\n" in unit
    assert all(
        "RestrictNamespaces=yes\n" in one["content"] for name, one in after.items() if name.endswith(".service") and name in before and "firewall" not in name
    )


def test_it_is_registered_with_exactly_its_headers_and_the_gateway_hands_headers_on_only_then() -> None:
    registry = _registrations.registry(TEAM)
    gateways = {gateway["name"]: gateway for gateway in registry["gateways"]}
    named = {name: gateway["passthrough_headers"] for name, gateway in gateways.items() if "passthrough_headers" in gateway}
    assert list(named.values()) == [["X-Database-User", "X-Database-Password", "X-Database-Connection-String", "X-Database-Identity"]]
    server = next(server for server in registry["servers"] if server["name"] in named)
    assert server["gateways"] == [server["name"]]
    assert any(client["server"] == server["name"] for client in registry["clients"])
    assert _declaration.gateway(TEAM)["settings"]["ENABLE_HEADER_PASSTHROUGH"] == "true"
    assert _declaration.gateway(HOST)["settings"]["ENABLE_HEADER_PASSTHROUGH"] == "false"
    tokens = {one["auth_token"] for one in _registrations.with_bridge_tokens(registry["gateways"], TEAM, "t" * 48)}
    assert len(tokens) == len(gateways), "each has a bearer of its own"


def test_its_tools_are_waited_for_like_those_of_the_others() -> None:
    marks = {service["name"]: "1.a" for service in _declaration.services(TEAM)}
    manifest = _manifest.manifest(TEAM, PROGRAMS)
    assert NAME in {bridge["name"] for bridge in _manifest.bridges(manifest, marks, "t" * 48)}
    assert NAME not in {bridge["name"] for bridge in _manifest.bridges(manifest, marks)}, "a rotation has nothing to do there"


@pytest.mark.parametrize(
    ("users", "place"),
    [
        (["headers"], "users"),
        ({"accept": ["headers"]}, "users.accept"),
        ({"accepts": []}, "users.accepts"),
        ({"accepts": ["cookie"]}, "users.accepts"),
        ({"accepts": "headers"}, "users.accepts"),
        ({"dense": "yes"}, "users.dense"),
        ({"connections": 0}, "users.connections"),
        ({"template": "not a role"}, "users.template"),
        ({"most": 0}, "users.most"),
        ({"most": "many"}, "users.most"),
        ({"most": True}, "users.most"),
        ({"spares": -1}, "users.spares"),
        ({"spares": 101}, "users.spares"),
        ({"idle_seconds": 0}, "users.idle_seconds"),
        ({"memory_bytes": 1024}, "users.memory_bytes"),
        ({"service_port": 70000}, "users.service_port"),
        ({"password": "x"}, "users.password"),
    ],
)
def test_mistakes_are_told_with_their_place(users: object, place: str) -> None:
    found = _declaration_check.problems(with_users(DECLARATION, users))
    assert [problem.place for problem in found] == [f"mcp_environments[0].postgres.{place}"] and all(problem.next_step for problem in found)


def test_a_port_that_somebody_else_has_is_told() -> None:
    taken = _declaration.services(DECLARATION)[0]["port"]
    assert [problem.place for problem in _declaration_check.problems(with_users(DECLARATION, {"service_port": taken}))] == [NAME]


UI = {"mcp_gateway_settings": {"MCPGATEWAY_UI_ENABLED": True, "MCPGATEWAY_ADMIN_API_ENABLED": True}}


def test_the_gateway_knows_where_people_may_register_only_with_the_admin_ui_on() -> None:
    assert _registrations.targets(TEAM) == ({}, {})
    off, on = (_manifest.manifest(one, PROGRAMS)["services"] for one in (TEAM, {**TEAM, **UI}))
    token = f"MCP_TARGET_{NAME.replace('-', '_').upper()}_TOKEN"
    assert "MCP_TARGETS" not in off["gateway"]["environment"] and token not in off["gateway"]["secrets"]
    (target,) = json.loads(on["gateway"]["environment"]["MCP_TARGETS"])
    service = next(one for one in _declaration.user_services(TEAM) if one["name"] == NAME)
    members = next(one["members"] for one in TEAM["mcp_environments"] if one["name"] == service["environment"])
    headers = ["X-Database-User", "X-Database-Password", "X-Database-Connection-String"]
    assert target == {"name": NAME, "url": service["url"], "headers": headers, "members": sorted(members), "bearer": token}
    assert on["gateway"]["secrets"][token] == {"key": "MCP_BRIDGE_TOKEN", "part": "bridge", "service": NAME}
    assert {name: entry for name, entry in on.items() if name != "gateway"} == {name: entry for name, entry in off.items() if name != "gateway"}


def test_a_service_that_takes_stored_logins_only_is_nothing_to_register() -> None:
    assert _registrations.targets({**with_users(HOST, {"accepts": ["stored"]}), **UI}) == ({}, {})


def test_members_of_a_target_are_written_as_the_gateway_writes_them() -> None:
    team = copy.deepcopy({**TEAM, **UI})
    team["mcp_environments"][0]["members"] = ["Bob@Example.com ", "alice@example.com"]
    (target,) = json.loads(_registrations.targets(team)[0]["MCP_TARGETS"])
    assert target["members"] == ["alice@example.com", "bob@example.com"]


def test_the_admin_uis_pages_find_the_paths_that_they_call() -> None:
    off, on = (_declaration.gateway(one)["settings"] for one in (TEAM, {**TEAM, **UI}))
    assert (off["LEGACY_API_ENABLED"], on["LEGACY_API_ENABLED"], on["PASSWORD_RESET_ENABLED"]) == ("false", "true", "false")


def test_every_part_of_the_gateways_process_is_placed_and_a_change_of_it_is_a_restart() -> None:
    role = Path(__file__).parents[2] / "roles/gateway"
    parts = {path.name for path in (role / "files").glob("*.py")}
    named = yaml.safe_load((role / "vars/main.yml").read_text())["_gateway_parts"]
    assert parts == set(_manifest.GATEWAY_FILES) == {f"mcp_gateway_{part}.py" for part in named}
    assert parts < set(_manifest.manifest(TEAM, PROGRAMS)["services"]["gateway"]["files"])
