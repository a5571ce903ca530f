# SPDX-License-Identifier: GPL-3.0-or-later
"""rotate.yml on real hosts, under load: team_a's credentials are managed, team_b's are a DBA's."""

from __future__ import annotations

import json

from operating import load, playbook, recap

TARGETS = [("team-a-dev-alice", "team-a-dev-postgres-query"), ("team-a-prod", "team-a-prod-postgres-query")]


def test_r2_every_credential_of_a_team_is_rotated_and_no_call_fails(client, teams):
    team = teams["team_a"]
    before = {name: team.credential(name) for name in team.services if name != "gateway"}
    with load(client, "team_a", TARGETS) as told:
        done = playbook("rotate.yml", "-e", "mcp_rotate=all", "--limit", "team-a-gw1")
    assert recap(done, "team-a-gw1")["failed"] == 0, done.stdout[-4000:]
    assert told.errors == [] and told.right > 20, told
    for name, entry in before.items():
        after = team.credential(name)
        assert (after["generation"], after["walk"]) == (entry["generation"] + 1, None) and after["active"] != entry["active"], name
    answer = client.ask("team_a", "team-a-dev-alice", "team-a-dev-postgres-query", sql="SELECT session_user AS login")
    assert json.loads(answer["text"]) == [{"login": team.login("postgres", "dev").user}]


def test_r5_nothing_due_changes_nothing_for_either_team_and_a_deploy_neither(teams):
    done = playbook("rotate.yml")
    assert {name: recap(done, host)["changed"] for name, host in (("a", "team-a-gw1"), ("b", "team-b-gw1"))} == {"a": 0, "b": 0}, done.stdout[-4000:]
    done = playbook("deploy.yml", "--limit", "team-a-gw1")  # team_b's was left with other settings by the tests that kill deploys
    assert recap(done, "team-a-gw1")["changed"] == 0, done.stdout[-4000:]
    assert playbook("status.yml").returncode == 0 and playbook("verify.yml").returncode == 0


def test_s3_the_store_on_a_host_opens_with_the_teams_key_only(team, teams):
    path = f"{team.root}/etc/credentials.json"
    assert team.host.file(path).mode == 0o600 and team.host.file(path).user == "root"
    held = json.loads(team.host.file(path).content_string)
    assert held["document"].startswith("$ANSIBLE_VAULT;1.2;AES256;") and held["lease"] is None
