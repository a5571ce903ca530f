# SPDX-License-Identifier: GPL-3.0-or-later
"""The Admin UI behind the edge, as an administrator has it: in a real browser, from an address that is allowed, over TLS."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from operating import REPOSITORY, deploy, recap
from two_teams import CONTROL

NAME, PORT = "admin.team-b.internal", 8443
CONTAINER = "mcp-tenancy-team-b-gw1"


def network() -> tuple[str, str]:
    """Addresses of the host, and of this machine as the host sees it."""
    shown = subprocess.run(["docker", "inspect", CONTAINER], check=True, capture_output=True, text=True)
    (one,) = json.loads(shown.stdout)[0]["NetworkSettings"]["Networks"].values()
    return one["IPAddress"], one["Gateway"]


@pytest.fixture(scope="module")
def allowed() -> Iterator[str]:
    """This machine is an administrator's for once. Where the host is."""
    host, here = network()
    place = CONTROL / "team_b"
    edge = {"name": "gw1.team-b.internal", "port": PORT, "tls": {name: str(place / f"edge.{end}") for name, end in (("certificate", "pem"), ("key", "key"))}}
    edge["ui"] = {"name": NAME, "allow": [f"{here}/32"]}
    done = deploy("--limit", "team-b-gw1", "-e", json.dumps({"mcp_edge": edge}))
    assert recap(done, "team-b-gw1")["failed"] == 0, done.stdout[-3000:]
    yield host
    back = deploy("--limit", "team-b-gw1")
    assert recap(back, "team-b-gw1")["failed"] == 0, back.stdout[-3000:]


def public_key() -> str:
    certificate = x509.load_pem_x509_certificate((CONTROL / "team_b/edge.pem").read_bytes())
    raw = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(raw).digest()).decode()


def test_an_administrator_logs_in_and_sees_the_teams_servers(teams, allowed):
    python = subprocess.run([REPOSITORY / "tests/pictures/browser"], check=True, capture_output=True, text=True).stdout.strip()
    given = {"chromium": shutil.which("chromium"), "url": f"https://{NAME}:{PORT}", "address": allowed, "key": public_key(), "server": "team-b-dev"}
    given |= {"admin": "mcp-admin@team-b.example", "password": teams["team_b"].env()["PLATFORM_ADMIN_PASSWORD"]}
    command = [python, "-m", "tests.pictures.at_an_edge"]
    done = subprocess.run(command, input=json.dumps(given), cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert "/login" in seen["wrong password"] and "/login" in seen["stranger"] and "/login" not in seen["right password"], seen
    assert all(place.startswith(given["url"]) for place in (seen["wrong password"], seen["stranger"], seen["right password"])), "never away from the edge"
    assert seen["cookies"] and all(one["httpOnly"] and one["secure"] and one["sameSite"] in ("Lax", "Strict") for one in seen["cookies"]), seen
    assert seen["blocked"] == [], "its pages work under the edge's headers"
    assert given["password"] not in done.stdout + done.stderr
