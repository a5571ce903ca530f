# SPDX-License-Identifier: GPL-3.0-or-later
"""A host comes to a team that runs, and leaves it: nothing of the team is left on it. A whole team that leaves takes its logins along."""

from __future__ import annotations

import pytest
from behind_edges import EdgeClient
from one_life import ENTRY, GW1, GW2, TARGETS, TOOL, changed, playbook_killed_at, roles, seen
from operating import deploy, load, playbook, recap
from two_teams import Team, host_of

GROWN = ("-i", "molecule/lifecycle/grown")
#: What the README says that stays: packages, of which this is what no package lists.
PACKAGES = ["python3-venv", "nftables", "bubblewrap", "caddy"]


@pytest.fixture(scope="module")
def fresh() -> object:
    """A host that has the packages, and nothing else of ours."""
    host = host_of(GW2)
    host.check_output("ln -sf /dev/null /etc/systemd/system/caddy.service")
    host.check_output("sh -c %s", f"apt-get -qq update && apt-get -qq install -y --no-install-recommends {' '.join(PACKAGES)} >/dev/null 2>&1")
    return host


@pytest.fixture(scope="module")
def before(fresh) -> set[str]:
    return seen(fresh)


def test_a_host_is_added_and_the_first_one_never_notices(client, team, before):
    with load(client, "team_a", TARGETS, callers=2, pause=0.1) as told:
        done = deploy(*GROWN)
    assert changed(done, GW2) > 0 and changed(done, GW1) == 0, done.stdout[-3000:]
    assert told.errors == [] and told.right > 20, told
    assert [recap(deploy(*GROWN), name)["changed"] for name in (GW1, GW2)] == [0, 0]
    other = EdgeClient(host_of("client"), {"team_a": Team("team_a", host_of(GW2))})
    assert other.ask("team_a", ENTRY, TOOL, sql="SELECT 1 AS one")["text"]
    assert playbook("rotate.yml", *GROWN, "-e", "mcp_rotate=postgres-dev").returncode == 0
    assert other.ask("team_a", ENTRY, TOOL, sql="SELECT 1 AS one")["text"]


def test_it_asks_first(fresh):
    for answer in ((), ("-e", "mcp_remove=team_b"), ("-e", "mcp_remove=team_a", "-e", "mcp_remove_logins=perhaps")):
        done = playbook("remove.yml", *GROWN, "--limit", GW2, *answer)
        assert done.returncode != 0 and "Nothing was removed" in done.stdout, done.stdout[-2000:]
    assert fresh.file("/srv/mcp-tenancy/team_a/etc/services.json").exists


def test_a_folder_with_something_else_in_it_is_left_alone(fresh):
    fresh.check_output("touch /srv/mcp-tenancy/team_a/mine")
    done = playbook("remove.yml", *GROWN, "--limit", GW2, "-e", "mcp_remove=team_a")
    assert done.returncode != 0 and "holds mine" in done.stdout and fresh.service("mcp-tenancy-team_a-gateway").is_running
    fresh.check_output("rm /srv/mcp-tenancy/team_a/mine")


def test_a_host_leaves_and_nothing_is_left_although_the_first_try_was_killed(client, team, fresh, before):
    arguments = (*GROWN, "--limit", GW2, "-e", "mcp_remove=team_a")
    assert changed(playbook("remove.yml", *arguments, "--check"), GW2) > 0 and fresh.service("mcp-tenancy-team_a-gateway").is_running
    for moment in ("TASK [mcp.tenancy.removal : Stop the services under systemd", "TASK [mcp.tenancy.removal : Remove users, files"):
        playbook_killed_at(moment, "remove.yml", *arguments)
    assert recap(playbook("remove.yml", *arguments), GW2)["failed"] == 0
    now = seen(fresh)
    assert sorted(now - before) == [] and sorted(before - now) == []
    assert changed(playbook("remove.yml", *arguments), GW2) == 0
    assert client.ask("team_a", ENTRY, TOOL, sql="SELECT 1 AS one")["text"]
    assert changed(deploy()) == 0, "the host that stays has nothing to do"


def test_a_team_leaves_with_its_logins(team, database):
    host = team.host
    done = playbook("remove.yml", "-e", "mcp_remove=team_a", "-e", "mcp_remove_logins=yes")
    assert changed(done) > 0
    assert roles(database, "mcp_team_a%") == set()
    left = sorted(line for line in seen(host) if "mcp" in line and "mcp-tenancy-test" not in line)
    assert left == [], left
    assert changed(playbook("remove.yml", "-e", "mcp_remove=team_a", "-e", "mcp_remove_logins=yes")) == 0
