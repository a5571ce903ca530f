# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment that is declared absent goes from a host: units, users, files, rules, registrations, tokens, logins. It can come back."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from one_life import TARGETS, changed, names, roles, seen
from operating import REPOSITORY, deploy, load


def without_prod(folder: Path) -> tuple[str, str]:
    environments = yaml.safe_load((REPOSITORY / "inventories/team_a/group_vars/team_a/main.yml").read_text())["mcp_environments"]
    environments[1]["state"] = "absent"
    path = folder / "without_prod.json"
    path.write_text(json.dumps({"mcp_environments": environments}))
    return "-e", f"@{path}"


#: Where other names have "-prod" in them too.
PACKAGES = ("/site-packages/", "/node_modules/", "/usr/share/")


def of_prod(lines: set[str]) -> list[str]:
    return sorted(line for line in lines if "-prod" in line and not any(part in line for part in (*PACKAGES, "/log/removed/")))


def test_an_environment_goes_and_the_other_never_notices(client, team, database, tmp_path):
    arguments, before = without_prod(tmp_path), team.clients["team-a-prod"]
    entry = team.credential("postgres-prod")
    client.ask("team_a", "team-a-prod", "team-a-prod-postgres-query", sql="SELECT 1 AS one")
    with load(client, "team_a", TARGETS, callers=2, pause=0.2) as told:
        assert changed(deploy(*arguments)) > 0
    assert told.errors == [] and told.right > 10, told
    now = seen(team.host)
    assert of_prod(now) == [] and not {user for user in names(now, "user") if "prod" in user}
    assert client.status(before["url"], before["headers"]["Authorization"].removeprefix("Bearer ")) in (401, 403, 404)
    assert roles(database, "mcp_team_a_prod%") == set() and entry["slots"][entry["active"]]["login"].startswith("mcp_team_a_prod")
    kept = team.host.check_output("find %s -name audit.jsonl -path '*prod*' -printf '%%u %%m\n'", f"{team.root}/log/removed")
    assert kept and all(line.split()[0] == "root" for line in kept.splitlines()), kept
    assert changed(deploy(*arguments)) == 0


def test_it_comes_back_with_new_logins_and_tokens(team, client):
    assert changed(deploy()) > 0
    assert changed(deploy()) == 0
    client.place("/root/team_a.json", json.dumps({"mcpServers": team.clients}))
    answer = client.ask("team_a", "team-a-prod", "team-a-prod-postgres-query", sql="SELECT environment FROM owner")
    assert json.loads(answer["text"]) == [{"environment": "prod"}]
