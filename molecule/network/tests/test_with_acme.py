# SPDX-License-Identifier: GPL-3.0-or-later
"""An edge whose certificate comes from an ACME server of a closed network: a real one, Caddy's own, on another host. It proves the name at the edge's port."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
from behind_edges import AUTHORITIES
from operating import deploy, recap, until
from two_teams import CONTROL, host_of

NAME, PORT = "db.team-a.internal", 9443
DIRECTORY = f"https://{NAME}:{PORT}/acme/local/directory"
CADDYFILE = f"""
{{
    admin off
    skip_install_trust
    storage file_system /opt/acme
    http_port 9080
    https_port {PORT}
}}
{NAME} {{
    tls internal
    acme_server
}}
"""
ISSUER = """
import socket, ssl, sys
trusting = ssl.create_default_context(cafile=sys.argv[2])
with socket.create_connection((sys.argv[1], 443), timeout=10) as plain, trusting.wrap_socket(plain, server_hostname=sys.argv[1]) as tls:
    print(dict(part[0] for part in tls.getpeercert()["issuer"])["commonName"])
"""


@pytest.fixture
def authority(teams, client) -> Iterator[str]:
    """The root certificate of an ACME server on the databases' host. The client trusts it as well from now on."""
    host = host_of("database")
    program = teams["team_a"].host.check_output("command -v caddy")
    copied = subprocess.run(["docker", "cp", f"mcp-tenancy-team-a-gw1:{program}", "-"], check=True, capture_output=True)
    subprocess.run(["docker", "cp", "-", "mcp-tenancy-database:/usr/local/bin/"], input=copied.stdout, check=True, capture_output=True)
    host.check_output("sh -c %s", f"mkdir -p /opt/acme && printf '%s' '{CADDYFILE}' >/opt/acme/Caddyfile")
    host.check_output("systemd-run --unit acme-server --setenv=HOME=/root /usr/local/bin/caddy run --config /opt/acme/Caddyfile --adapter caddyfile")
    root = host.file("/opt/acme/pki/authorities/local/root.crt")
    until(lambda: root.exists and host.socket(f"tcp://{PORT}").is_listening, 30, "the ACME server is there")
    client.place(AUTHORITIES, client.host.file(AUTHORITIES).content_string + "\n" + root.content_string)
    yield root.content_string
    host.run("systemctl stop acme-server")


def test_an_edge_gets_its_certificate_from_an_acme_server_and_clients_are_answered(teams, client, authority):
    team, ca = teams["team_a"], CONTROL / "team_a/acme-ca.pem"
    ca.write_text(authority)
    edge = {"name": "gw1.team-a.internal", "tls": "acme", "acme": {"directory": DIRECTORY, "email": "ops@team-a.example", "ca": str(ca)}}
    declared = ("--limit", "team-a-gw1", "-e", json.dumps({"mcp_edge": edge}))
    try:
        done = deploy(*declared)
        assert recap(done, "team-a-gw1")["failed"] == 0, done.stdout[-3000:]
        shown = ("%s -c %s %s %s", client.python, ISSUER, edge["name"], AUTHORITIES)
        assert "Caddy Local Authority" in client.host.check_output(*shown), "it hangs on the ACME server's CA"
        answer = client.ask("team_a", "team-a-dev-alice", "team-a-dev-postgres-query", sql="SELECT 1 AS one")
        assert not answer["error"], answer
        assert recap(deploy(*declared), "team-a-gw1")["changed"] == 0
        certificates = team.host.run("find %s -name '*.crt' -path '*acme*'", f"{team.root}/work/edge").stdout
        assert "gw1.team-a.internal" in certificates, "kept, so that a restart asks for no other one"
    finally:
        back = deploy("--limit", "team-a-gw1")
    assert recap(back, "team-a-gw1")["failed"] == 0, back.stdout[-3000:]
    assert "mcp.tenancy team_a" in client.host.check_output(*shown)
