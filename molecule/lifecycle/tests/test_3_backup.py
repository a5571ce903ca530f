# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is lost after credentials were rotated, and restored from a backup of before: same team, same clients, same CA, newest credentials."""

from __future__ import annotations

import base64
import json
import shlex

from one_life import ENTRY, GW1, TARGETS, TOOL, changed
from operating import deploy, load, playbook, recap
from two_teams import CONTROL, administer

SERVICES = ("postgres-dev", "postgres-prod", "mongodb-dev", "mongodb-prod")


def logs_in(team, environment: str, slot: dict) -> bool:
    """Whether PostgreSQL takes a login, tried from the database's own host over TLS."""
    place = team.given("postgres", environment, "ADMIN_")
    url = f"host={place.host} dbname={place.database} user={slot['login']} sslmode=require"
    return team.database.run("sh -c %s", f"PGPASSWORD={shlex.quote(slot['password'])} psql -At -c 'SELECT 1' {shlex.quote(url)}").rc == 0


def id_of(team, token: str) -> str:
    """The gateway's id of a client's token, by the token's own number."""
    payload = token.split(".")[1]
    jti = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["jti"]
    database = f"sqlite3.connect('file:{team.root}/state/mcp.db?mode=ro', uri=True)"
    return team.host.check_output(
        "python3 -c %s", f"import sqlite3; print({database}.execute('SELECT id FROM email_api_tokens WHERE jti = ?', ['{jti}']).fetchone()[0])"
    )


def test_a_lost_host_is_restored(client, team, database):
    team.database = database
    assert changed(deploy()) >= 0
    clients, authority = team.clients, (CONTROL / "team_a/edge-ca.pem").read_text()
    before = {name: team.credential(name) for name in SERVICES}
    with load(client, "team_a", TARGETS, callers=2, pause=0.1) as told:
        done = playbook("backup.yml")
    assert done.returncode == 0 and told.errors == [] and told.right > 5, (done.stdout[-3000:], told)
    (backup,) = sorted((CONTROL / "team_a/backups").glob(f"{GW1}-*.backup"))[-1:]
    assert backup.read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;team_a") and backup.stat().st_mode & 0o777 == 0o600
    assert playbook("rotate.yml", "-e", "mcp_rotate=all").returncode == 0
    rotated = {name: team.credential(name) for name in SERVICES}
    done = playbook("remove.yml", "-e", "mcp_remove=team_a", "-e", "mcp_remove_logins=no")  # as good as a host that burnt down
    assert changed(done) > 0 and not team.host.file(team.root).exists
    done = playbook("restore.yml")
    assert recap(done, GW1)["failed"] == 0, done.stdout[-5000:]
    assert team.clients == clients and (CONTROL / "team_a/edge-ca.pem").read_text() == authority
    for environment in ("dev", "prod"):
        assert client.ask("team_a", f"team-a-{environment}" if environment == "prod" else ENTRY, f"team-a-{environment}-postgres-query", sql="SELECT 1 AS one")[
            "text"
        ]
    now = {name: team.credential(name) for name in SERVICES}
    for name in SERVICES:
        assert now[name]["generation"] > before[name]["generation"], name
    for environment in ("dev", "prod"):
        name = f"postgres-{environment}"
        assert logs_in(team, environment, now[name]["slots"][now[name]["active"]])
        for entry in (before[name], rotated[name]):  # neither of the backup's time nor of after it
            for slot in entry["slots"].values():
                assert not logs_in(team, environment, slot), (name, slot["mark"])
    assert changed(deploy()) == 0 and playbook("verify.yml").returncode == 0


def test_a_restore_onto_a_host_that_lives_takes_nothing_newer_away(client, team):
    clients, before = team.clients, {name: team.credential(name) for name in SERVICES}
    leaked = clients[ENTRY]["headers"]["Authorization"].removeprefix("Bearer ")
    assert playbook("backup.yml").returncode == 0
    assert playbook("rotate.yml", "-e", "mcp_rotate=postgres-dev").returncode == 0
    administer(team, "DELETE", f"/v1/tokens/admin/{id_of(team, leaked)}")
    assert client.status(clients[ENTRY]["url"], leaked) == 401
    done = playbook("restore.yml")
    assert recap(done, GW1)["failed"] == 0, done.stdout[-5000:]
    after = {name: team.credential(name) for name in SERVICES}
    assert after["postgres-dev"]["generation"] == before["postgres-dev"]["generation"] + 1 and after["mongodb-dev"] == before["mongodb-dev"]
    assert client.status(clients[ENTRY]["url"], leaked) == 401, "a token that was revoked after the backup stays revoked"
    assert team.host.file(f"{team.root}/state/replaced.db").mode == 0o600
    client.place("/root/team_a.json", json.dumps({"mcpServers": team.clients}))
    assert client.ask("team_a", ENTRY, TOOL, sql="SELECT 1 AS one")["text"]
    assert changed(deploy()) == 0


def test_a_backup_of_another_team_or_key_is_refused_before_anything_is_touched(team, tmp_path):
    (backup,) = sorted((CONTROL / "team_a/backups").glob(f"{GW1}-*.backup"))[-1:]
    other = tmp_path / "other.backup"
    other.write_text(backup.read_text().replace("3", "4"))
    pid = team.pid("gateway")
    for path in (other, tmp_path / "none.backup"):
        done = playbook("restore.yml", "-e", f"mcp_backup={path}")
        assert done.returncode != 0 and "Next: " in done.stdout, done.stdout[-2000:]
    assert team.pid("gateway") == pid
