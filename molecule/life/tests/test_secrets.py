# SPDX-License-Identifier: GPL-3.0-or-later
"""rekey.yml and own_secrets.yml on a real host, under load: systemd has encrypted the key there with the host's own, and each service is a unit."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, VaultSecret
from operating import load, playbook, recap, until
from two_teams import CONTROL

TARGETS = [("team-a-dev-alice", "team-a-dev-postgres-query"), ("team-a-prod", "team-a-prod-postgres-query")]
HOST, KEY = "team-a-gw1", CONTROL / "team_a/vault.key"
LIMIT = ("--limit", HOST)


@pytest.fixture(scope="module", autouse=True)
def deployed() -> None:
    done = playbook("deploy.yml", *LIMIT)
    assert recap(done, HOST)["failed"] == 0, done.stdout[-4000:]


def pids(team: object) -> dict[str, str]:
    return {service: team.pid(service) for service in team.services}


def test_k1_another_vault_key_while_clients_call_and_no_unit_is_started_anew(client, teams):
    team, before = teams["team_a"], KEY.read_bytes().strip()
    running, values, sealed = pids(team), team.env(), team.host.file(f"{team.root}/etc/vault.key").content
    with load(client, "team_a", TARGETS) as told:
        done = playbook("rekey.yml", *LIMIT)
    assert recap(done, HOST)["failed"] == 0, done.stdout[-4000:]
    assert told.errors == [] and told.right > 20, told
    assert KEY.read_bytes().strip() != before and team.env() == values and team.credential("postgres-dev")["active"]
    with pytest.raises(AnsibleError):
        VaultLib([("team_a", VaultSecret(before))]).decrypt((CONTROL / "team_a/.env").read_bytes())
    key = team.host.file(f"{team.root}/etc/vault.key")
    assert key.content != sealed and key.mode == 0o600 and not team.host.file(f"{team.root}/etc/vault.key.next").exists
    assert pids(team) == running
    done = playbook("deploy.yml", *LIMIT)
    assert recap(done, HOST)["changed"] == 0, done.stdout[-4000:]
    assert pids(team) == running


def test_k1_a_unit_that_starts_in_the_middle_finds_the_key_that_follows_and_the_next_run_leaves_one(client, teams):
    """As the host is between two renames: its file is under the key that follows, and the one before is still in its place."""
    team = teams["team_a"]
    etc, name = f"{team.root}/etc", f"mcp-tenancy-{team.name}"
    team.host.check_output("mv %s/vault.key %s/vault.key.next", etc, etc)
    team.host.check_output("sh -c 'umask 077; head -c 32 /dev/urandom | base64 | systemd-creds encrypt --with-key=host --name=%s - %s/vault.key'", name, etc)
    team.host.check_output("systemctl restart %s", team.unit("postgres-dev"))
    until(lambda: not client.ask("team_a", "team-a-dev-alice", "team-a-dev-postgres-query", sql="SELECT 1 AS one")["error"], 60, "the service answers")
    done = playbook("rekey.yml", *LIMIT)
    assert recap(done, HOST)["failed"] == 0, done.stdout[-4000:]
    assert not team.host.file(f"{etc}/vault.key.next").exists
    team.host.check_output("systemctl restart %s", team.unit("postgres-dev"))
    until(lambda: not client.ask("team_a", "team-a-dev-alice", "team-a-dev-postgres-query", sql="SELECT 1 AS one")["error"], 60, "the service answers")


def test_k2_other_bearers_and_another_password_while_clients_call_and_no_unit_is_started_anew(client, teams):
    team = teams["team_a"]
    before, running = team.env(), pids(team)
    with load(client, "team_a", TARGETS) as told:
        done = playbook("own_secrets.yml", *LIMIT, "-e", "mcp_own_secrets=bearers,admin")
    assert recap(done, HOST)["failed"] == 0, done.stdout[-4000:]
    assert told.errors == [] and told.right > 20, told
    after = team.env()
    assert {name for name in before if before[name] != after[name]} == {"MCP_BRIDGE_TOKEN", "PLATFORM_ADMIN_PASSWORD"}
    assert not any(name.endswith(("_NEXT", "_BEFORE")) for name in after) and pids(team) == running
    done = playbook("deploy.yml", *LIMIT)
    assert recap(done, HOST)["changed"] == 0, done.stdout[-4000:]
