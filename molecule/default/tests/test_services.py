# SPDX-License-Identifier: GPL-3.0-or-later
"""What the deploy left on the hosts: units, processes, files, and an MCP client's answers."""

from __future__ import annotations

import base64
import json

import pytest
from operating import canary

ENTRIES = [("team_a", "team-a-dev-alice", "dev"), ("team_a", "team-a-prod", "prod"), ("team_b", "team-b-dev", "dev"), ("team_b", "team-b-prod", "prod")]


def test_each_team_has_the_kind_of_credential_that_it_declares(teams):
    assert teams["team_a"].credential("postgres-dev")["kind"] == "managed" and teams["team_a"].login("postgres", "dev").user.startswith("mcp_team_a_dev_")
    assert teams["team_b"].credential("postgres-dev")["kind"] == "unmanaged" and teams["team_b"].login("postgres", "dev").user == "team_b_dev"


@pytest.mark.parametrize(("name", "entry", "environment"), ENTRIES)
def test_an_official_client_on_another_host_gets_rows_of_its_own_environment(client, teams, name, entry, environment):
    space = f"{name}-{environment}".replace("_", "-")
    sql, login = "SELECT team, environment, current_user AS login FROM owner", teams[name].login("postgres", environment).user
    answer = client.ask(name, entry, f"{space}-postgres-query", sql=sql)
    assert not answer["error"] and json.loads(answer["text"]) == [{"team": name, "environment": environment, "login": login}]
    if f"{space}-mongodb-find" in answer["tools"]:
        found = client.ask(name, entry, f"{space}-mongodb-find", connectionId="preconfigured", database=answer_database(name, environment), collection="owner")
        assert f'"environment":"{environment}"' in found["text"] and f'"team":"{name}"' in found["text"]
    assert all(tool.startswith(space) for tool in answer["tools"])


def answer_database(name: str, environment: str) -> str:
    return name if environment == "prod" else f"{name}_dev"


def test_a_statement_that_writes_is_refused_before_the_database_is_asked(client):
    answer = client.ask("team_a", "team-a-prod", "team-a-prod-postgres-query", sql="COMMIT; BEGIN READ WRITE; DELETE FROM shipments")
    assert answer["error"] and "Refused by the guard of postgres-prod" in answer["text"]


def test_every_unit_runs_and_is_enabled(team):
    for service in team.services:
        unit = team.host.service(team.unit(service))
        assert unit.is_running and unit.is_enabled, service


def test_every_service_is_a_user_of_its_own(team):
    uids = {service: team.host.check_output("stat --format %%u /proc/%s", team.pid(service)) for service in team.services}
    assert len(set(uids.values())) == len(uids) and "0" not in uids.values()


def test_the_exposure_of_each_unit_is_at_most_2_5(team):
    for service in team.services:
        analysis = json.loads(team.host.check_output("systemd-analyze security --json=short --no-pager %s", team.unit(service)))
        # the sum that systemd itself makes is only in the text form
        assert analysis
        line = team.host.check_output("systemd-analyze security --no-pager %s", team.unit(service)).splitlines()[-1]
        assert float(line.split(": ")[1].split()[0]) <= 2.5, line


def test_a_process_has_its_own_variables_only(team):
    for service in team.services:
        names = {entry.partition("=")[0] for entry in team.host.check_output("cat /proc/%s/environ", team.pid(service)).split("\0")}
        secrets = {name for name in names if name.endswith(("_SECRET", "_KEY", "_PASSWORD", "_TOKEN", "_STRING"))}
        expected = {"MCP_BRIDGE_TOKEN"}
        if service == "gateway":
            expected = {"JWT_SECRET_KEY", "AUTH_ENCRYPTION_SECRET", "CSRF_SECRET_KEY", "MCP_IDENTITY_SECRET"} | {
                "PLATFORM_ADMIN_PASSWORD",
                "DEFAULT_USER_PASSWORD",
            }
        assert secrets == expected, service


def test_secrets_are_private_files_and_the_clear_ones_lie_on_tmpfs_only(team):
    for name in (f"{team.root}/etc/.env", f"{team.root}/etc/vault.key", f"{team.root}/etc/client.json", f"{team.root}/state/mcp.db"):
        assert team.host.file(name).mode == 0o600, name
    assert team.host.check_output("stat --file-system --format %%T %s", team.run) == "tmpfs"
    for service in team.services:
        clear = team.host.file(f"{team.run}/{service}/env.json")
        assert clear.mode == 0o400 and clear.user == team.user(service)
    assert team.host.file(f"{team.root}/etc/.env").content_string.startswith(f"$ANSIBLE_VAULT;1.2;AES256;{team.name}\n")


def test_the_vault_key_is_of_no_use_on_another_host(team, teams):
    """It is encrypted with the host's own key."""
    sealed = team.host.file(f"{team.root}/etc/vault.key").content_string
    other = next(one for one in teams.values() if one is not team).host
    other.check_output("sh -c %s", f"umask 077; printf %s '{sealed}' >/root/stolen")
    assert team.host.run("systemd-creds decrypt --name=mcp-tenancy-%s %s -", team.name, f"{team.root}/etc/vault.key").rc == 0
    assert other.run("systemd-creds decrypt --name=mcp-tenancy-%s /root/stolen -", team.name).rc != 0
    other.check_output("rm /root/stolen")


def test_s1_no_secret_is_in_a_file_outside_tmpfs_in_an_argv_or_in_the_journal(team):
    """All that the team has, in every form, everywhere on its host: docs/canary.md."""
    name = f"{team.name.replace('_', '-')}-gw1"
    done = canary("--hosts-only", "--limit", name)
    unseen = done.stdout.partition("Could not be looked at:\n")[2].partition("\n\n")[0].splitlines()[1:]
    # root of a container may be kept from looking into a process of another user; of services that is exempt anyway (S2)
    assert done.returncode == 0 or all("  environ of process " in line for line in unseen), done.stdout[-4000:] + done.stderr[-2000:]
    assert f"{name}: looked at" in done.stdout and "\n0 hits" in done.stdout and "bytes of journalctl" in done.stdout


def test_s1_what_is_planted_on_a_host_is_found(team):
    """A search that cannot find proves nothing. Of a login it is the password; nothing of it is told."""
    name, drawn = f"{team.name.replace('_', '-')}-gw1", team.login("postgres", "dev").password
    text = base64.b64encode(f"user:{drawn}".encode()).decode()
    team.host.check_output("sh -c %s", f"umask 077; echo {text} >/var/log/planted")
    try:
        done = canary("--hosts-only", "--limit", name)
    finally:
        team.host.check_output("rm /var/log/planted")
    assert done.returncode == 1, done.stdout[-4000:]
    assert "/var/log/planted" in done.stdout and drawn[:24] not in done.stdout + done.stderr


def test_only_loopback_and_the_edge_listen(team):
    listening = [line.split()[3] for line in team.host.check_output("ss --listening --tcp --numeric --no-header").splitlines()]
    assert all(address.startswith(("127.", "[::1]")) for address in listening if not address.endswith(":8080")), listening
