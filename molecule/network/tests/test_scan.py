# SPDX-License-Identifier: GPL-3.0-or-later
"""What scanners find, from every other host."""

from __future__ import annotations

import json

import pytest
from behind_edges import AUTHORITIES, DOORS
from two_teams import host_of

#: Every TCP port of an address that accepts a connection.
PORTS = """
import asyncio, json, sys
async def one(port, room):
    async with room:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(sys.argv[1], port), 2)
            writer.close()
            return port
        except (OSError, asyncio.TimeoutError):
            return None
async def main():
    room = asyncio.Semaphore(500)
    return [port for port in await asyncio.gather(*(one(port, room) for port in range(1, 65536))) if port]
print(json.dumps(asyncio.run(main())))
"""


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize("scanner", ["client", "database"])
def test_only_the_edges_port_answers(teams, name, scanner):
    host, port = DOORS[name]
    address = host_of(scanner).check_output("getent hosts %s", host).split()[0]
    assert json.loads(host_of(scanner).check_output("python3 -c %s %s", PORTS, address)) == [port]


def test_another_teams_host_does_not_even_reach_that(teams):
    for name, other in (("team_a", "team_b"), ("team_b", "team_a")):
        address = teams[name].host.check_output("hostname -I").split()[0]
        assert teams[other].host.run("timeout 2 bash -c %s", f"</dev/tcp/{address}/{DOORS[name][1]}").rc != 0


def test_nothing_listens_on_the_network_but_the_edge(team):
    listening = team.host.check_output("ss -lntuH").splitlines()
    outside = [line for line in listening if not line.split()[4].startswith(("127.", "[::1]"))]
    assert [line.split()[4].rsplit(":", 1)[1] for line in outside] == [str(DOORS[team.name][1])], outside


def test_the_scanner_finds_what_mozilla_asks_for_and_no_weakness(client, team):
    """sslyze, whose own verdict is whether everything is as Mozilla's "intermediate" profile wants it, and each finding by itself."""
    host, port = DOORS[team.name]
    sslyze = client.host.check_output("ls -d /opt/scan-*/bin/sslyze")
    done = client.host.run("%s --mozilla_config=intermediate --certinfo_ca_file %s --json_out=/root/scan.json %s:%s", sslyze, AUTHORITIES, host, str(port))
    (told,) = json.loads(client.host.file("/root/scan.json").content_string)["server_scan_results"]
    found = {name: attempt["result"] for name, attempt in told["scan_result"].items()}
    for old in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
        assert found[f"{old}_cipher_suites"]["accepted_cipher_suites"] == [], old
    assert found["tls_1_2_cipher_suites"]["accepted_cipher_suites"] and found["tls_1_3_cipher_suites"]["accepted_cipher_suites"]
    suites = [suite["cipher_suite"]["name"] for version in ("2", "3") for suite in found[f"tls_1_{version}_cipher_suites"]["accepted_cipher_suites"]]
    assert all("GCM" in suite or "POLY1305" in suite for suite in suites), suites
    assert not found["heartbleed"]["is_vulnerable_to_heartbleed"] and not found["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"]
    assert found["robot"]["robot_result"].startswith("NOT_VULNERABLE") and not found["tls_compression"]["supports_compression"]
    assert not found["session_renegotiation"]["is_vulnerable_to_client_renegotiation_dos"] and found["tls_fallback_scsv"]["supports_fallback_scsv"]
    assert "is compliant" in done.stdout or "COMPLIANT" in done.stdout.upper().replace("NOT COMPLIANT", ""), done.stdout[-2500:]


@pytest.mark.parametrize("old", ["tls1", "tls1_1"])
def test_old_versions_are_refused(client, team, old):
    host, port = DOORS[team.name]
    asked = f"openssl s_client -connect {host}:{port} -servername {host} -{old} -cipher ALL:@SECLEVEL=0 </dev/null"
    done = client.host.run("sh -c %s", asked)
    assert done.rc != 0 and "alert protocol version" in done.stderr, done.stderr
    assert client.host.run("sh -c %s", asked.replace(f"-{old} -cipher ALL:@SECLEVEL=0", "-tls1_2")).rc == 0


def test_who_does_not_know_the_name_gets_no_certificate(client, team):
    host, port = DOORS[team.name]
    for name in ("-noservername", "-servername other.internal"):
        done = client.host.run("sh -c %s", f"openssl s_client -connect {host}:{port} {name} </dev/null")
        assert done.rc != 0 and "BEGIN CERTIFICATE" not in done.stdout
