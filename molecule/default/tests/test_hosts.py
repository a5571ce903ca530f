# SPDX-License-Identifier: GPL-3.0-or-later
"""That the test hosts are what they are taken for: machines with systemd, not privileged, on networks of their own."""

from __future__ import annotations

import stat

from two_teams import CONTROL

ODD = set("@:/%?#'\"\\$ é")


def test_the_host_is_a_machine_with_systemd(team):
    assert team.host.file("/proc/1/comm").content_string.strip() == "systemd"
    assert team.host.check_output("systemctl --failed --plain --no-legend") == ""


def test_the_host_is_not_privileged(team):
    # CAP_SYS_MODULE (16), CAP_SYS_PTRACE (19) and CAP_SYS_TIME (25) would be there in a privileged container
    effective = int(team.host.check_output("awk '/^CapEff/ {print $2}' /proc/1/status"), 16)
    assert not any(effective >> capability & 1 for capability in (16, 19, 25))


def test_the_operators_files_are_private_and_encrypted(team):
    for name in (".env", "vault.key"):
        assert stat.S_IMODE((CONTROL / team.name / name).stat().st_mode) == 0o600
    assert (CONTROL / team.name / ".env").read_text().startswith(f"$ANSIBLE_VAULT;1.2;AES256;{team.name}\n")


def test_the_passwords_are_awkward_ones(team):
    kind = "ADMIN_" if team.credential("postgres-dev")["kind"] == "managed" else ""
    assert not ODD - set(team.given("postgres", "dev", kind).password)


def test_the_databases_take_tls_and_verified_logins_only(client, database, team):
    login = team.login("postgres", "dev")

    def connect(**changes: str):
        given = {"host": login.host, "dbname": login.database, "user": login.user, "sslmode": "verify-full", "sslrootcert": "/root/ca.pem", **changes}
        client.place("/root/ca.pem", (CONTROL / "ca.pem").read_text())
        client.place("/root/pgpass", f"*:*:*:*:{login.password.replace(chr(92), chr(92) * 2).replace(':', chr(92) + ':')}")
        conninfo = " ".join(f"{name}={value}" for name, value in given.items())
        return client.host.run("env PGPASSFILE=/root/pgpass psql --no-psqlrc --tuples-only --no-align --command 'SELECT count(*) FROM shipments' %s", conninfo)

    assert connect().stdout.strip() == "3"
    assert "pg_hba.conf rejects connection" in connect(sslmode="disable").stderr
    assert connect(user="somebody").rc != 0


def test_the_server_keeps_a_scram_verifier(database, team):
    user = team.login("postgres", "dev").user
    kept = database.check_output("runuser -u postgres -- psql -qAtc %s", f"SELECT rolpassword FROM pg_authid WHERE rolname = '{user}'")
    assert kept.startswith("SCRAM-SHA-256$")
