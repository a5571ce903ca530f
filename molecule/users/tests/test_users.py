# SPDX-License-Identifier: GPL-3.0-or-later
"""People with logins of their own on a real host: from the client's host through the gateway, each in a sandbox inside of the service's hardened unit."""

from __future__ import annotations

import json
import re
import secrets

import pytest
from operating import deploy, recap
from two_teams import Client, Team, host_of

SERVICE = "postgres-dev-users"
SERVER = "team-a-dev-postgres-users"
PEOPLE = {"alice": secrets.token_urlsafe(18), "bob": secrets.token_urlsafe(18)}


@pytest.fixture(scope="module")
def team() -> Team:
    return Team("team_a", host_of("team-a-gw1"))


@pytest.fixture(scope="module")
def client(team) -> Client:
    """Its host has a client file for each of them, with their logins."""
    client = Client(host_of("client"), {"team_a": team})
    sql = ["CREATE TABLE IF NOT EXISTS notes (login text, text text)", "ALTER TABLE notes ENABLE ROW LEVEL SECURITY", "DELETE FROM notes"]
    sql += ["DROP POLICY IF EXISTS own ON notes", "CREATE POLICY own ON notes USING (login = session_user)"]
    for name, password in PEOPLE.items():
        sql += [f"DROP OWNED BY {name}; DROP ROLE {name}"] if _role(name) else []
        sql += [f"CREATE ROLE {name} LOGIN PASSWORD '{password}'", f"GRANT CONNECT ON DATABASE team_a_dev TO {name}", f"GRANT SELECT ON notes TO {name}"]
        sql += [f"INSERT INTO notes VALUES ('{name}', 'note of {name}')"]
        login = {"X-Database-User": name, "X-Database-Password": password}
        entry = team.clients[SERVER]
        client.place(f"/root/{name}.json", json.dumps({"mcpServers": {SERVER: {**entry, "headers": {**entry["headers"], **login}}}}))
    _psql(";".join(sql))
    return client


def _psql(sql: str) -> str:
    return host_of("database").check_output("runuser -u postgres -- psql -qAt -d team_a_dev -c %s", sql)


def _role(name: str) -> bool:
    return _psql(f"SELECT 1 FROM pg_roles WHERE rolname = '{name}'") == "1"


def own(client: Client, name: str, sql: str = "SELECT session_user AS login, string_agg(text, ',') AS notes FROM notes") -> dict:
    return client.ask(name, SERVER, f"{SERVER}-query", sql=sql)


def test_each_gets_their_own_rows_as_themselves(client) -> None:
    for _ in range(3):
        for name in PEOPLE:
            answer = own(client, name)
            assert not answer["error"] and json.loads(answer["text"]) == [{"login": name, "notes": f"note of {name}"}], answer


def test_without_a_login_the_caller_is_told_how_to_bring_one(client) -> None:
    answer = client.ask("team_a", SERVER, f"{SERVER}-query", sql="SELECT 1")
    assert answer["error"] and "X-Database-User" in answer["text"]


def test_the_second_run_changes_nothing(client) -> None:
    done = deploy()
    assert recap(done, "team-a-gw1")["changed"] == 0 and done.returncode == 0, done.stdout[-3000:]


def processes(team: Team) -> list[str]:
    """Pids of the wrapped servers of people."""
    return team.host.run("pgrep -u %s -f %s", team.user(SERVICE), "^[^ ]*node .*server-postgres").stdout.split()


def test_their_processes_are_in_the_unit_and_see_only_themselves(team, client) -> None:
    for name in PEOPLE:
        own(client, name)
    pids = processes(team)
    assert len(pids) == 2
    inside: list[str] = []
    for pid in pids:
        assert team.unit(SERVICE) in team.host.file(f"/proc/{pid}/cgroup").content_string
        status = team.host.file(f"/proc/{pid}/status").content_string
        assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status and "CapEff:\t0000000000000000" in status and "CapBnd:\t0000000000000000" in status
        inside.append(re.search(rf"^NSpid:\t{pid}\t(\d+)$", status, re.MULTILINE)[1])
        limits = team.host.file(f"/proc/{pid}/limits").content_string
        assert "Max processes             128" in limits and f"Max data size             {512 * 1024**2}" in limits
    assert len(set(inside)) == 1, "the same number in both: so each is in a process namespace of its own"


def test_another_service_reads_neither_their_environment_nor_their_memory(team, client) -> None:
    own(client, "alice")
    for pid in processes(team):
        for service in ("gateway", "postgres-dev"):
            for what in ("environ", "mem", "maps"):
                assert team.by(service, f"head -c 1 /proc/{pid}/{what}").stdout == ""


def test_exposure_is_as_low_as_the_sandboxes_allow(team) -> None:
    """The bound of the other services holds too, although what makes sandboxes needs namespaces and mounts in them."""
    line = team.host.check_output("systemd-analyze security --no-pager %s", team.unit(SERVICE)).splitlines()[-1]
    assert float(line.rpartition(": ")[2].split()[0]) <= 2.5, line


def test_a_bridge_that_is_killed_takes_their_processes_with_it_and_comes_back(team, client) -> None:
    own(client, "alice")
    before, bridge = processes(team), team.pid(SERVICE)
    team.host.check_output("kill -9 %s", bridge)
    answer = own(client, "alice")
    assert json.loads(answer["text"])[0]["login"] == "alice" and team.pid(SERVICE) != bridge
    assert not set(before) & set(processes(team))


def test_no_password_is_on_the_host_outside_of_their_own_environment(team, client) -> None:
    for name in PEOPLE:
        own(client, name)
    for password in PEOPLE.values():
        assert team.host.run("grep -rlF -e %s /srv/mcp-tenancy /run/mcp-tenancy /etc /var/log --exclude-dir=lib", password).stdout == ""
        assert password not in team.host.run("journalctl --no-pager").stdout + team.host.run("ps -eo args").stdout
