# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to callers when something on the hosts goes away, and that it comes back without help."""

from __future__ import annotations

import time

import pytest
from operating import load, until

TARGETS = [("team-a-dev-alice", "team-a-dev-postgres-query"), ("team-a-prod", "team-a-prod-postgres-query")]
#: No call may take longer than this, whatever happens; a deadline of the bridge (60 s) plus the way.
BOUND = 75


def answers(client) -> bool:
    """Both environments answer, asked by the official client."""
    try:
        return not any(client.ask("team_a", entry, tool, sql="SELECT 1 AS one")["error"] for entry, tool in TARGETS)
    except AssertionError:  # the client could not even connect
        return False


def clear(errors: list) -> bool:
    """Each names what is wrong in words; none is empty, none a traceback."""
    return all(text.strip() and "Traceback" not in text for _seconds, text in errors)


@pytest.mark.parametrize("what", ["gateway", "postgres-dev", "postgres-prod"])
def test_a_restart_under_load_fails_no_call(client, teams, what):
    """The socket stays open while the service restarts; calls in flight finish first."""
    team = teams["team_a"]
    with load(client, "team_a", TARGETS) as told:
        time.sleep(3)
        for _ in range(2):
            team.host.check_output("systemctl restart %s", team.unit(what))
            time.sleep(3)
    assert told.errors == [] and told.right > 20, told


@pytest.mark.parametrize("what", ["gateway", "postgres-dev"])
def test_a_killed_service_is_back_without_help(client, teams, what):
    team = teams["team_a"]
    with load(client, "team_a", TARGETS) as told:
        time.sleep(2)
        before = team.pid(what)
        team.host.check_output("kill -9 %s", before)
        until(lambda: team.pid(what) not in ("0", before) and team.host.service(team.unit(what)).is_running, 60, "another process runs")
        until(lambda: answers(client), 60, "callers are answered")
    assert clear(told.errors) and told.slowest < BOUND and told.right > 20, told


def test_a_service_that_hangs_is_found_by_the_watchdog(client, teams):
    team = teams["team_a"]
    before = team.pid("postgres-dev")
    team.host.check_output("kill -STOP %s", before)
    until(lambda: team.pid("postgres-dev") not in ("0", before), 150, "systemd replaces it")
    until(lambda: answers(client), 60, "callers are answered")


def test_the_database_restarts(client, database):
    with load(client, "team_a", TARGETS) as told:
        time.sleep(2)
        database.check_output("systemctl restart 'postgresql@*'")
        until(lambda: answers(client), 60, "callers are answered")
        time.sleep(2)
    assert clear(told.errors) and told.slowest < BOUND and told.right > 20, told


def test_the_network_to_the_database_is_cut_for_a_minute(client, database):
    with load(client, "team_a", TARGETS) as told:
        time.sleep(2)
        database.check_output("iptables -A INPUT -p tcp --dport 5432 -j DROP")
        try:
            time.sleep(60)
        finally:
            database.check_output("iptables -D INPUT -p tcp --dport 5432 -j DROP")
        until(lambda: answers(client), 90, "callers are answered")
    assert clear(told.errors) and told.slowest < BOUND, told


@pytest.mark.parametrize("name", ["team-a-gw1", "database"])
def test_a_host_reboots_under_load(client, teams, database, name):
    host = {"team-a-gw1": teams["team_a"].host, "database": database}[name]
    with load(client, "team_a", TARGETS) as told:
        time.sleep(2)
        host.run("systemctl reboot --force")
        restart(name)
        until(lambda: answers(client), 120, "callers are answered")
    assert clear(told.errors) and told.slowest < BOUND, told
    failed = host.check_output("systemctl --failed --plain --no-legend")
    assert failed == "", failed


def restart(name: str) -> None:
    """The engine's part of a reboot: it starts what has stopped."""
    import docker

    container = docker.from_env().containers.get(f"mcp-tenancy-{name}")
    container.wait(timeout=60)
    container.start()
