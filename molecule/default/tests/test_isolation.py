# SPDX-License-Identifier: GPL-3.0-or-later
"""Who cannot get at what. Each case is tried for real; the table is in docs/security.md."""

from __future__ import annotations

import json
import time

import pytest
from two_teams import forged

# --- on one host: a service's uid, outside its sandbox, so that only users, modes and the firewall stand between

OWN, OTHER = "postgres-dev", "postgres-prod"

FILES = {
    "the encrypted .env": "{root}/etc/.env",
    "the vault key": "{root}/etc/vault.key",
    "the clients' tokens": "{root}/etc/client.json",
    "the gateway's database": "{root}/state/mcp.db",
    "another service's clear secrets": "{run}/{other}/env.json",
    "the gateway's clear secrets": "{run}/gateway/env.json",
    "another service's audit": "{root}/log/{other}/audit.jsonl",
    "another service's environment": "/proc/{other_pid}/environ",
    "another service's memory": "/proc/{other_pid}/mem",
    "another service's open files": "/proc/{other_pid}/fd/0",
    "the gateway's environment": "/proc/{gateway_pid}/environ",
    "labels of what was started": "{run}/.revisions/{own}",
}


@pytest.mark.parametrize("what", FILES)
def test_a_services_user_cannot_read(team, what):
    names = {"root": team.root, "run": team.run, "own": OWN, "other": OTHER, "other_pid": team.pid(OTHER), "gateway_pid": team.pid("gateway")}
    path = FILES[what].format(**names)
    assert team.host.run("head -c 1 %s", path).rc == 0 or "/mem" in path or "/fd/" in path, "the case must be about something that is there"
    denied = team.by(OWN, "head -c 1 %s", path)
    assert denied.rc != 0 and "Permission denied" in denied.stderr and not denied.stdout


WRITES = {
    "another service's folder": "touch {root}/work/{other}/x",
    "the manifest": "echo x >>{root}/etc/services.json",
    "the programs that start services": "echo x >>{root}/bin/mcp-unseal",
    "the installed code": "touch {root}/lib/x",
    "the CA of its database": "echo x >>{root}/etc/ca/{own}.pem",
    "its own unit": "echo x >>/etc/systemd/system/mcp-tenancy-{team}-{own}.service",
    "its own audit's past": "rm {root}/log/{other}/audit.jsonl",
}


@pytest.mark.parametrize("what", WRITES)
def test_a_services_user_cannot_change(team, what):
    command = WRITES[what].format(root=team.root, own=OWN, other=OTHER, team=team.name)
    denied = team.by(OWN, command)
    assert denied.rc != 0 and "Permission denied" in denied.stderr


def test_a_services_user_cannot_signal_another_service(team):
    denied = team.by(OWN, "kill -0 %s", team.pid(OTHER))
    assert denied.rc != 0 and "not permitted" in denied.stderr.lower()


def test_a_services_user_cannot_decrypt_the_env(team):
    """Neither the key's file nor the host's key that it is encrypted with is within its reach."""
    assert team.by(OWN, "systemd-creds decrypt --name=mcp-tenancy-%s %s -", team.name, f"{team.root}/etc/vault.key").rc != 0
    assert team.by(OWN, "cat /var/lib/systemd/credential.secret").rc != 0
    assert team.by(OWN, f"{team.root}/lib/tools-*/bin/python {team.root}/bin/mcp-unseal --manifest {team.root}/etc/services.json {OWN}").rc != 0


def test_a_services_user_cannot_read_the_journal(team):
    assert team.host.run("journalctl --no-pager --unit %s", team.unit(OTHER)).stdout
    assert team.by(OWN, "journalctl --no-pager --unit %s", team.unit(OTHER)).stdout.strip() in ("", "-- No entries --")


def test_a_services_user_has_no_sudo_and_no_shell(team):
    assert team.by(OWN, "sudo -n true").rc != 0
    assert team.host.user(team.user(OWN)).shell == "/usr/sbin/nologin"


def test_a_services_user_cannot_use_another_bridge(team):
    """Its own bearer opens its own bridge only."""
    service = team.manifest["services"][OTHER]
    token = json.loads(team.host.file(f"{team.run}/{OWN}/env.json").content_string)["process"]["MCP_BRIDGE_TOKEN"]
    ask = "curl -s -o /dev/null -w '%%{http_code}' -H 'Authorization: Bearer '%s -H 'Content-Type: application/json' -d %s http://127.0.0.1:%s/mcp"
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    assert team.by(OWN, ask, token, body, str(service["listen"]["port"])).stdout == "401"
    assert team.by(OWN, ask, token, body, str(team.manifest["services"][OWN]["listen"]["port"])).stdout == "200"


def test_a_services_user_cannot_reach_another_translate(teams):
    team = teams["team_a"]
    ports = {name: service["bridge"]["translate_ports"] for name, service in team.manifest["services"].items() if "bridge" in service}
    listening = {int(line.split()[3].rsplit(":", 1)[1]) for line in team.host.check_output("ss -ltnH").splitlines()}
    (theirs,) = listening & set(ports[OTHER])
    (mine,) = listening & set(ports[OWN])
    connect = "curl -s -o /dev/null -w '%%{http_code}' http://127.0.0.1:%s/healthz"
    assert team.by(OWN, connect, str(mine)).stdout == "200"
    assert team.by(OWN, connect, str(theirs)).stdout == "000"
    assert team.by("gateway", connect, str(mine)).stdout == "000"
    assert team.host.run(connect % f"'{mine}'").stdout == "000", "root neither, but for lifting the rule"


# --- between hosts: team_b's host and whoever holds its credentials, against team_a; and the other way round


def other_of(team, teams):
    return next(one for one in teams.values() if one is not team)


def test_another_teams_host_reaches_no_port_of_this_one(team, teams):
    other = other_of(team, teams)
    address = team.host.check_output("hostname -I").split()[0]
    ports = [service["listen"]["port"] for service in team.manifest["services"].values()] + [8080, 22, 5432]
    for port in ports:
        assert other.host.run("timeout 2 bash -c %s", f"</dev/tcp/{address}/{port}").rc != 0, port


def test_another_teams_host_does_not_reach_this_teams_database(team, teams, database):
    other = other_of(team, teams)
    for address in database.check_output("hostname -I").split():
        reaches = other.host.run("timeout 2 bash -c %s", f"</dev/tcp/{address}/5432").rc == 0
        assert reaches == (address.rsplit(".", 1)[0] == other.host.check_output("hostname -I").split()[0].rsplit(".", 1)[0])
    assert other.host.run("getent hosts db.%s.internal", team.name.replace("_", "-")).rc != 0


def test_from_the_network_only_the_edge_answers(team, client):
    address = f"gw1.{team.name.replace('_', '-')}.internal"
    assert client.host.run("timeout 2 bash -c %s", f"</dev/tcp/{address}/8080").rc == 0
    for service in team.manifest["services"].values():
        assert client.host.run("timeout 2 bash -c %s", f"</dev/tcp/{address}/{service['listen']['port']}").rc != 0


@pytest.mark.parametrize("engine", ["postgres", "mongodb"])
@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_login_opens_its_own_database_only(client, teams, database, engine, environment):
    """Tried with every other database of both teams."""
    team = teams["team_a"]
    login = team.login(engine, environment)
    for name in ("team_a_dev", "team_a", "team_b_dev", "team_b"):
        allowed = name == login.database
        if engine == "postgres":
            client.place("/root/pgpass", f"*:*:*:*:{login.password.replace(chr(92), chr(92) * 2).replace(':', chr(92) + ':')}")
            conninfo = f"host={login.host} user={login.user} dbname={name} sslmode=require"
            done = client.host.run("env PGPASSFILE=/root/pgpass psql -XAtc 'SELECT count(*) FROM owner' %s", conninfo)
            assert (done.rc == 0) is allowed and (allowed or "permission denied for database" in done.stderr), (name, done.stderr)
        else:
            client.place("/root/login.json", json.dumps({"username": login.user, "password": login.password, "host": login.host}))
            ask = (
                "import json, pymongo; given = json.load(open('/root/login.json'))\n"
                f"print(pymongo.MongoClient(**given, tls=True, tlsAllowInvalidCertificates=True, directConnection=True)['{name}'].owner.count_documents({{}}))"
            )
            done = client.host.run("%s -c %s", client.python, ask)
            assert (done.rc == 0) is allowed and (allowed or "not authorized" in done.stderr), (name, done.stderr[-300:])


def test_one_teams_key_opens_nothing_of_the_other(teams, team):
    from ansible.errors import AnsibleError
    from ansible.parsing.vault import VaultLib, VaultSecret
    from two_teams import CONTROL

    other = other_of(team, teams)
    vault = VaultLib([(team.name, VaultSecret((CONTROL / other.name / "vault.key").read_bytes().strip()))])
    for text in ((CONTROL / team.name / ".env").read_text(), team.host.file(f"{team.root}/etc/.env").content_string):
        with pytest.raises(AnsibleError):
            vault.decrypt(text)


def test_a_hosts_key_does_not_open_the_operators_file(team):
    from ansible.errors import AnsibleError
    from ansible.parsing.vault import VaultLib, VaultSecret
    from two_teams import CONTROL

    key = team.host.check_output("systemd-creds decrypt --name=mcp-tenancy-%s %s -", team.name, f"{team.root}/etc/vault.key")
    vault = VaultLib([(team.name, VaultSecret(key.strip().encode()))])
    assert vault.decrypt(team.host.file(f"{team.root}/etc/.env").content_string)
    with pytest.raises(AnsibleError):
        vault.decrypt((CONTROL / team.name / ".env").read_text())


# --- at the gateway, from the client's host


def token_of(entry: dict) -> str:
    return entry["headers"]["Authorization"].removeprefix("Bearer ")


def test_a_token_of_one_team_is_refused_by_the_other(client, teams, team):
    other = other_of(team, teams)
    for entry in team.clients.values():
        for door in other.clients.values():
            assert client.status(door["url"], token_of(entry)) == 401


def test_a_dev_token_is_refused_at_prod_and_at_every_door_that_spans_servers(client, teams):
    clients = teams["team_a"].clients
    token, prod = token_of(clients["team-a-dev-bob"]), clients["team-a-prod"]["url"]
    base = prod.split("/servers/")[0]
    assert client.status(clients["team-a-dev-bob"]["url"], token) == 200
    assert client.status(prod, token) in (401, 403)
    for door in ("/mcp", "/rpc", "/tools", "/v1/tools", "/gateways", "/servers", "/admin", "/sse", "/tokens", "/teams"):
        assert client.status(base + door, token) in (401, 403), door


FORGERIES = ["unsigned", "signed with another team's key", "signed with a guess", "made an administrator's", "expired", "absent", "no token at all"]


@pytest.mark.parametrize("how", FORGERIES)
def test_a_forged_token_is_refused(client, teams, how):
    clients = teams["team_a"].clients
    entry, key = clients["team-a-dev-bob"], teams["team_a"].env()["JWT_SECRET_KEY"].encode()
    token = token_of(entry)
    given = {
        "unsigned": forged(token, None),
        "signed with another team's key": forged(token, teams["team_b"].env()["JWT_SECRET_KEY"].encode()),
        "signed with a guess": forged(token, b"my-test-key"),
        "made an administrator's": forged(token, b"x" * 32, user={"email": "bob@team-a.example", "is_admin": True}),
        "expired": forged(token, key, exp=int(time.time()) - 60),
        "absent": "",
        "no token at all": "not-a-token",
    }[how]
    assert client.status(entry["url"], given) == 401


@pytest.mark.parametrize("name", ["X-Upstream-Authorization", "X-Forwarded-User", "X-Contextforge-User", "Mcp-Session-Id", "Cookie"])
def test_a_header_that_is_not_a_clients_to_send_opens_nothing(client, teams, name):
    clients = teams["team_a"].clients
    prod, value = clients["team-a-prod"]["url"], f"jwt_token={token_of(clients['team-a-prod'])}"
    assert client.status(prod, token_of(clients["team-a-dev-bob"]), **{name: value}) in (401, 403)
    assert client.status(prod, "", **{name: value}) == 401


def test_a_query_in_dev_cannot_name_another_database(client):
    answer = client.ask("team_a", "team-a-dev-bob", "team-a-dev-postgres-query", sql="SELECT * FROM team_a.public.owner")
    assert answer["error"] and "cross-database references are not implemented" in answer["text"]
    answer = client.ask("team_a", "team-a-dev-bob", "team-a-dev-mongodb-find", connectionId="preconfigured", database="team_a", collection="owner")
    assert answer["error"] and "not authorized" in answer["text"]
    assert client.ask("team_a", "team-a-dev-bob", "team-a-prod-postgres-query", sql="SELECT 1")["error"]
