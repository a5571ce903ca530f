# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
import types
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _declaration_across, _declaration_check, _manifest, _registrations, _supervised
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _team_env

POSTGRES = {"host": "db.internal", "port": 5432, "database": "team_a_dev", "ca": "ca.pem"}
DECLARATION = {
    "mcp_team": "team_a",
    "mcp_runtime": "supervisor",
    "mcp_wrapper": "translate",
    "mcp_gateway_port": 4444,
    "mcp_gateway_settings": {"LOG_LEVEL": "INFO"},
    "mcp_gateway_admin_email": "admin@example.com",
    "mcp_root": "/srv/mcp/team_a/",
    "mcp_runtime_directory": "/run/mcp/team_a",
    "mcp_environments": [
        {"name": "dev", "postgres": POSTGRES, "mongodb": {"host": "m.internal", "database": "team_a_dev", "ca": "ca.pem"}, "members": ["alice@example.com"]},
        {"name": "prod", "postgres": {**POSTGRES, "database": "team_a"}, "members": ["alice@example.com", "bob@example.com"]},
    ],
}
PROGRAMS = {
    "tools_python": "/lib/tools/bin/python",
    "gateway": "/lib/gw",
    "bridge": "/lib/bridge",
    "gateway_app": "/bin/x",
    "node": "/usr/bin/node",
    "servers": "/lib/s/node_modules",
    "files": {},
}


def changed(path: str, value: object, declared: dict = DECLARATION) -> dict:
    """A declaration with one value replaced; ``path`` like ``mcp_environments.0.postgres.port``."""
    declaration = copy.deepcopy(declared)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = declaration
    for part in parents:
        place = place[part]
    place[last] = value
    return declaration


def test_a_good_declaration_has_no_problem() -> None:
    assert _declaration_check.problems(DECLARATION) == []


@pytest.mark.parametrize(
    ("path", "value", "place", "says"),
    [
        ("mcp_environments.0.state", "gone", "mcp_environments[0].state", "present, absent"),
        ("mcp_team", "Team A", "mcp_team", "lower-case"),
        ("mcp_enviroments", [], "mcp_enviroments", "did you mean mcp_environments"),
        ("mcp_runtime", "kubernetes", "mcp_runtime", "not available"),
        ("mcp_wrapper", "magic", "mcp_wrapper", "not available"),
        ("mcp_environments", [], "mcp_environments", "at least one environment"),
        ("mcp_environments.0", "dev", "mcp_environments[0]", "must be a mapping"),
        ("mcp_environments.0.name", "Dev-1", "mcp_environments[0].name", "lower-case letters"),
        ("mcp_environments.1.name", "dev", "mcp_environments[1].name", "also the name of mcp_environments[0]"),
        ("mcp_environments.0.postgres.port", "54x2", "mcp_environments[0].postgres.port", "not a port"),
        ("mcp_environments.0.postgres.port", True, "mcp_environments[0].postgres.port", "not a port"),
        ("mcp_environments.0.postgres.sslmode", "require", "mcp_environments[0].postgres.sslmode", "verify-full"),
        ("mcp_environments.0.mongodb.tls", False, "mcp_environments[0].mongodb.tls", "tls_floor: disable"),
        ("mcp_environments.0.postgres.ca", "", "mcp_environments[0].postgres.ca", "is missing"),
        ("mcp_environments.0.postgres.acess", "read_only", "mcp_environments[0].postgres.acess", "did you mean access"),
        ("mcp_environments.0.postgres.access", "all", "mcp_environments[0].postgres.access", "read_only or read_write"),
        ("mcp_environments.0.postgres.guard", "off", "mcp_environments[0].postgres.guard", "true or false"),
        ("mcp_environments.0.mongodb.limits", {"max_row": 5}, "mcp_environments[0].mongodb.limits.max_row", "did you mean max_rows"),
        ("mcp_environments.0.mongodb.limits", {"call_seconds": 0}, "mcp_environments[0].mongodb.limits.call_seconds", "number from 1"),
        ("mcp_environments.0.postgres.limits", [5], "mcp_environments[0].postgres.limits", "must be a mapping"),
        ("mcp_environments.0.postgres.password", "x", "mcp_environments[0].postgres.password", "encrypted .env"),
        ("mcp_environments.0.upstreams", "wiki", "mcp_environments[0].upstreams", "must be a list of mappings"),
        ("mcp_environments.0.upstreams", [{"name": "w", "url": "ftp://w"}], "mcp_environments[0].upstreams[0]", "no http or https URL"),
        ("mcp_environments.0.upstreams", [{"name": "w", "url": "http://u:p@w"}], "mcp_environments[0].upstreams[0]", "a login in its URL"),
        ("mcp_environments.0.upstreams", [{"name": "Postgres", "url": "http://w"}], "mcp_environments[0].upstreams[0]", "of a database"),
        ("mcp_environments.0.upstreams", [{"name": "w", "url": "http://w", "token": "x"}], "mcp_environments[0].upstreams[0].token", "encrypted .env"),
        ("mcp_environments.0.upstreams", [{"name": "w", "url": "http://w", "transport": "STDIO"}], "mcp_environments[0].upstreams[0]", "neither SSE nor"),
        ("mcp_environments.0.postgres.host", "a,b", "mcp_environments[0].postgres.host", "one host name"),
        ("mcp_root", 5, "mcp_root", "whole path"),
        ("mcp_root", "srv/mcp", "mcp_root", "whole path"),
        ("mcp_root", "/srv/../etc", "mcp_root", "whole path"),
        ("mcp_runtime_directory", "/srv/mcp/team_a", "mcp_runtime_directory", "is also mcp_root"),
        ("mcp_env_file", "", "mcp_env_file", "path of a file"),
        ("mcp_python", [3.12], "mcp_python", "list of programs"),
        ("mcp_client_days", "soon", "mcp_client_days", "number of days"),
        ("mcp_public_url", "mcp.example.com", "mcp_public_url", "https://"),
        ("mcp_environments.0.members", ["alice"], "mcp_environments[0].members[0]", "not an e-mail"),
        ("mcp_environments.0.members", ["a@b.example", "A@b.example"], "mcp_environments[0].members", "twice"),
        ("mcp_environments.0.members", [{"email": "a@b.example", "rol": "viewer"}], "mcp_environments[0].members[0].rol", "did you mean role"),
        ("mcp_environments.0.members", [{"email": "a@b.example", "role": "root"}], "mcp_environments[0].members[0].role", "viewer or owner"),
        ("mcp_environments.0.members", [{"email": "a@b.example", "role": "developer"}], "mcp_environments[0].members[0].role", "use viewer"),
        ("mcp_environments.0.members", [{"role": "owner"}], "mcp_environments[0].members[0]", "not an e-mail"),
        ("mcp_environments.0.members", ["a@b.example", {"email": "A@b.example"}], "mcp_environments[0].members", "twice"),
        ("mcp_environments.0.members", [{"email": "Admin@example.com"}], "mcp_environments[0].members", "administrator"),
        ("mcp_client_overlap", "soon", "mcp_client_overlap", "24h"),
        ("mcp_environments.0.members", ["admin@example.com"], "mcp_environments[0].members", "administrator"),
        ("mcp_environments.1.postgres.database", "team_a_dev", "postgres-prod", "same database as postgres-dev"),
        ("mcp_environments.0.postgres.service_port", 4444, "postgres-dev", "port 4444, as mcp_gateway_port"),
        ("mcp_gateway_settings.RATE_LIMITING_ENABLED", True, "mcp_gateway_settings.RATE_LIMITING_ENABLED", "set by the collection"),
        ("mcp_gateway_settings.JWT_SECRET_KEY", "x", "mcp_gateway_settings.JWT_SECRET_KEY", "is a secret"),
        ("mcp_gateway_settings.LOG_LEVEL", "DEBUG", "mcp_gateway_settings.LOG_LEVEL", "log secrets"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_next_step(path: str, value: object, place: str, says: str) -> None:
    found = _declaration_check.problems(changed(path, value))
    assert [problem.place for problem in found] == [place]
    assert says in str(found[0]) and "Next: " in str(found[0])


def test_all_mistakes_are_told_at_once() -> None:
    declaration = changed("mcp_environments.0.postgres.port", 0)
    declaration["mcp_environments"][1]["name"] = "PROD"
    declaration["mcp_gateway_port"] = 70000
    assert len(_declaration_check.problems(declaration)) == 3


def places(value: object, path: str = "") -> list[str]:
    """Every place in a declaration, as ``changed`` names it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, one in inner for place in (f"{path}{key}", *places(one, f"{path}{key}."))]


@pytest.mark.parametrize("junk", [None, True, -1, 1.5, "", "x y", [], [None], {}, {"a": 1}, {"name": []}, 10**30, "\0"], ids=repr)
def test_whatever_is_declared_is_judged_and_never_fails(junk: object) -> None:
    edge = {
        "name": "gw.internal",
        "port": 8443,
        "tls": {"certificate": "a", "key": "b"},
        "rate": {"calls": 5},
        "ui": {"name": "ui.internal", "allow": ["::/0"]},
    }
    full = {**DECLARATION, "mcp_runtime": "systemd", "mcp_rotation": {"every": "30d"}, "mcp_edge": edge}
    more = {"users": {"accepts": ["headers"], "most": 5}, "limits": {"max_rows": 5}, "schemas": ["public"]}
    full["mcp_environments"] = [*DECLARATION["mcp_environments"], {"name": "test", "hosts": ["gw1"], "postgres": {**POSTGRES, **more}}]
    for path in places(full):
        declaration = changed(path, junk, full)
        found = _declaration_check.of_parts(declaration)
        sound = _declaration_across.sound(declaration, found)
        _declaration_across.problems(sound)
        _declaration_across.on_hosts(sound, ["gw1"], "gw1")
        unsound = _declaration_across.unsound(declaration, found)
        _team_env.problems({"POSTGRES_DEV_CONNECTION_STRING": "x", "OTHER": "y"}, sound, ".env", unsound)


def test_what_is_wrong_in_one_part_hides_nothing_of_the_others() -> None:
    declaration = changed("mcp_environments.0.mongodb.port", 0)
    declaration["mcp_environments"][1]["postgres"] = dict(POSTGRES)
    declaration["mcp_team"] = 5
    assert [problem.place for problem in _declaration_check.problems(declaration)] == ["mcp_team", "mcp_environments[0].mongodb.port", "postgres-prod"]


def test_a_port_comes_from_the_name_and_never_from_the_place_in_the_list() -> None:
    turned = {**DECLARATION, "mcp_environments": DECLARATION["mcp_environments"][::-1]}
    assert _declaration.services(turned) == _declaration.services(DECLARATION)
    assert all(20000 <= service["port"] <= 29999 for service in _declaration.services(DECLARATION))


def test_explicit_ports_win() -> None:
    ports = {s["name"]: s["port"] for s in _declaration.services(changed("mcp_environments.0.postgres.service_port", 8031))}
    assert ports["postgres-dev"] == 8031


def test_each_environment_is_one_team_one_virtual_server_and_a_client_for_each_member() -> None:
    wanted = _registrations.registry(DECLARATION)
    assert [team["name"] for team in wanted["teams"]] == ["team-a-dev", "team-a-prod"]
    assert [(server["name"], server["gateways"]) for server in wanted["servers"]] == [
        ("team-a-dev", ["team-a-dev-mongodb", "team-a-dev-postgres"]),
        ("team-a-prod", ["team-a-prod-postgres"]),
    ]
    assert [client["name"] for client in wanted["clients"]] == ["team-a-dev", "team-a-prod-alice", "team-a-prod-bob"]
    assert {row["visibility"] for row in wanted["gateways"] + wanted["servers"]} == {"team"}


def test_s2_each_process_is_given_its_own_secrets_only() -> None:
    services = _manifest.manifest(DECLARATION, PROGRAMS)["services"]
    before = {"AUTH_ENCRYPTION_SECRET_BEFORE"}  # there while it takes the place of another
    assert set(services["gateway"]["secrets"]) == set(_declaration.OWN_SECRETS) - {"MCP_BRIDGE_TOKEN"} | before
    assert {name for name, source in services["gateway"]["secrets"].items() if source.get("optional")} == before
    for name in ("postgres-dev", "mongodb-dev", "postgres-prod"):
        held = services[name]["secrets"]
        assert {(source["part"], source["service"]) for source in held.values()} == {("bridge", name)}
        assert [name for name, source in held.items() if not source.get("optional")] == ["MCP_BRIDGE_TOKEN"]
        keys = {source["key"] for source in services[name]["wrapped"]["secrets"].values()}
        engine, environment = name.split("-")
        assert keys == {_declaration.credential_key(engine, environment)}


def test_no_argv_holds_more_than_paths_ports_and_names() -> None:
    for service in _manifest.manifest(DECLARATION, PROGRAMS)["services"].values():
        argv = " ".join(service["command"] + service.get("wrapped", {}).get("command", []))
        assert "PASSWORD" not in argv and "://" not in argv.replace("postgresql://", "")


def test_a_manifest_is_plain_data_and_each_program_unseals_before_it_starts() -> None:
    manifest = json.loads(json.dumps(_manifest.manifest(DECLARATION, PROGRAMS)))
    programs = _supervised.programs(manifest, dict.fromkeys(manifest["services"], "r1"), "/py", _declaration.paths(DECLARATION))
    assert {program["name"] for program in programs} == {"gateway", "postgres-dev", "mongodb-dev", "postgres-prod"}
    assert all("mcp-unseal" in program["command"][2] and "mcp-exec" in " ".join(program["command"]) for program in programs)


def test_the_gateway_has_every_setting_that_the_facts_ask_for() -> None:
    settings = _declaration.gateway(DECLARATION)["settings"]
    assert settings["RATE_LIMITING_ENABLED"] == "false" and settings["SSRF_ALLOW_LOCALHOST"] == "true"
    assert settings["PORT"] == "4444" and settings["APP_DOMAIN"] == "http://127.0.0.1:4444"
    assert settings["DATABASE_URL"] == "sqlite:////srv/mcp/team_a/state/mcp.db"
    assert settings["MCPGATEWAY_UI_ENABLED"] == "false" and settings["LOG_LEVEL"] == "INFO"


def test_a_changed_file_that_a_service_reads_is_a_changed_service() -> None:
    def services(**files: str) -> dict:
        return _manifest.manifest(DECLARATION, {**PROGRAMS, "files": files})["services"]

    before = services()
    for file, affected in (
        ("mcp_gateway_front.py", {"gateway"}),
        ("mcp_gateway_database.py", {"gateway"}),
        ("postgres-dev.pem", set()),  # a bridge takes another CA while it runs
        ("mcp-exec", set(before)),
    ):
        after = services(**{file: "another"})
        assert {name for name in after if after[name] != before[name]} == affected, file


def test_members_of_the_same_local_name_have_clients_of_different_names() -> None:
    members = ["bob@x.example", "bob@y.example", "eve@x.example"]
    names = [client["name"] for client in _registrations.registry(changed("mcp_environments.1.members", members))["clients"]]
    assert names == ["team-a-dev", "team-a-prod-bob@x.example", "team-a-prod-bob@y.example", "team-a-prod-eve"]


def test_tokens_live_as_long_as_declared_and_are_renewed_in_time() -> None:
    client = _registrations.registry({**DECLARATION, "mcp_client_days": "1"})["clients"][0]
    assert client["expires_in_days"] == 1 and client["renew_within_days"] == 0
    assert _registrations.registry(DECLARATION)["clients"][0]["renew_within_days"] == 10


def test_each_service_has_a_bearer_of_its_own_and_the_host_derives_the_same() -> None:
    tokens = {service["name"]: _declaration.bridge_token("team", service["name"]) for service in _declaration.services(DECLARATION)}
    assert len(set(tokens.values())) == 3 and all(len(token) == 64 for token in tokens.values())
    unseal = Path(__file__).parents[2] / "roles/host_tools/files/mcp-unseal"
    program = types.ModuleType("unseal")
    SourceFileLoader("unseal", str(unseal)).exec_module(program)
    assert program.part_of("team", {"key": "MCP_BRIDGE_TOKEN", "part": "bridge", "service": "postgres-dev"}) == tokens["postgres-dev"]


def test_other_peoples_upstreams_are_in_the_virtual_server_of_their_environment_and_get_no_bearer() -> None:
    declaration = changed("mcp_environments.0.upstreams", [{"name": "wiki", "url": "https://wiki.example/mcp"}])
    assert _declaration_check.problems(declaration) == []
    wanted = _registrations.registry(declaration)
    space = wanted["servers"][0]["name"]
    assert f"{space}-wiki" in wanted["servers"][0]["gateways"] and not any("wiki" in name for name in wanted["servers"][1]["gateways"])
    (wiki,) = [one for one in _registrations.with_bridge_tokens(wanted["gateways"], declaration, "t" * 48) if one["name"] == f"{space}-wiki"]
    assert (wiki["url"], wiki["transport"], wiki["team"]) == ("https://wiki.example/mcp", "STREAMABLEHTTP", space) and "auth_token" not in wiki


def test_registrations_carry_the_bearer_of_their_own_service() -> None:
    plain = _registrations.registry(DECLARATION)["gateways"]
    rows = {row["name"]: row for row in _registrations.with_bridge_tokens(plain, DECLARATION, "team")}
    assert rows["team-a-dev-postgres"]["auth_token"] == _declaration.bridge_token("team", "postgres-dev")
    assert len({row["auth_version"] for row in rows.values()}) == 3
    assert rows["team-a-dev-postgres"]["auth_version"] not in rows["team-a-dev-postgres"]["auth_token"]


@pytest.mark.parametrize("wrapper", ["translate", "bridge"])
def test_what_the_bridge_wraps_is_one_variable(wrapper: str) -> None:
    service = _manifest.manifest({**DECLARATION, "mcp_wrapper": wrapper}, PROGRAMS)["services"]["postgres-dev"]
    assert service["bridge"]["wrapper"] == wrapper and service["bridge"]["guard"] is True
    assert service["wrapped"]["environment"]["PGOPTIONS"] == "-c statement_timeout=60000 -c standard_conforming_strings=on"


def test_more_services_than_there_are_ports_for_are_a_mistake_and_no_endless_search() -> None:
    def told(number: int) -> list[str]:
        environments = [{"name": f"e{index}", "postgres": POSTGRES} for index in range(number)]
        return [str(one) for one in _declaration_across._too_many({**DECLARATION, "mcp_environments": environments})]

    assert told(692) == []
    assert [one.partition(". ")[0] for one in told(693)] == ["mcp_environments: 693 services are more than a team can have (692)"]
