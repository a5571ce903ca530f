# SPDX-License-Identifier: GPL-3.0-or-later
"""One team on one real host."""

from __future__ import annotations

import stat

ODD = set("@:/%?#'\"\\$ é")


def test_the_host_is_a_machine_with_systemd(host):
    assert host.file("/proc/1/comm").content_string.strip() == "systemd"
    assert host.check_output("systemctl --failed --plain --no-legend") == ""


def test_the_host_is_not_privileged(host):
    # CAP_SYS_MODULE (16), CAP_SYS_PTRACE (19) and CAP_SYS_TIME (25) would be there in a privileged container
    effective = int(host.check_output("awk '/^CapEff/ {print $2}' /proc/1/status"), 16)
    assert not any(effective >> capability & 1 for capability in (16, 19, 25))


def test_the_distribution_brings_what_the_roles_look_for(host):
    assert host.check_output("python3 -c 'import ensurepip, sys; print(sys.version_info[:2] in ((3, 12), (3, 13)))'") == "True"
    assert tuple(map(int, host.check_output("node --version").lstrip("v").split("."))) >= (20, 19)


def test_the_operators_files_are_private_and_encrypted(control):
    for name in (".env", "vault.key"):
        assert stat.S_IMODE((control / name).stat().st_mode) == 0o600
    assert (control / ".env").read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;team_a\n")


def test_the_password_is_an_awkward_one(login):
    assert not ODD - set(login.password)


def test_the_login_reads_over_checked_tls(query):
    result = query("SELECT version, (SELECT count(*) FROM shipments) FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    assert (result.rc, result.stdout.strip()) == (0, "TLSv1.3|3"), result.stderr


def test_the_login_cannot_write(query):
    for sql in ("INSERT INTO shipments VALUES (4, 'Lima', 1)", "SET default_transaction_read_only = off; DELETE FROM shipments", "CREATE TABLE t ()"):
        result = query(sql)
        assert result.rc != 0, sql
        assert "permission denied" in result.stderr or "read-only transaction" in result.stderr


def test_without_tls_with_another_name_or_another_password_there_is_no_connection(query):
    assert "pg_hba.conf rejects connection" in query("SELECT 1", sslmode="disable").stderr
    assert 'does not match host name "localhost"' in query("SELECT 1", host="localhost").stderr
    assert "password authentication failed" in query("SELECT 1", password="not it").stderr


def test_the_server_keeps_a_scram_verifier(host, login):
    kept = host.check_output("runuser -u postgres -- psql -qAtc %s", f"SELECT rolpassword FROM pg_authid WHERE rolname = '{login.user}'")
    assert kept.startswith("SCRAM-SHA-256$")
