# SPDX-License-Identifier: GPL-3.0-or-later
"""The command's exit, the orders that it gives, the names of a team's secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string, _declaration, _own_secrets
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _credentials_file, _team_env
from tests.canary import command, orders, team_secrets

DECLARATION = {
    "mcp_team": "team_a",
    "mcp_runtime": "systemd",
    "mcp_root": "/srv/mcp-tenancy/team_a",
    "mcp_runtime_directory": "/run/mcp-tenancy/team_a",
    "mcp_environments": [{"name": "dev", "postgres": {"host": "db.internal", "database": "x", "users": {"accepts": ["stored"]}}}],
    "mcp_edge": {"name": "mcp.team-a.example"},
}
OPTIONS = {"folders": [], "host_folders": [], "exempt": [], "skip": {}}
CLEAN = {"hits": [], "unseen": [], "exempt": [], "looked": {"files": 1}}


@pytest.mark.parametrize(
    ("reports", "status", "says"),
    [
        ({"control node": CLEAN, "host gw1": CLEAN, "host gw2": CLEAN}, 0, "0 hits"),
        ({"control node": CLEAN, "host gw1": {**CLEAN, "hits": [["/log", "TOKEN", "hex"]]}, "host gw2": CLEAN}, 1, "1 hits"),
        ({"control node": CLEAN, "host gw1": CLEAN}, 2, "gw2    all of it  ansible-playbook ended with 4; see above"),
        ({}, 2, "control node  all of it  ansible-playbook ended with 4; see above"),
    ],
)
def test_the_exit_tells_what_was_found_and_what_was_not_looked_at(monkeypatch, capsys, reports: dict, status: int, says: str) -> None:
    given = {}

    def ansible(inventories: list[str], rest: list[str], variables: dict) -> int:
        given.update(variables, inventories=inventories, rest=rest)
        for name, told in reports.items():
            Path(variables["canary_folder"], f"{name}.json").write_text(json.dumps(told))
        if reports:
            Path(variables["canary_folder"], "hosts").write_text('["gw1", "gw2"]')
        return 4

    monkeypatch.setattr(command, "_ansible", ansible)
    assert command.main(["-i", "inventories/team_a", "--folder", "logs", "--exempt", "/x=somebody's", "--vault-id", "team_a@key", "-vvvv"]) == status
    assert (
        says.split()
        == next((line for line in capsys.readouterr().out.splitlines() if says.split()[0] in line.split() and says.split()[-1] in line), "").split()
    )
    assert given["inventories"] == ["inventories/team_a"] and given["rest"] == ["--vault-id", "team_a@key", "-vvvv"]
    assert given["canary_options"]["exempt"] == [{"path": "/x", "reason": "somebody's"}] and given["canary_options"]["folders"] == [
        str(Path("logs").absolute())
    ]


def test_an_exemption_has_a_reason(capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(["-i", "x", "--exempt", "/some/file"])
    assert "--exempt /some/file: give it as /PATH=REASON" in capsys.readouterr().err


def test_a_host_is_searched_everywhere_but_for_what_the_design_exempts() -> None:
    order = orders.host(DECLARATION, {"a": "b"}, {**OPTIONS, "host_folders": ["/data"], "skip": {"/var/lib/big": "rows"}})
    assert {"/etc", "/var", "/tmp", "/root", "/srv", "/run", "/data", "/srv/mcp-tenancy/team_a"} <= {one["path"] for one in order["folders"]}
    assert order["skip"]["/var/lib/big"] == "rows"
    assert order["processes"] and order["dumps"] and order["containers"] and order["journal"] == "" and not order["others"]
    assert {Path(one["path"]).name for one in order["exempt"]} == {
        "vault.key", "vault.key.next", "client.json", "client.pem", "env.json", "tls.pem", "mcp.db", "mcp.db-wal", "mcp.db-shm", "mcp.db-journal",
        "replaced.db", "before-upgrade.db",
    }  # fmt: skip
    assert all(one["memory"] for one in order["exempt"] if one["path"].startswith("/run/"))
    assert "mcp-team_a-postgres-dev" in order["users"] and order["tokens"] == ["/srv/mcp-tenancy/team_a/etc/client.json"]


def test_a_team_without_root_answers_for_what_its_user_has() -> None:
    order = orders.host({**DECLARATION, "mcp_runtime": "supervisor"}, {}, OPTIONS)
    assert order["others"] and "/etc" not in {one["path"] for one in order["folders"]}


def test_the_control_node_is_searched_where_ansible_and_people_leave_things(tmp_path) -> None:
    places = {
        "env": tmp_path / ".env",
        "key": tmp_path / "keys/vault.key",
        "inventory": "/inventories/team_a",
        "repository": "/repository",
        "ansible": ["/ansible.log"],
    }
    order = orders.controller(places, {}, {**OPTIONS, "folders": ["/ci/logs"]}, None)
    paths = {one["path"] for one in order["folders"]}
    assert {
        "/inventories/team_a",
        "/repository",
        "/ci/logs",
        "/ansible.log",
        "/tmp",
        str(Path.home() / ".ansible"),
        str(Path.home() / ".psql_history"),
    } <= paths
    assert [one["path"] for one in order["exempt"]] == [f"{tmp_path}/keys/vault.key", f"{tmp_path}/keys/vault.key.next"]


def test_every_secret_of_a_team_has_a_name(tmp_path) -> None:
    env = _team_env.TeamEnv("team_a", str(tmp_path / ".env"), str(tmp_path / "vault.key"))
    env.create_key()
    own = _team_env.generate({})
    env.write(
        {
            **own,
            "POSTGRES_DEV_ADMIN_CONNECTION_STRING": _connection_string.render("postgres", "admin", "drawn+1", "db.internal", 5432, "x", {}),
            "MCP_BRIDGE_TOKEN_NEXT": "follows",
            _own_secrets.SINCE: "{}",
        }
    )
    slots = {"a": {"login": "mcp_a", "password": "one"}, "b": {"login": "mcp_b", "password": "two"}}
    document = {"format": 1, "team": "team_a", "version": 1, "credentials": {"postgres-dev": {"slots": slots}}}
    held = {"version": 1, "document": _credentials_file.sealed(document, env.key())}
    found = team_secrets.of(env, [held], team_secrets.services(DECLARATION), ["gw1"])
    assert found.pop("vault key of team_a").encode() == env.key()
    assert found.pop("vault key of host gw1").encode() == _team_env.host_key(env.key(), "gw1")
    assert found.pop("POSTGRES_DEV_ADMIN_CONNECTION_STRING") == "drawn+1" and found.pop("MCP_BRIDGE_TOKEN_NEXT") == "follows"
    assert found.pop("mcp_a of postgres-dev") == "one" and found.pop("mcp_b of postgres-dev") == "two"
    for service in ("postgres-dev", "postgres-dev-users"):
        assert found.pop(f"bearer of {service}, from MCP_BRIDGE_TOKEN") == _declaration.bridge_token(own["MCP_BRIDGE_TOKEN"], service)
        assert found.pop(f"bearer of {service}, from MCP_BRIDGE_TOKEN_NEXT") == _declaration.bridge_token("follows", service)
    assert found == own
