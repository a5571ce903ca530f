# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
from pathlib import Path

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_env import TeamEnv, TeamEnvError

DECLARATION = {
    "mcp_team": "team_a",
    "mcp_root": "/srv/mcp/team_a",
    "mcp_runtime_directory": "/run/mcp/team_a",
    "mcp_gateway_admin_email": "admin@example.com",
    "mcp_environments": [
        {
            "name": "dev",
            "postgres": {"host": "db", "database": "d", "ca": "ca.pem", "credential": "unmanaged"},
            "mongodb": {"host": "m", "database": "d", "ca": "ca.pem", "credential": "unmanaged"},
        }
    ],
}
VALUES = {"POSTGRES_DEV_CONNECTION_STRING": "postgresql://u:p%40ss@db/d", "MONGODB_DEV_CONNECTION_STRING": "mongodb://u:p%40ss@m:27017/d"}


def env_in(folder: Path) -> TeamEnv:
    env = TeamEnv("team_a", str(folder / ".env"), str(folder / "team_a.key"))
    env.create_key()
    return env


def test_the_file_is_encrypted_private_and_carries_the_teams_vault_id(tmp_path: Path) -> None:
    env = env_in(tmp_path)
    env.write({"A": "hunter2 \\ ' é"})
    assert env.read() == {"A": "hunter2 \\ ' é"}
    raw = env.path.read_bytes()
    assert raw.startswith(b"$ANSIBLE_VAULT;1.2;AES256;team_a\n") and b"hunter2" not in raw
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {".env": 0o600, "team_a.key": 0o600}


def test_vault_id_on_the_command_line_wins_over_the_key_file(tmp_path: Path) -> None:
    env_in(tmp_path).write({"A": "1"})
    secret = _team_env.VaultSecret((tmp_path / "team_a.key").read_bytes().strip())
    assert TeamEnv("team_a", str(tmp_path / ".env"), "/nonexistent", [("team_a", secret)]).read() == {"A": "1"}


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda env: env.path.unlink(), "ansible-vault create"),
        (lambda env: env.path.write_text("A=hunter2\n"), "is not encrypted"),
        (lambda env: env.key_file.unlink(), "vault key cannot be read"),
        (lambda env: env.key_file.chmod(0o644), "chmod 600"),
        (lambda env: env.key_file.write_text("short"), "too short"),
        (lambda env: env.key_file.write_text("another key, long enough"), "cannot be decrypted"),
        (lambda env: env.path.write_bytes(_team_env.encrypt(b"A=1\nB\nA=hunter2\n", env.key(), "team_a")), ".env:2: B has no value"),
        (lambda env: env.path.write_bytes(_team_env.encrypt(b"\xff", env.key(), "team_a")), "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_the_next_step(tmp_path: Path, spoil: object, says: str) -> None:
    env = env_in(tmp_path)
    env.write({"A": "1"})
    spoil(env)
    with pytest.raises(TeamEnvError) as caught:
        env.read()
    assert says in str(caught.value) and "Next: " in str(caught.value) and "hunter2" not in str(caught.value)


def test_own_secrets_are_generated_once() -> None:
    fresh = _team_env.generate({})
    assert set(fresh) == set(_declaration.OWN_SECRETS) and len(set(fresh.values())) == len(fresh)
    assert _team_env.generate(fresh) == {}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"POSTGRES_DEV_CONNECTION_STRING": None}, "is missing"),
        ({"POSTGRES_DVE_CONNECTION_STRING": "x"}, "is not a variable that this declaration uses"),
        ({"POSTGRES_DEV_CONNECTION_STRING": "postgresql://u:hunter2@other/d"}, "disagrees with postgres-dev about its host (the inventory says db)"),
        ({"POSTGRES_DEV_CONNECTION_STRING": "postgresql://u:hunter2 @db/d"}, "must be percent-encoded"),
        ({"POSTGRES_CONNECTION_STRING": "postgresql://u:hunter2@db/d"}, "given twice"),
        ({"MONGODB_DEV_CONNECTION_STRING": "mongodb://u:hunter2@m/d?tls=false"}, "disagrees with mongodb-dev about its tls"),
    ],
)
def test_where_file_and_declaration_disagree(change: dict, says: str) -> None:
    values = {name: value for name, value in {**VALUES, **change}.items() if value is not None}
    found = _team_env.problems(values, DECLARATION, "inventories/team_a/.env")
    assert len(found) == 1 and says in str(found[0]) and "hunter2" not in str(found[0])


def test_bare_names_of_before_are_taken_where_there_is_one_environment() -> None:
    values = {"POSTGRES_CONNECTION_STRING": VALUES["POSTGRES_DEV_CONNECTION_STRING"], "MONGODB_CONNECTION_STRING": VALUES["MONGODB_DEV_CONNECTION_STRING"]}
    assert _team_env.problems(values, DECLARATION, ".env") == []
    two = copy.deepcopy(DECLARATION)
    two["mcp_environments"].append({"name": "prod", "postgres": {"host": "db", "database": "p", "ca": "ca.pem", "credential": "unmanaged"}})
    assert _team_env.problems(values, two, ".env")


def document(**marks: str) -> dict:
    entries = {}
    for name in ("postgres-dev", "mongodb-dev"):
        slot = {"login": "u", "password": "p@ss", "mark": marks.get(name.partition("-")[0], "3.x"), "since": "2026-11-23T00:00:00Z"}
        entries[name] = {"kind": "managed", "generation": 3, "active": "a", "slots": {"a": slot}, "walk": None}
    return {"format": 1, "team": "team_a", "version": 1, "credentials": entries}


def test_the_projection_holds_what_the_host_needs_in_canonical_form() -> None:
    admin = {"POSTGRES_DEV_ADMIN_CONNECTION_STRING": "postgresql://admin:hunter2@db/d"}
    held = _team_env.projection({**_team_env.generate({}), **VALUES, **admin}, DECLARATION, document())
    assert set(held) == {*_declaration.OWN_SECRETS, *VALUES, "POSTGRES_DEV_CREDENTIAL", "MONGODB_DEV_CREDENTIAL"}, "and no admin's login"
    assert held["POSTGRES_DEV_CONNECTION_STRING"] == "postgresql://u:p%40ss@db:5432/d?sslmode=verify-full"
    assert held["POSTGRES_DEV_CREDENTIAL"] == "3.x"
    assert "tls=true&tlsCAFile=%2Fsrv%2Fmcp%2Fteam_a%2Fetc%2Fca%2Fmongodb-dev.pem" in held["MONGODB_DEV_CONNECTION_STRING"]


def test_s5_a_later_generation_on_the_host_is_seen() -> None:
    values = _team_env.generate({})
    held, wanted = (_team_env.projection(values, DECLARATION, document(postgres=mark)) for mark in ("4.y", "3.x"))
    assert _team_env.newer_on_the_host(held, wanted, DECLARATION) == ["postgres-dev"]
    assert _team_env.newer_on_the_host(wanted, held, DECLARATION) == []
    assert _team_env.newer_on_the_host({}, wanted, DECLARATION) == []


def test_a_managed_credential_needs_an_admin_and_no_login() -> None:
    managed = copy.deepcopy(DECLARATION)
    managed["mcp_environments"][0]["postgres"]["credential"] = "managed"
    values = {"MONGODB_DEV_CONNECTION_STRING": VALUES["MONGODB_DEV_CONNECTION_STRING"]}
    (missing,) = _team_env.problems(values, managed, ".env")
    assert "POSTGRES_DEV_ADMIN_CONNECTION_STRING" in str(missing) and "credential: unmanaged" in str(missing)
    assert _team_env.problems({**values, "POSTGRES_DEV_ADMIN_CONNECTION_STRING": "postgresql://admin:hunter2@db/postgres"}, managed, ".env") == []
    (other,) = _team_env.problems({**values, "POSTGRES_DEV_ADMIN_CONNECTION_STRING": "postgresql://admin:hunter2@elsewhere/d"}, managed, ".env")
    assert "disagrees with postgres-dev about its host" in str(other) and "hunter2" not in str(other)


def test_s3_a_hosts_key_opens_its_own_file_and_never_the_operators(tmp_path: Path) -> None:
    env = env_in(tmp_path)
    env.write({"A": "1"})
    one, other = _team_env.host_key(env.key(), "gw1"), _team_env.host_key(env.key(), "gw2")
    assert one != other
    with pytest.raises(_team_env.AnsibleError):
        _team_env.decrypt(env.path.read_bytes(), one, "team_a")


def test_a_revision_changes_with_what_a_service_uses_and_not_with_its_login() -> None:
    manifest = {
        "services": {
            "gateway": {"secrets": {"A": {"key": "A", "part": "value"}}},
            "postgres-dev": {"secrets": {"A": {"key": "A", "part": "bridge"}}, "wrapped": {"secrets": {"P": {"key": "B", "part": "password"}}}},
        }
    }
    before = _team_env.revisions(manifest, {"A": "1", "B": "2"})
    assert _team_env.revisions(manifest, {"A": "1", "B": "3"}) == before, "a bridge takes another login while it runs"
    after = _team_env.revisions(manifest, {"A": "2", "B": "2"})
    assert all(before[name] != after[name] for name in before)


def test_what_is_still_there_for_an_environment_that_is_to_go_is_in_order() -> None:
    prod = {**DECLARATION["mcp_environments"][0], "name": "prod", "state": "absent"}
    whole = {**DECLARATION, "mcp_environments": [*DECLARATION["mcp_environments"], prod]}
    present, absent = _declaration.present(whole), _declaration.absent(whole)
    assert [one["name"] for one in present["mcp_environments"]] == ["dev"] and [one["name"] for one in absent["mcp_environments"]] == ["prod"]
    values = {**VALUES, "POSTGRES_PROD_ADMIN_CONNECTION_STRING": "postgresql://admin:hunter2@db/d"}
    assert _team_env.problems(values, present, ".env", leaving=absent) == []
    assert _team_env.problems(values, present, ".env"), "without it nobody knows what the variable is for"
    assert _declaration.on_host(whole, "gw1") == present
