# SPDX-License-Identifier: GPL-3.0-or-later
"""Another version of the gateway that harms its database and does not get up: what ran before runs again, with its data whole. Then one that does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from one_life import ENTRY, GW1, TARGETS, TOOL, changed, from_checkout, playbook_killed_at
from operating import REPOSITORY, deploy, load, recap

from ansible_collections.mcp.tenancy.plugins.module_utils import _lock_digest

#: What a migration that goes wrong does, and a version that then cannot start.
HARM = """
import os, sqlite3
with sqlite3.connect(os.environ["DATABASE_URL"].removeprefix("sqlite:///")) as _database:
    _database.execute("DELETE FROM email_api_tokens")
    _database.execute("ALTER TABLE servers RENAME TO servers_of_a_later_version")
raise SystemExit("this version does not get up")
"""
COUNTED = ("email_api_tokens", "servers", "gateways", "tools", "email_users", "email_teams", "server_tool_association")


def other_version(folder: Path, team, harm: str) -> Path:
    """A checkout with another lock, which the host has installed: the same packages, so that it need not wait. ``harm``: in front of the application."""
    other = folder / "checkout"
    shutil.copytree(REPOSITORY, other, ignore=shutil.ignore_patterns(".git", ".cache", ".venv", ".demo", ".collections"), symlinks=True)
    (other / ".collections/ansible_collections/mcp").mkdir(parents=True)
    (other / ".collections/ansible_collections/mcp/tenancy").symlink_to(other)
    lock = other / "roles/gateway/files/requirements.txt"
    lock.write_text(lock.read_text() + f"# another version, {len(harm)}\n")
    front = other / "roles/gateway/files/mcp_gateway_front.py"
    front.write_text(front.read_text().replace("from __future__ import annotations\n", "from __future__ import annotations\n" + harm, 1))
    here = running(team)
    maker = team.host.file(f"{here}/.complete").content_string.strip()
    there = f"{team.root}/lib/" + _lock_digest.folder({"name": "gateway", "lock": lock.read_text().strip("\n"), "sources": {}}, maker)
    # Scripts of a virtual environment name its Python; those of the copy would run from the one that is to go.
    own_python = f"find {there}/bin -type f -exec sed -i '1s|^#!{here}/|#!{there}/|' {{}} +"
    team.host.check_output("sh -c %s", f"test -e {there} || {{ cp -al {here} {there} && {own_python}; }}")
    return other


def running(team) -> str:
    """The installation that the gateway's process was started from."""
    return team.manifest["services"]["gateway"]["command"][0].removesuffix("/bin/mcpgateway")


def rows(team) -> dict[str, int]:
    questions = "; ".join(f"print(c.execute('SELECT count(*) FROM {table}').fetchone()[0])" for table in COUNTED)
    text = team.host.check_output("python3 -c %s", f"import sqlite3; c = sqlite3.connect('file:{team.root}/state/mcp.db?mode=ro', uri=True); {questions}")
    return dict(zip(COUNTED, map(int, text.split()), strict=True))


def deploy_from(checkout: Path) -> subprocess.CompletedProcess:
    argv, environment = from_checkout(checkout, "deploy.yml")
    return subprocess.run(argv, env=environment, cwd=checkout, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=900)


@pytest.fixture
def broken(tmp_path: Path, team) -> Path:
    return other_version(tmp_path, team, HARM)


def test_a_version_that_does_not_get_up_goes_back_under_load_and_the_data_is_whole(client, team, broken):
    assert changed(deploy()) >= 0
    before, installation, clients = rows(team), running(team), team.clients
    with load(client, "team_a", TARGETS, callers=2, pause=0.1) as told:
        done = deploy_from(broken)
    assert done.returncode != 0 and recap(done, GW1)["failed"] == 1, done.stdout[-4000:]
    said = done.stdout + done.stderr
    assert "did not take over" in said and "runs again, with the database as it was before. Next: " in " ".join(said.split()), said[-3000:]
    assert running(team) == installation and rows(team) == before and team.clients == clients
    assert told.right > 20 and not [error for error in told.errors if '"marker"' in error[1]], told.errors[:5]
    assert client.ask("team_a", ENTRY, TOOL, sql="SELECT 1 AS one")["text"], "the same token works"
    assert not team.host.file(f"{team.root}/before").exists
    assert team.host.check_output("systemctl --failed --plain --no-legend") == ""
    changed(deploy())  # takes away what did not get up
    assert changed(deploy()) == 0 and team.host.check_output("ls %s", f"{team.root}/lib").count("gateway-") == 1


def test_a_run_that_was_cut_off_keeps_the_database_of_before(client, team, broken):
    before, installation = rows(team), running(team)
    _killed(broken, "TASK [mcp.tenancy.runtime : Keep the services running under systemd")
    assert team.host.file(f"{team.root}/before/upgrade.json").exists
    done = deploy_from(broken)
    assert done.returncode != 0 and running(team) == installation and rows(team) == before, done.stdout[-3000:]
    _killed(broken, "TASK [mcp.tenancy.runtime : Keep the services running under systemd")
    changed(deploy())  # the operator goes back by hand
    assert running(team) == installation and rows(team) == before and not team.host.file(f"{team.root}/before").exists
    assert client.ask("team_a", ENTRY, TOOL, sql="SELECT 1 AS one")["text"]
    assert changed(deploy()) == 0


def _killed(checkout: Path, moment: str) -> None:
    playbook_killed_at(moment, "deploy.yml", checkout=checkout)


def test_one_that_gets_up_takes_over(client, team, tmp_path):
    installation, clients = running(team), team.clients
    other = other_version(tmp_path, team, "\n")
    assert changed(deploy_from(other)) > 0
    assert running(team) != installation and team.clients == clients
    assert team.host.file(f"{team.root}/state/before-upgrade.db").mode == 0o600 and not team.host.file(installation).exists
    assert client.ask("team_a", ENTRY, TOOL, sql="SELECT 1 AS one")["text"]
    assert changed(deploy_from(other)) == 0
