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


def test_certificates_change_while_clients_call_and_no_call_fails(client, teams):
    """team_a's own CA makes a new one by itself, for they live two minutes; team_b is given another by a deploy, and is then reloaded ten times more.

    No process ends, and what clients trust stays what it is.
    """
    own, given = teams["team_a"], teams["team_b"]
    processes, before = [_pid(own), _pid(given)], {name: client.serial(name) for name in teams}
    root = own.host.file(f"{own.root}/work/edge/pki/authorities/local/root.crt").content_string
    of_own = [("team-a-dev-alice", "team-a-dev-postgres-query"), ("team-a-prod", "team-a-prod-mongodb-aggregate", "team_a")]
    of_given = [("team-b-dev", "team-b-dev-postgres-query"), ("team-b-prod", "team-b-prod-postgres-query")]
    with load(client, "team_a", of_own, callers=4, pause=0.1) as calls_of_own, load(client, "team_b", of_given, callers=4, pause=0.5) as calls_of_given:
        new_certificate()
        done = deploy("--limit", "team-b-gw1")
        counts = recap(done, "team-b-gw1")
        assert counts["failed"] == 0 and counts["changed"] == 2, done.stdout[-3000:]  # the file; the unit that is reloaded
        assert client.serial("team_b") != before["team_b"]
        for _ in range(10):  # what the deploy does, in a row
            given.host.check_output("systemctl reload %s", given.unit("edge"))
            time.sleep(0.5)
        until(lambda: client.serial("team_a") != before["team_a"], 150, "a new certificate is shown")
    assert not calls_of_own.errors and calls_of_own.right > 200, (calls_of_own.right, calls_of_own.errors[:5])
    assert not calls_of_given.errors and calls_of_given.right > 50, (calls_of_given.right, calls_of_given.errors[:5])
    assert [_pid(own), _pid(given)] == processes
    assert own.host.file(f"{own.root}/work/edge/pki/authorities/local/root.crt").content_string == root
    assert recap(deploy("--limit", "team-b-gw1"), "team-b-gw1")["changed"] == 0


def test_a_certificate_that_does_not_fit_is_refused_before_anything_is_touched(teams):
    team, place = teams["team_b"], CONTROL / "team_b"
    label = team.host.file(f"{team.run}/.revisions/edge").content_string
    kept = {name: (place / name).read_bytes() for name in ("edge.pem", "edge.key")}
    try:
        new_certificate(names=["gw2.team-b.internal"])
        done = deploy("--limit", "team-b-gw1")
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode and "mcp_edge.tls.certificate (" in said and "main.yml:11): is not for gw1.team-b.internal. Next: " in said, said
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
