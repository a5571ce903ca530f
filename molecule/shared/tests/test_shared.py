# SPDX-License-Identifier: GPL-3.0-or-later
"""One team on two hosts whose gateways share their registry, behind one name: the same registrations and tokens, whichever host answers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from operating import deploy, load, playbook, recap
from two_teams import CONTROL, Client, Team, host_of

HOSTS, NAME, MEMBER = ("team-a-gw1", "team-a-gw2"), "mcp.team-a.internal", "alice@team-a.example"
TARGETS = [("team-a-prod", "team-a-prod-postgres-query"), ("team-a-prod", "team-a-prod-mongodb-aggregate", "team_a")]
AUTHORITIES = "/root/edges.pem"
WRAPPER = "printf '#!/bin/sh\\nexec env SSL_CERT_FILE={authorities} {python} \"$@\"\\n' >/root/python && chmod 755 /root/python"


class Behind(Client):
    """Somebody on another host with the one clients' file, who trusts the edges' CAs. ``at`` says which host the name leads to."""

    def __init__(self, host: object, team: Team) -> None:
        super().__init__(host, {"team_a": team})
        self.place(AUTHORITIES, (CONTROL / "team_a/edge-ca.pem").read_text())
        host.check_output("sh -c %s", WRAPPER.format(authorities=AUTHORITIES, python=self.python))
        self.python = "/root/python"

    def at(self, name: str) -> None:
        address = self.host.check_output("getent hosts %s", f"{name.removeprefix('team-a-')}.team-a.internal").split()[0]
        self.host.check_output("sh -c %s", f"grep -v {NAME} /etc/hosts >/root/hosts; echo '{address} {NAME}' >>/root/hosts; cat /root/hosts >/etc/hosts")


@pytest.fixture(scope="module")
def team() -> Team:
    return Team("team_a", host_of(HOSTS[0]))


@pytest.fixture(scope="module")
def client(team) -> Behind:
    return Behind(host_of("client"), team)


def changed(done: subprocess.CompletedProcess) -> list[int]:
    assert done.returncode == 0, done.stdout[-4000:]
    return [recap(done, name)["changed"] for name in HOSTS]


@pytest.mark.parametrize("name", HOSTS)
def test_the_official_client_gets_the_same_from_each_host(client, name):
    client.at(name)
    for entry, tool, *_database in TARGETS:
        assert tool in client.ask("team_a", entry)["tools"]
    told = client.ask("team_a", TARGETS[0][0], TARGETS[0][1], sql="SELECT team FROM owner")
    assert not told["error"] and "team_a" in told["text"]


def test_a_second_run_changes_nothing_at_once_or_one_after_the_other():
    assert changed(deploy()) == changed(deploy("-e", "mcp_serial=1")) == [0, 0]


def test_the_second_host_has_no_login_of_what_is_shared_in_clear():
    for name in HOSTS:
        host = host_of(name)
        assert host.run("grep -rl postgresql+psycopg /srv/mcp-tenancy /etc/systemd /var/log --exclude-dir=lib --exclude-dir=bin").stdout == ""
        assert "rediss://" not in host.check_output("sh -c %s", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")


def test_r2_a_rotation_fails_no_call_at_either_host(client):
    for name in HOSTS:
        client.at(name)
        with load(client, "team_a", TARGETS, pause=0.5) as told:
            done = playbook("rotate.yml", "-e", "mcp_rotate=all")
        assert done.returncode == 0, done.stdout[-4000:]
        assert told.errors == [] and told.right > 10, told
    assert changed(deploy()) == [0, 0]


def test_a_host_that_is_gone_is_noticed_by_nobody_at_the_other_one(client):
    client.at(HOSTS[1])
    with load(client, "team_a", TARGETS, pause=0.5) as told:
        subprocess.run(["docker", "kill", f"mcp-tenancy-{HOSTS[0]}"], check=True, capture_output=True)
        for _round in range(10):
            assert not client.ask("team_a", TARGETS[0][0], TARGETS[0][1], sql="SELECT 1")["error"]
        subprocess.run(["docker", "start", f"mcp-tenancy-{HOSTS[0]}"], check=True, capture_output=True)
        host_of(HOSTS[0]).run("systemctl is-system-running --wait")
    assert told.errors == [] and told.right > 10, told
    assert changed(deploy()) == [0, 0]
    client.at(HOSTS[0])
    assert not client.ask("team_a", TARGETS[0][0], TARGETS[0][1], sql="SELECT 1")["error"]


def test_a_token_that_is_revoked_is_refused_at_both(client):
    file = "/tmp/mcp-shared-alice.json"  # of the control node
    same = ("-e", f"mcp_user={MEMBER}", "-e", f"mcp_client_file={file}", "-e", "mcp_environment=dev")
    assert playbook("client.yml", "-e", "mcp_client_do=add", *same).returncode == 0
    entry = json.loads(Path(file).read_text())["mcpServers"]["team-a-dev"]
    ask = f"curl --silent --cacert {AUTHORITIES} --output /dev/null --write-out %{{http_code}} --header @/root/headers --data @/root/body {entry['url']}"
    client.place(
        "/root/headers", f"Authorization: {entry['headers']['Authorization']}\nContent-Type: application/json\nAccept: application/json, text/event-stream\n"
    )
    client.place("/root/body", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}))

    def told() -> list[str]:
        found = []
        for name in HOSTS:
            client.at(name)
            found.append(client.host.check_output("sh -c %s", ask))
        return found

    assert told() == ["200", "200"]
    assert playbook("client.yml", "-e", "mcp_client_do=revoke", *same).returncode == 0
    assert told() == ["401", "401"]
    Path(file).unlink(missing_ok=True)
