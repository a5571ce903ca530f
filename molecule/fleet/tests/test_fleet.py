# SPDX-License-Identifier: GPL-3.0-or-later
"""One team on three hosts: dev on two of them, prod on all. Deployed one host at a time, rotated under load, and with one host gone."""

from __future__ import annotations

import contextlib
import json
import subprocess

import pytest
from operating import deploy, load, playbook, recap
from two_teams import Client, Team, host_of

PROD = [("team-a-prod", "team-a-prod-postgres-query"), ("team-a-prod", "team-a-prod-mongodb-aggregate", "team_a")]
DEV = [("team-a-dev", "team-a-dev-postgres-query"), ("team-a-dev", "team-a-dev-mongodb-aggregate", "team_a_dev")]
TARGETS = {"team-a-gw1": DEV + PROD, "team-a-gw2": DEV + PROD, "team-a-gw3": PROD}
HOSTS = tuple(TARGETS)
SERVICES = ("mongodb-dev", "mongodb-prod", "postgres-dev", "postgres-prod")


@pytest.fixture(scope="module")
def hosts() -> dict[str, Team]:
    """team_a as each of its hosts sees it."""
    return {name: Team("team_a", host_of(name)) for name in HOSTS}


@pytest.fixture(scope="module")
def client(hosts) -> Client:
    return Client(host_of("client"), hosts)


@contextlib.contextmanager
def load_on_all(client) -> dict:
    """8 callers over the gateways of all hosts, engines and environments, steadily: all hosts share the few processors of one machine."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(load(client, name, TARGETS[name], callers, pause=0.5)) for name, callers in zip(HOSTS, (3, 3, 2), strict=True)}


def credentials(hosts) -> dict[str, dict]:
    """As the store has them; every host has the same."""
    found = [{name: team.credential(name) for name in SERVICES} for team in hosts.values()]
    assert found[0] == found[1] == found[2], "each host has a copy of the document"
    return found[0]


def counts(done: subprocess.CompletedProcess, what: str) -> list[int]:
    return [recap(done, name)[what] for name in HOSTS]


def test_each_host_has_its_environments_and_answers(client, hosts):
    assert hosts["team-a-gw1"].services == hosts["team-a-gw2"].services == ["gateway", *SERVICES]
    assert hosts["team-a-gw3"].services == ["gateway", "mongodb-prod", "postgres-prod"]
    for name, targets in TARGETS.items():
        for entry, tool, *_database in targets:
            assert tool in client.ask(name, entry)["tools"], (name, tool)


def test_an_edit_goes_to_one_host_after_the_other_and_no_call_fails(client):
    edit = ("-e", '{"mcp_gateway_settings": {"LOG_LEVEL": "WARNING"}}', "-e", "mcp_serial=1")
    with load_on_all(client) as told:
        done = deploy(*edit)
    assert counts(done, "failed") == [0, 0, 0] and all(counts(done, "changed")), done.stdout[-4000:]
    assert done.stdout.count("TASK [mcp.tenancy.runtime : Keep the services running]") == 3, "in three batches"
    assert all(one.errors == [] and one.right > 10 for one in told.values()), told
    assert counts(deploy(*edit), "changed") == counts(deploy(), "failed") == counts(deploy(), "changed") == [0, 0, 0]


@pytest.mark.parametrize("wrapper", ["translate", "bridge"])
def test_r2_20_rotations_in_a_row_fail_no_call(client, hosts, wrapper):
    assert counts(deploy("-e", f"mcp_wrapper={wrapper}"), "failed") == [0, 0, 0]
    before = credentials(hosts)
    with load_on_all(client) as told:
        for number in range(20):
            done = playbook("rotate.yml", "-e", "mcp_rotate=all", "-e", f"mcp_wrapper={wrapper}")
            assert done.returncode == 0, f"{number}: {done.stdout[-4000:]}"
    assert all(one.errors == [] and one.right > 100 for one in told.values()), told
    after = credentials(hosts)
    assert {name: entry["generation"] - before[name]["generation"] for name, entry in after.items()} == dict.fromkeys(SERVICES, 20)
    done = deploy("-e", f"mcp_wrapper={wrapper}")
    assert counts(done, "changed") == [0, 0, 0], done.stdout[-4000:]


@contextlib.contextmanager
def gone(name: str) -> None:
    """The host is there for nobody."""
    subprocess.run(["docker", "pause", f"mcp-tenancy-{name}"], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["docker", "unpause", f"mcp-tenancy-{name}"], check=True, capture_output=True)


@pytest.mark.parametrize("name", ["team-a-gw3", "team-a-gw1"], ids=["one of the hosts", "the host with the store"])
def test_r5_a_host_that_is_not_reached_stops_the_rotation_before_harm(client, hosts, name):
    assert deploy().returncode == 0
    before = credentials(hosts)
    with gone(name):
        done = playbook("rotate.yml", "-e", "mcp_rotate=all")
        assert done.returncode != 0 and "Next: " in done.stdout, done.stdout[-4000:]
        for there in set(HOSTS) - {name}:
            answer = client.ask(there, "team-a-prod", "team-a-prod-postgres-query", sql="SELECT session_user AS login")
            assert json.loads(answer["text"])[0]["login"] == before["postgres-prod"]["slots"][before["postgres-prod"]["active"]]["login"]
    done = playbook("rotate.yml", "-e", "mcp_rotate=all")
    assert done.returncode == 0, done.stdout[-4000:]
    after = credentials(hosts)
    assert all(after[service]["walk"] is None and after[service]["generation"] > before[service]["generation"] for service in SERVICES)
    assert playbook("verify.yml").returncode == 0 and counts(deploy(), "changed") == [0, 0, 0]


@contextlib.contextmanager
def full(team: Team) -> None:
    """Where its encrypted .env lives there is not one byte left."""
    etc, kept = f"{team.root}/etc", "/root/etc-before"
    team.host.check_output("cp -a %s %s && mount -t tmpfs -o size=1m,mode=0755 full %s && cp -a %s/. %s/", etc, kept, etc, kept, etc)
    team.host.run("head -c 2m /dev/zero > %s/filler", etc)
    try:
        assert team.host.check_output("df --output=avail %s | tail -n 1", etc).strip() == "0"
        yield
    finally:
        team.host.check_output("rm -f %s/filler && cp -a %s/. %s/ && umount %s && cp -a %s/. %s/ && rm -rf %s", etc, etc, kept, etc, kept, etc, kept)


@pytest.mark.parametrize("name", ["team-a-gw3", "team-a-gw1"], ids=["one of the hosts", "the host with the store"])
def test_r5_a_full_disk_stops_the_rotation_before_harm(client, hosts, name):
    assert deploy().returncode == 0
    before = credentials(hosts)
    with full(hosts[name]):
        done = playbook("rotate.yml", "-e", "mcp_rotate=all")
        assert done.returncode != 0 and "Next: " in done.stdout and "No space left" in done.stdout, done.stdout[-4000:]
        for there in HOSTS:
            answer = client.ask(there, "team-a-prod", "team-a-prod-postgres-query", sql="SELECT session_user AS login")
            assert json.loads(answer["text"])[0]["login"] == before["postgres-prod"]["slots"][before["postgres-prod"]["active"]]["login"]
    done = playbook("rotate.yml", "-e", "mcp_rotate=all")
    assert done.returncode == 0, done.stdout[-4000:]
    after = credentials(hosts)
    assert all(after[service]["walk"] is None and after[service]["generation"] > before[service]["generation"] for service in SERVICES)
    assert playbook("verify.yml").returncode == 0 and counts(deploy(), "changed") == [0, 0, 0]


@contextlib.contextmanager
def strict_about_passwords(database, admin: str) -> None:
    """A policy of the server, for what this login asks for: Debian's credcheck, which takes no verifier, since it cannot look into one."""
    database.check_output("sh -c %s", "apt-get -qq update && apt-get -qq install -y postgresql-17-credcheck >/dev/null 2>&1")
    as_superuser = "runuser -u postgres -- psql -q -c %s"
    database.check_output(as_superuser, f"ALTER ROLE {admin} SET session_preload_libraries = 'credcheck'")
    try:
        yield
    finally:
        database.check_output(as_superuser, f"ALTER ROLE {admin} RESET session_preload_libraries")


def test_r5_a_password_policy_that_refuses_stops_before_harm(client, hosts):
    assert deploy().returncode == 0
    before, store = credentials(hosts), hosts["team-a-gw1"]
    with strict_about_passwords(host_of("database"), store.given("postgres", "prod", "ADMIN_").user):
        done = playbook("rotate.yml", "-e", "mcp_rotate=postgres-prod")
        told = "password type is not a plain text" in done.stdout and "Next: have its password policy" in done.stdout
        assert done.returncode != 0 and told, done.stdout[-4000:]
        answer = client.ask("team-a-gw3", "team-a-prod", "team-a-prod-postgres-query", sql="SELECT session_user AS login")
        assert json.loads(answer["text"])[0]["login"] == before["postgres-prod"]["slots"][before["postgres-prod"]["active"]]["login"]
        refused = credentials(hosts)["postgres-prod"]
        assert (refused["generation"], refused["walk"], refused["slots"]) == (before["postgres-prod"]["generation"], None, before["postgres-prod"]["slots"])
    done = playbook("rotate.yml", "-e", "mcp_rotate=postgres-prod")
    assert done.returncode == 0, done.stdout[-4000:]
    assert credentials(hosts)["postgres-prod"]["generation"] == before["postgres-prod"]["generation"] + 1
