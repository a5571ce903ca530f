# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates change while clients call: an own CA by itself, a given one by a deploy. No call fails."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from operating import deploy, load, recap, until
from two_teams import CONTROL

REPOSITORY = Path(__file__).resolve().parents[3]


def test_an_own_ca_renews_by_itself_while_clients_call(client, teams):
    """Certificates live two minutes, so new ones come every now and then; process and root stay what they are."""
    team = teams["team_a"]
    process, root = _pid(team), team.host.file(f"{team.root}/work/edge/pki/authorities/local/root.crt").content_string
    serials = {client.serial("team_a")}
    targets = [("team-a-dev-alice", "team-a-dev-postgres-query"), ("team-a-prod", "team-a-prod-mongodb-aggregate", "team_a")]
    with load(client, "team_a", targets, callers=4, pause=0.05) as told:
        until(lambda: serials.add(client.serial("team_a")) or len(serials) >= 3, 150, "two more certificates are shown")
    assert not told.errors and told.right > 200, (told.right, told.errors[:5])
    assert _pid(team) == process and team.host.file(f"{team.root}/work/edge/pki/authorities/local/root.crt").content_string == root


def test_a_given_certificate_is_exchanged_by_a_deploy_while_clients_call(client, teams):
    """Three times; the edge is reloaded, never restarted."""
    team = teams["team_b"]
    process, before = _pid(team), client.serial("team_b")
    with load(client, "team_b", [("team-b-dev", "team-b-dev-postgres-query"), ("team-b-prod", "team-b-prod-postgres-query")], callers=4, pause=0.5) as told:
        new_certificate()
        done = deploy("--limit", "team-b-gw1")
        counts = recap(done, "team-b-gw1")
        assert counts["failed"] == 0 and counts["changed"] == 2, done.stdout[-3000:]  # the file; the unit that is reloaded
        shown = client.serial("team_b")
        for _ in range(10):  # what the deploy does, in a row
            team.host.check_output("systemctl reload %s", team.unit("edge"))
            time.sleep(0.5)
    assert shown != before and not told.errors and told.right > 50, (told.right, told.errors[:5])
    assert _pid(team) == process
    assert recap(deploy("--limit", "team-b-gw1"), "team-b-gw1")["changed"] == 0


def test_a_certificate_that_does_not_fit_is_refused_before_anything_is_touched(teams):
    team, place = teams["team_b"], CONTROL / "team_b"
    label = team.host.file(f"{team.run}/.revisions/edge").content_string
    kept = {name: (place / name).read_bytes() for name in ("edge.pem", "edge.key")}
    try:
        new_certificate(names=["gw2.team-b.internal"])
        done = deploy("--limit", "team-b-gw1")
        assert done.returncode and "mcp_edge.tls.certificate: is not for gw1.team-b.internal" in done.stdout + done.stderr
    finally:
        for name, content in kept.items():
            (place / name).write_bytes(content)
    assert team.host.file(f"{team.run}/.revisions/edge").content_string == label


def new_certificate(names: list[str] | None = None) -> None:
    """What the team's operator gets from its CA."""
    place = CONTROL / "team_b"
    given = {"team": "team_b", "key_file": str(place / "vault.key"), "certificate": str(place / "edge.pem"), "key": str(place / "edge.key")}
    given["names"] = names or ["gw1.team-b.internal", "admin.team-b.internal"]
    script = REPOSITORY / "molecule/default/files/given-certificate"
    environment = {"PYTHONPATH": str(REPOSITORY / ".collections"), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, script], input=json.dumps(given), text=True, check=True, env=environment)


def _pid(team) -> str:
    return team.host.check_output("systemctl show --property MainPID --value %s", team.unit("edge"))
