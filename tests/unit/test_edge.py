# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge of a declaration: what may be declared, Caddy's configuration, units and bounds. All pure."""

from __future__ import annotations

import copy
import json
import re

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _declaration_check, _edge, _layout, _manifest, _systemd, _units
from tests.unit.test_declaration import PROGRAMS
from tests.unit.test_units import HOST

NAME = "gw1.team-a.internal"
UI_ON = {"MCPGATEWAY_UI_ENABLED": True, "MCPGATEWAY_ADMIN_API_ENABLED": "true"}
EDGE = {**HOST, "mcp_edge": {"name": NAME}, "mcp_gateway_settings": UI_ON}
UI = {"name": "admin.team-a.internal", "allow": ["10.1.0.0/16", "fd00::/8"]}
GIVEN = {"certificate": "files/edge.pem", "key": "files/edge.key"}
PROGRAM = {**PROGRAMS, "edge": "/usr/bin/caddy"}


def edge(**changes: object) -> dict:
    return {**EDGE, "mcp_edge": {**EDGE["mcp_edge"], **changes}}


def server(declaration: dict) -> dict:
    return _edge.config(declaration)["apps"]["http"]["servers"]["edge"]


def routes(declaration: dict, name: str = NAME) -> list[dict]:
    (site,) = [route for route in server(declaration)["routes"] if route.get("match") == [{"host": [name]}]]
    return site["handle"][0]["routes"]


def door(declaration: dict) -> dict[str, dict]:
    """The handlers of a virtual server's door, by name."""
    (route,) = [route for route in routes(declaration) if "path_regexp" in route.get("match", [{}])[0]]
    return {handler["handler"]: handler for handler in route["handle"]}


def units_of(declaration: dict, **revision: str) -> dict[str, dict]:
    manifest = _manifest.manifest(declaration, PROGRAM)
    labels = {**dict.fromkeys(manifest["services"], "1"), "edge": {"start": "p1", "config": "c1", **revision}}
    return {unit["name"]: unit for unit in _units.units(manifest, labels, "/tools/bin/python", _declaration.paths(declaration))}


UNIT = "mcp-tenancy-team_a-edge.service"


# --- what may be declared


def test_a_good_edge_has_no_problem() -> None:
    whole = {"port": 8443, "lifetime": "1d", "ca_file": "ca.pem", "rate": {"calls_per_second": 5, "burst": 9, "connections": 10}, "ui": UI}
    for declared in (
        edge(),
        edge(**whole),
        edge(tls=GIVEN),
        edge(tls="acme", acme={"directory": "https://ca.internal/acme/x/directory", "ca": "files/ca.pem"}),
    ):
        assert _declaration_check.problems(declared) == []


@pytest.mark.parametrize(
    ("changes", "place", "says"),
    [
        ({"name": None}, "name", "one host name"),
        ({"name": "10.0.0.1"}, "name", "one host name"),
        ({"name": "Gw.internal"}, "name", "lower-case"),
        ({"name": "gw.internal:8443"}, "name", "one host name"),
        ({"name": "*.team-a.internal"}, "name", "one host name"),
        ({"name": "{env.HOME}"}, "name", "one host name"),
        ({"name": "gw.internal\n"}, "name", "one host name"),
        ({"nmae": "x"}, "nmae", "use name"),
        ({"port": 0}, "port", "not a port"),
        ({"port": True}, "port", "not a port"),
        ({"port": 4444}, "port", "gateway's own"),
        ({"tls": "off"}, "tls", "not a way"),
        ({"tls": {"certificate": "x.pem"}}, "tls.key", "is missing"),
        ({"tls": {**GIVEN, "passphrase": "x"}}, "tls.passphrase", "not a known name"),
        ({"lifetime": "1m"}, "lifetime", "from 2m to 6d"),
        ({"lifetime": "90d"}, "lifetime", "from 2m to 6d"),
        ({"lifetime": "soon"}, "lifetime", "not a number"),
        ({"lifetime": "1d", "tls": "acme"}, "lifetime", "is for tls: internal"),
        ({"acme": {"email": "ops@example.com"}}, "acme", "is for tls: acme"),
        ({"tls": "acme", "acme": {"directory": "http://ca.internal/"}}, "acme.directory", "https URL"),
        ({"tls": "acme", "acme": {"email": "{env.HOME}@x.y"}}, "acme.email", "e-mail"),
        ({"rate": {"calls_per_second": 0}}, "rate.calls_per_second", "whole number"),
        ({"rate": {"burst": 1.5}}, "rate.burst", "whole number"),
        ({"rate": 20}, "rate", "mapping"),
        ({"ui": {"name": NAME, "allow": ["10.0.0.0/8"]}}, "ui.name", "also the name for clients"),
        ({"ui": {"name": "admin.internal"}}, "ui.allow", "list of addresses"),
        ({"ui": {**UI, "allow": ["0.0.0.0/0"]}}, "ui.allow[0]", "everybody"),
        ({"ui": {**UI, "allow": ["10.1.2.3/8"]}}, "ui.allow[0]", "not a network"),
        ({"ui": {**UI, "allow": ["10.0.0.0/8", 7]}}, "ui.allow[1]", "not a network"),
        ({"ca_file": ""}, "ca_file", "path of a file"),
    ],
)
def test_a_mistake_is_told_with_its_place(changes: dict, place: str, says: str) -> None:
    (problem,) = _declaration_check.problems(edge(**changes))
    assert problem.place == f"mcp_edge.{place}" and says in str(problem) and problem.next_step


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mcp_runtime": "supervisor"}, "needs mcp_runtime: systemd"),
        ({"mcp_public_url": "http://gw1.team-a.internal:8080"}, "which is not https"),
        ({"mcp_edge": "gw1.team-a.internal"}, "must be a mapping"),
        ({"mcp_edge": {}}, "must be a mapping"),
        ({"mcp_edge": {"name": NAME, "ui": UI}, "mcp_gateway_settings": {"MCPGATEWAY_UI_ENABLED": True}}, "Admin UI, which is off"),
    ],
)
def test_what_does_not_go_with_an_edge_is_told(changes: dict, says: str) -> None:
    assert any(problem.place in ("mcp_edge", "mcp_edge.ui") and says in problem.message for problem in _declaration_check.problems({**EDGE, **changes}))


def test_no_service_has_the_edges_port() -> None:
    port = _declaration.derived_port("team_a", "postgres-dev")
    (problem,) = _declaration_check.problems(edge(port=port))
    assert problem.place == "postgres-dev" and f"port {port}, as mcp_edge does" in problem.message


def test_all_mistakes_are_told_at_once() -> None:
    told = {problem.place for problem in _declaration_check.problems(edge(name="", port="x", tls=7, rate={"burst": 0}, ui={}))}
    assert {"mcp_edge.name", "mcp_edge.port", "mcp_edge.tls", "mcp_edge.rate.burst", "mcp_edge.ui.name", "mcp_edge.ui.allow"} <= told


# --- nothing changes without one


def test_without_an_edge_nothing_is_different() -> None:
    manifest = _manifest.manifest(HOST, PROGRAMS)
    assert "edge" not in manifest and not any("EDGE" in name for name in manifest["services"]["gateway"]["environment"])
    assert UNIT not in units_of(HOST) and "edge" not in _units.firewall_rules(manifest)
    assert _declaration.gateway(HOST)["public_url"] == "http://127.0.0.1:4444" and _edge.summary(HOST, "gw1") == {}
    assert not any("edge" in folder["path"] for folder in _layout.layout(HOST)["folders"])


# --- what clients reach


def test_the_public_url_follows_from_the_edge() -> None:
    assert _declaration.gateway(EDGE)["public_url"] == f"https://{NAME}"
    assert _declaration.gateway(edge(port=8443))["public_url"] == f"https://{NAME}:8443"
    assert _declaration.gateway({**EDGE, "mcp_public_url": "https://mcp.example/a/"})["public_url"] == "https://mcp.example/a"


@pytest.mark.parametrize(
    ("path", "goes"),
    [
        ("/servers/d5d85a98d4aa54d3ac90549196fb71ea/mcp", True),
        ("/servers/d5d85a98-d4aa-54d3-ac90-549196fb71ea/mcp/", True),
        ("/servers/d5d85a98d4aa54d3ac90549196fb71ea/sse", False),
        ("/servers/d5d85a98d4aa54d3ac90549196fb71ea/mcp/x", False),
        ("/servers/D5d85a98d4aa54d3ac90549196fb71ea/mcp", False),
        ("/servers/x/mcp", False),
        ("/mcp", False),
        ("/v1/servers/d5d85a98d4aa54d3ac90549196fb71ea/mcp", False),
    ],
)
def test_one_door_is_open(path: str, goes: bool) -> None:
    assert bool(re.search(_edge.DOOR, path)) is goes


def test_what_goes_to_the_gateway_is_written_anew_and_everything_else_is_not_found() -> None:
    assert door(EDGE)["rewrite"]["uri"] == "/servers/{http.regexp.door.1}/mcp?"
    last = routes(EDGE)[-1]
    assert "match" not in last and last["handle"][0]["status_code"] == "404"
    assert server(EDGE)["routes"][-1]["handle"][0]["status_code"] == "404"
    paths = [match["path"] for route in routes(EDGE) for match in route.get("match", []) if "path" in match]
    assert paths == [["/health"]]


FORGED = [
    *("Mcp-Session-Id", "X-Mcp-Session-Id", "Cookie", "X-Upstream-Authorization", "X-Forwarded-User", "X-Forwarded-User-Email", "X-Forwarded-For", "Forwarded"),
    *("X-Forwarded-Internally", "X-Contextforge-Auth-Context", "X-Database-Identity", "X-Edge-Client", "X_Upstream_Authorization", "Proxy-Authorization"),
    *("X-Original-Url", "X-Http-Method-Override", "X-Database-User", "X-Database-Password", "X-Database-Connection-String", "Upgrade", "X-Real-Ip"),
]


def dropped(name: str, patterns: list[str]) -> bool:
    """By Caddy's rule: an asterisk at either end."""

    def fits(pattern: str) -> bool:
        begin, end, core = pattern.startswith("*"), pattern.endswith("*"), pattern.strip("*").lower()
        low = name.lower()
        return core in low if begin and end else low.startswith(core) if end else low.endswith(core) if begin else low == core

    return any(map(fits, patterns))


@pytest.mark.parametrize("name", FORGED)
def test_a_header_that_is_not_a_clients_to_send_is_dropped(name: str) -> None:
    assert dropped(name, door(EDGE)["headers"]["request"]["delete"])


@pytest.mark.parametrize("name", ["Authorization", "Content-Type", "Accept", "Mcp-Protocol-Version", "Mcp-Method", "User-Agent", "Last-Event-Id", "Origin"])
def test_a_header_that_clients_need_passes(name: str) -> None:
    assert not dropped(name, door(EDGE)["headers"]["request"]["delete"])


def test_logins_of_people_pass_where_a_service_takes_them() -> None:
    declared = copy.deepcopy(EDGE)
    declared["mcp_environments"][0]["postgres"]["users"] = {"accepts": ["headers"]}
    names = door(declared)["headers"]["request"]["delete"]
    assert not dropped("X-Database-Password", names) and dropped("X-Database-Connection-String", names) and dropped("X-Database-Identity", names)


def test_who_calls_is_said_where_no_client_can_take_it_away() -> None:
    proxy = door(EDGE)["reverse_proxy"]
    assert proxy["headers"]["request"]["set"] == {"X-Edge-Client": ["{http.request.remote.host}"]}
    assert "flush_interval" not in proxy, "a reload would end in a panic"
    assert proxy["upstreams"] == [{"dial": "127.0.0.1:4444"}] and proxy["transport"]["keep_alive"] == {"enabled": False}


def test_words_of_the_gateway_do_not_tell_what_there_is() -> None:
    instead = {status: route["handle"][0]["status_code"] for one in door(EDGE)["reverse_proxy"]["handle_response"]
               for status in one["match"]["status_code"] for route in one["routes"]}  # fmt: skip
    assert instead == {401: "401", 403: "403", 404: "403", 5: "503"}


def test_bounds_follow_from_the_longest_and_largest_call() -> None:
    declared = copy.deepcopy(EDGE)
    declared["mcp_environments"][0]["postgres"]["limits"] = {"call_seconds": 300, "max_request_bytes": 4 * 1024**2}
    assert door(declared)["request_body"]["max_size"] == 4 * 1024**2 + 65536
    assert door(declared)["reverse_proxy"]["transport"]["response_header_timeout"] == "331s"
    assert server(declared)["write_timeout"] == "361s" and server(declared)["read_timeout"] == "30s"


def test_no_log_has_headers_or_queries() -> None:
    logs = _edge.config(EDGE)["logging"]["logs"]
    for log in logs.values():
        assert log["encoder"]["fields"]["request>headers"] == log["encoder"]["fields"]["resp_headers"] == {"filter": "delete"}
        assert re.sub(log["encoder"]["fields"]["request>uri"]["regexp"], "", "/x?token=1") == "/x"


def test_old_versions_are_refused_and_there_is_one_port() -> None:
    told = server(EDGE)
    assert told["tls_connection_policies"][0]["protocol_min"] == "tls1.2" and told["listen"] == [":443"] and told["protocols"] == ["h1", "h2"]
    assert told["automatic_https"] == {"disable": True} and told["strict_sni_host"]
    assert _edge.config(EDGE)["admin"]["listen"] == "unix//run/mcp-tenancy/team_a/edge/admin.sock"


# --- the Admin UI


def test_forms_of_the_admin_ui_say_from_which_page_they_are() -> None:
    """Without it a browser sends ``Origin: null``, and nobody can log in. Clients' answers keep the stricter policy."""
    declared = edge(ui=UI, port=8443)

    def policy(route: dict) -> list[str]:
        return route["handle"][0]["response"]["set"]["Referrer-Policy"]

    site, others = server(declared)["routes"][:2]
    assert site["match"] == [{"host": [UI["name"]]}] and policy(site["handle"][0]["routes"][0]) == ["same-origin"]
    assert "match" not in others and policy(others) == ["no-referrer"] == policy(server(EDGE)["routes"][0])
    assert _manifest.manifest(declared, PROGRAM)["services"]["gateway"]["environment"][_edge.UI_ORIGINS] == '["https://admin.team-a.internal:8443"]'
    assert _edge.UI_ORIGINS not in _manifest.manifest(EDGE, PROGRAM)["services"]["gateway"]["environment"]
    told = [problem.place for problem in _declaration_check.problems({**declared, "mcp_gateway_settings": {**UI_ON, _edge.UI_ORIGINS: "[]"}})]
    assert told == [f"mcp_gateway_settings.{_edge.UI_ORIGINS}"]


def test_the_admin_ui_has_a_name_and_an_allow_list_of_its_own() -> None:
    declared = edge(ui=UI)
    _heads, stranger, client_doors, rest = routes(declared, UI["name"])
    assert stranger["match"] == [{"not": [{"remote_ip": {"ranges": UI["allow"]}}]}] and stranger["handle"][0]["status_code"] == "404"
    pattern = client_doors["match"][0]["path_regexp"]["pattern"]
    assert client_doors["handle"][0]["status_code"] == "404"
    assert all(re.search(pattern, path) for path in ("/mcp", "/servers/x/mcp/", "/v1/servers/x/sse", "/message", "/SSE", "/servers/x/message"))
    assert not any(re.search(pattern, path) for path in ("/admin/mcp", "/v1/admin/", "/static/sse.js", "/servers/x"))
    headers = next(handler for handler in rest["handle"] if handler["handler"] == "headers")
    assert dropped("X-Forwarded-User", headers["request"]["delete"]) and not dropped("Cookie", headers["request"]["delete"])
    assert routes(declared) == routes(EDGE), "clients' own name has nothing of it"
    proxy = rest["handle"][-1]
    assert proxy["handler"] == "reverse_proxy" and "headers" not in proxy and dropped("X-Edge-Client", headers["request"]["delete"]), "they are not counted"


# --- certificates


def test_an_own_ca_renews_well_before_the_end() -> None:
    apps = _edge.config(edge(lifetime="12h", ui=UI))["apps"]
    (policy,) = apps["tls"]["automation"]["policies"]
    assert policy == {"subjects": [NAME, UI["name"]], "issuers": [{"module": "internal", "lifetime": "43200s"}]}
    assert apps["tls"]["automation"]["renew_interval"] == "600s" and apps["pki"]["certificate_authorities"]["local"]["install_trust"] is False
    assert _edge.config(edge(lifetime="2m"))["apps"]["tls"]["automation"]["renew_interval"] == "10s"


def test_a_given_certificate_is_one_file_with_its_key_and_nobody_is_asked_for_another() -> None:
    apps = _edge.config(edge(tls=GIVEN))["apps"]
    path = "/srv/mcp/team_a/etc/edge/tls.pem"
    assert apps["tls"] == {"certificates": {"load_files": [{"certificate": path, "key": path}]}} and "pki" not in apps


def test_acme_is_proven_at_the_port_that_is_open() -> None:
    declared = edge(tls="acme", port=8443, acme={"directory": "https://ca.internal/d", "email": "ops@example.com", "ca": "files/ca.pem"})
    (issuer,) = _edge.config(declared)["apps"]["tls"]["automation"]["policies"][0]["issuers"]
    assert issuer["challenges"] == {"http": {"disabled": True}, "tls-alpn": {"alternate_port": 8443}}
    assert (issuer["ca"], issuer["email"], issuer["trusted_roots_pem_files"]) == (
        "https://ca.internal/d", "ops@example.com", ["/srv/mcp/team_a/etc/edge/acme-ca.pem"])  # fmt: skip


def test_the_same_declaration_gives_the_same_text() -> None:
    again = {**EDGE, "mcp_edge": dict(reversed(list(edge(ui=UI, port=443)["mcp_edge"].items())))}
    assert _edge.config_text(again) == _edge.config_text(edge(ui=UI, port=443)) and json.loads(_edge.config_text(EDGE))


def test_a_hosts_block_of_the_ca_file_is_found() -> None:
    text = "# BEGIN the edge of gw1\nA\nB\n# END the edge of gw1\n# BEGIN the edge of gw10\nC\n# END the edge of gw10\n"
    assert [_edge.authority_block(text, host) for host in ("gw1", "gw10", "gw2")] == ["A\nB", "C", ""]


# --- the unit


def test_the_edge_is_a_user_of_its_own_that_may_bind_its_port_only() -> None:
    unit = units_of(EDGE)[UNIT]["content"]
    assert "User=mcp-team_a-edge\n" in unit and "SocketBindDeny=any\nSocketBindAllow=tcp:443\n" in unit and "MemoryDenyWriteExecute=yes\n" in unit
    assert "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n" in unit and "CapabilityBoundingSet=\n" in units_of(edge(port=8443))[UNIT]["content"]
    assert "ReadWritePaths=/srv/mcp/team_a/work/edge /srv/mcp/team_a/log/edge\n" in unit and _units.LABEL not in unit
    assert "u mcp-team_a-edge - " in _layout.layout(EDGE)["sysusers"]["content"]
    (folder,) = [folder for folder in _layout.layout(EDGE)["folders"] if folder["path"].endswith("etc/edge")]
    assert folder == {"path": "/srv/mcp/team_a/etc/edge", "mode": "0750", "group": "mcp-team_a-edge"}


def planned(declaration: dict, left: str, **revision: str) -> _systemd.Plan:
    units = list(units_of(declaration, **revision).values())
    state = {"ActiveState": "active", "UnitFileState": "enabled"}
    states, labels = {unit["name"]: state for unit in units}, {unit["name"]: unit["revision"] for unit in units}
    return _systemd.plan(units, _systemd.Found({unit["name"]: unit["content"] for unit in units}, states, {**labels, UNIT: left}))


def test_another_configuration_is_a_reload_and_another_program_or_unit_a_restart() -> None:
    running = units_of(EDGE)[UNIT]["revision"]
    assert not planned(EDGE, running)
    assert planned(EDGE, running, config="c2").reload == [UNIT] and not planned(EDGE, running, config="c2").restart
    assert planned(EDGE, running, start="p2").restart == [UNIT] and not planned(EDGE, running, start="p2").reload
    assert planned(edge(port=8443), running).restart == [UNIT]
    assert planned(EDGE, "").restart == [UNIT], "what left no label is not known"


def test_new_connections_are_bounded_by_address() -> None:
    rules = _units.firewall_rules(_manifest.manifest({**edge(port=8443, rate={"connections": 30}), "mcp_wrapper": "bridge"}, PROGRAM))
    assert rules.count("tcp dport 8443") == 2 and "ip saddr limit rate over 30/second burst 60 packets" in rules and "chain output" not in rules
    both = _units.firewall_rules(_manifest.manifest(EDGE, PROGRAM))
    assert "chain output" in both and "chain input" in both and both.count("table inet mcp_tenancy_team_a") == 3
