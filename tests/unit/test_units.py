# SPDX-License-Identifier: GPL-3.0-or-later
"""Units, users and folders of a team, and what a deploy does about what it finds. All pure."""

from __future__ import annotations

import copy
import re

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _declaration_across, _declaration_check, _layout, _manifest, _systemd, _units
from tests.unit.test_declaration import DECLARATION, PROGRAMS

HOST = {**DECLARATION, "mcp_runtime": "systemd", "mcp_runtime_directory": "/run/mcp-tenancy/team_a"}
SERVICES = ["gateway", "mongodb-dev", "postgres-dev", "postgres-prod"]


def units_of(declaration: dict, revision: str = "1") -> dict[str, dict]:
    manifest = _manifest.manifest(declaration, PROGRAMS)
    labels = dict.fromkeys(manifest["services"], revision)
    return {unit["name"]: unit for unit in _units.units(manifest, labels, "/tools/bin/python", _declaration.paths(declaration))}


def test_each_service_is_a_user_of_its_own_in_the_teams_group() -> None:
    manifest = _manifest.manifest(HOST, PROGRAMS)
    users = [service["user"] for service in manifest["services"].values()]
    assert users == [f"mcp-team_a-{name}" for name in SERVICES]
    text = _layout.layout(HOST)["sysusers"]["content"]
    assert all(f"u {user} - " in text and f"m {user} mcp-team_a\n" in text for user in users)


def test_names_of_users_are_never_too_long_and_never_the_same() -> None:
    long = {**HOST, "mcp_team": "t" * 30}
    users = {_declaration.user(long, f"postgres-{name}") for name in ("production1", "production2", "p")}
    assert len(users) == 3 and all(len(user) <= 31 for user in users)


def test_two_teams_never_share_a_unit_a_user_or_a_folder() -> None:
    other = {**HOST, "mcp_team": "team_a_x", "mcp_root": "/srv/mcp/x", "mcp_runtime_directory": "/run/mcp-tenancy/x"}
    assert not set(units_of(HOST)) & set(units_of(other))
    assert not any(name.startswith(_units.prefix("team_a")) for name in units_of(other))
    assert _declaration.group(HOST) != _declaration.group(other)


def test_what_a_service_may_not_touch_is_not_its_own() -> None:
    folders = {folder["path"]: folder for folder in _layout.layout(HOST)["folders"]}
    assert folders["/srv/mcp/team_a"] == {"path": "/srv/mcp/team_a", "mode": "0750", "group": "mcp-team_a"}
    for name in ("etc", "lib", "bin", "work", "log"):
        assert "owner" not in folders[f"/srv/mcp/team_a/{name}"]
    assert folders["/srv/mcp/team_a/state"]["owner"] == "mcp-team_a-gateway"
    assert all(folder["mode"] == "0700" for folder in folders.values() if folder.get("owner"))


def test_without_root_there_is_one_user_and_nobody_else_may_enter() -> None:
    layout = _layout.layout(DECLARATION)
    assert layout["sysusers"] is None
    assert all(folder["mode"] == "0700" and not folder.get("owner") and not folder.get("group") for folder in layout["folders"])


def test_a_unit_tells_no_secret_and_starts_through_unseal_and_exec() -> None:
    unit = units_of(HOST)["mcp-tenancy-team_a-postgres-dev.service"]
    assert re.search(r"^ExecStartPre=\+/tools/bin/python -I /srv/mcp/team_a/bin/mcp-unseal .* --revision [0-9a-f]{16} postgres-dev$", unit["content"], re.M)
    assert "RuntimeDirectory=mcp-tenancy/team_a/postgres-dev\n" in unit["content"]
    assert "ReadWritePaths=/srv/mcp/team_a/work/postgres-dev /srv/mcp/team_a/log/postgres-dev\n" in unit["content"]
    assert "Environment" not in unit["content"] and _units.LABEL not in unit["content"]


def test_a_socket_is_named_after_its_port_so_that_another_port_is_another_unit() -> None:
    moved = copy.deepcopy(HOST)
    moved["mcp_environments"][0]["postgres"]["service_port"] = 25001
    (gone,), (new,) = set(units_of(HOST)) - set(units_of(moved)), set(units_of(moved)) - set(units_of(HOST))
    assert new == "mcp-tenancy-team_a-postgres-dev-25001.socket" and gone.startswith("mcp-tenancy-team_a-postgres-dev-")
    assert "ListenStream=127.0.0.1:25001\n" in units_of(moved)[new]["content"]


@pytest.mark.parametrize(("wrapper", "closed"), [("translate", True), ("bridge", False)])
def test_the_ports_of_translate_are_open_to_its_own_user_only(wrapper: str, closed: bool) -> None:
    declaration = {**HOST, "mcp_wrapper": wrapper}
    rules = _units.firewall_rules(_manifest.manifest(declaration, PROGRAMS))
    ports = _declaration.translate_ports(declaration)
    assert len({port for own in ports.values() for port in own}) == 3 * _declaration.TRANSLATE_PORTS
    for name, own in ports.items():
        line = f'tcp dport {{ {", ".join(map(str, own))} }} meta skuid != "mcp-team_a-{name}" reject with tcp reset'
        assert (line in rules) is closed
    assert ("mcp-tenancy-team_a-firewall.service" in units_of(declaration)) is closed


def states_of(units: dict[str, dict]) -> dict[str, dict[str, str]]:
    return {name: {"Id": name, "ActiveState": "active", "NeedDaemonReload": "no", "UnitFileState": "enabled"} for name in units}


def found_of(units: dict[str, dict], **changes: object) -> _systemd.Found:
    files, labels = {name: unit["content"] for name, unit in units.items()}, {name: unit["revision"] for name, unit in units.items()}
    return _systemd.Found(**{"files": files, "states": states_of(units), "revisions": labels, **changes})


def test_what_runs_as_described_is_not_touched() -> None:
    units = units_of(HOST)
    assert not _systemd.plan(list(units.values()), found_of(units))


def test_from_nothing_everything_is_written_enabled_and_started() -> None:
    units = units_of(HOST)
    planned = _systemd.plan(list(units.values()), _systemd.Found({}, {}, {}))
    assert planned.write == planned.start == planned.enable == list(units) and planned.reload_manager and not planned.restart


def test_another_revision_restarts_exactly_that_service() -> None:
    units, name = units_of(HOST), "mcp-tenancy-team_a-postgres-dev.service"
    older = found_of(units).revisions | {name: "older"}
    planned = _systemd.plan(list(units.values()), found_of(units, revisions=older))
    assert planned.restart == [name] and not planned.write and not planned.start


def test_a_file_that_a_run_wrote_before_it_died_is_still_applied() -> None:
    """The label is of what was started, so the restart that was missed is not forgotten."""
    before, after = units_of(HOST, "1"), units_of(HOST, "2")
    labels = {name: unit["revision"] for name, unit in before.items()}
    planned = _systemd.plan(list(after.values()), found_of(after, revisions=labels))
    assert planned.restart == [f"mcp-tenancy-team_a-{name}.service" for name in SERVICES] and not planned.write


def test_a_service_that_is_down_is_started_and_one_that_left_the_declaration_goes() -> None:
    units, name = units_of(HOST), "mcp-tenancy-team_a-gateway.service"
    states = states_of(units) | {name: {"ActiveState": "failed", "UnitFileState": "enabled"}}
    files = found_of(units).files | {"mcp-tenancy-team_a-postgres-old.service": "[Service]\n"}
    planned = _systemd.plan(list(units.values()), found_of(units, states=states, files=files))
    assert planned.start == [name] and planned.remove == ["mcp-tenancy-team_a-postgres-old.service"] and not planned.restart


def test_the_firewall_is_reloaded_and_never_away() -> None:
    units, name = units_of(HOST), "mcp-tenancy-team_a-firewall.service"
    planned = _systemd.plan(list(units.values()), found_of(units, revisions=found_of(units).revisions | {name: "older"}))
    assert planned.reload == [name] and not planned.restart


def test_an_environment_is_on_the_hosts_that_it_names() -> None:
    declaration = copy.deepcopy(HOST)
    declaration["mcp_environments"][1]["hosts"] = ["gw2"]
    assert [item["name"] for item in _declaration.on_host(declaration, "gw1")["mcp_environments"]] == ["dev"]
    assert [item["name"] for item in _declaration.on_host(declaration, "gw2")["mcp_environments"]] == ["dev", "prod"]
    assert _declaration_across.on_hosts(declaration, ["gw1", "gw2"], "gw1") == []
    (problem,) = _declaration_across.on_hosts(declaration, ["gw1", "gw3"], "gw1")
    assert problem.place == "mcp_environments[1].hosts" and "gw2" in problem.message


def test_a_host_without_an_environment_is_a_mistake() -> None:
    declaration = copy.deepcopy(HOST)
    for environment in declaration["mcp_environments"]:
        environment["hosts"] = ["gw2"]
    (problem,) = _declaration_across.on_hosts(declaration, ["gw1", "gw2"], "gw1")
    assert "no environment is on gw1" in problem.message


def test_systemd_makes_its_runtime_directory_below_run_only() -> None:
    assert _declaration_check.problems(HOST) == []
    (problem,) = _declaration_check.problems({**HOST, "mcp_runtime_directory": "/dev/shm/x"})
    assert problem.place == "mcp_runtime_directory"
