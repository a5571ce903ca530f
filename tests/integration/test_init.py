# SPDX-License-Identifier: GPL-3.0-or-later
"""init.yml: a new team out of a file of answers, on the control node alone."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
PASSWORD = "hunter2-canary"
BIN = REPOSITORY / ".venv/bin"


@pytest.fixture
def answers(tmp_path) -> dict:
    (tmp_path / "ca.pem").write_text("a PEM file\n")
    return {
        "init_team": "team_c",
        "init_hosts": ["gw1.team-c.internal"],
        "init_ca": str(tmp_path / "ca.pem"),
        "init_inventories": str(tmp_path / "inventories"),
        "init_key_file": str(tmp_path / "keys/team_c.key"),
        "init_environments": [{"name": "dev", "postgres": f"postgresql://reader:{PASSWORD}@db.internal/c_dev", "members": ["dora@team-c.example"]}],
    }


def run(*command: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run(list(map(str, command)), cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL)


def init(tmp_path, answers: dict, *more: str) -> subprocess.CompletedProcess:
    (tmp_path / "answers.yml").write_text(yaml.safe_dump(answers))
    return run(BIN / "ansible-playbook", "init.yml", "-e", f"@{tmp_path}/answers.yml", *more)


def test_a_new_team_has_an_inventory_that_deploy_accepts(tmp_path, answers) -> None:
    done = init(tmp_path, answers, "-vvvv", "--diff")
    assert done.returncode == 0 and PASSWORD not in done.stdout, done.stdout
    folder, key = tmp_path / "inventories/team_c", tmp_path / "keys/team_c.key"
    for path in (folder / ".env", key):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert (folder / ".env").read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;team_c\n")
    assert PASSWORD in run(BIN / "ansible-vault", "view", "--vault-id", f"team_c@{key}", folder / ".env").stdout
    assert not any(PASSWORD in path.read_text() for path in folder.rglob("*") if path.is_file())
    # the first play is the check of everything; the second one would look for the host
    checked = run(BIN / "ansible-playbook", "deploy.yml", "-i", folder, "--check")
    assert "the declaration of team_c is in order" in checked.stdout or "ok: [gw1.team-c.internal]" in checked.stdout, checked.stdout


def test_mistakes_are_told_at_once_and_nothing_is_written(tmp_path, answers) -> None:
    answers |= {"init_team": "Team C", "init_ca": "/nowhere", "init_environments": [{"name": "dev", "postgres": f"mysql://u:{PASSWORD}@h/d"}]}
    done = init(tmp_path, answers)
    assert done.returncode != 0 and PASSWORD not in done.stdout
    for place in ("mcp_team", "init_ca", "init_environments[0].postgres"):
        assert f"- {place}" in done.stdout, done.stdout
    assert not (tmp_path / "inventories").exists() and not (tmp_path / "keys").exists()


def test_a_team_that_is_there_is_not_overwritten(tmp_path, answers) -> None:
    assert init(tmp_path, answers).returncode == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = init(tmp_path, answers)
    assert done.returncode != 0 and "is there already" in done.stdout
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
