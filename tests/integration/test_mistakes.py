# SPDX-License-Identifier: GPL-3.0-or-later
"""Broken inventories and env files: an exit that is not 0, a message with the place and the next step, no trace."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_env import TeamEnv

REPOSITORY = Path(__file__).resolve().parents[2]
DATABASE = {"host": "db.internal", "database": "shop", "ca": "ca.pem"}


class Inventory:
    """A whole inventory in a folder of its own, good until a test breaks it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables = {
            "mcp_team": "broken",
            "mcp_runtime": "supervisor",
            "mcp_root": str(folder / "root"),
            "mcp_runtime_directory": str(folder / "run"),
            "mcp_vault_key_file": "team.key",
            "mcp_environments": [{"name": "dev", "postgres": dict(DATABASE)}],
        }
        (folder / "ca.pem").write_text("a PEM file\n")
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"gw1": {"ansible_connection": "local"}}}}))
        self.env = TeamEnv("broken", str(folder / ".env"), str(folder / "team.key"))
        self.env.create_key()
        self.env.write({"POSTGRES_DEV_CONNECTION_STRING": _connection_string.render("postgres", "u", "hunter2-canary", "db.internal", 5432, "shop")})

    @property
    def dev(self) -> dict:
        return self.variables["mcp_environments"][0]

    def raw(self, text: str) -> None:
        """The .env with this content, encrypted."""
        self.env.path.write_bytes(_team_env.encrypt(text.encode(), self.env.key(), "broken"))

    def deploy(self) -> subprocess.CompletedProcess:
        (self.folder / "group_vars").mkdir(exist_ok=True)
        (self.folder / "group_vars/all.yml").write_text(yaml.safe_dump(self.variables))
        command = [REPOSITORY / ".venv/bin/ansible-playbook", "deploy.yml", "-i", self.folder]
        return subprocess.run(command, cwd=REPOSITORY, env={**os.environ}, capture_output=True, text=True, check=False, timeout=120)

    def files(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.folder.rglob("*") if path.is_file() and "group_vars" not in str(path)}


BROKEN = {
    "mistyped variable": (lambda i: i.variables.update(mcp_gatway_port=1), "mcp_gatway_port", "did you mean mcp_gateway_port"),
    "no environment": (lambda i: i.variables.update(mcp_environments=[]), "mcp_environments", "at least one environment"),
    "not a port": (lambda i: i.dev["postgres"].update(port="54x"), "mcp_environments[0].postgres.port", "is not a port"),
    "weak TLS": (lambda i: i.dev["postgres"].update(sslmode="prefer"), "mcp_environments[0].postgres.sslmode", "verify-full"),
    "no such CA": (lambda i: i.dev["postgres"].update(ca="nowhere.pem"), "mcp_environments[0].postgres.ca", "nowhere.pem"),
    "password in plain sight": (lambda i: i.dev["postgres"].update(password="hunter2-canary"), "mcp_environments[0].postgres.password", "encrypted .env"),
    "two environments, one database": (
        lambda i: i.variables["mcp_environments"].append({"name": "prod", "postgres": dict(DATABASE)}),
        "postgres-prod",
        "same database as postgres-dev",
    ),
    "no .env": (lambda i: i.env.path.unlink(), ".env", "ansible-vault create"),
    "clear .env": (lambda i: i.env.path.write_text("POSTGRES_DEV_CONNECTION_STRING=hunter2-canary\n"), ".env", "is not encrypted"),
    "no key": (lambda i: i.env.key_file.unlink(), "team.key", "vault key cannot be read"),
    "another team's key": (lambda i: i.env.key_file.write_text("0" * 64), ".env", "cannot be decrypted"),
    "unclosed quote": (lambda i: i.raw("A=1\nPOSTGRES_DEV_CONNECTION_STRING='hunter2-canary\n"), ".env:2", "unclosed quote"),
    "missing login": (lambda i: i.raw("# nothing\n"), "POSTGRES_DEV_ADMIN_CONNECTION_STRING", "declare credential: unmanaged"),
    "login of another host": (
        lambda i: i.raw("POSTGRES_DEV_CONNECTION_STRING='postgresql://u:hunter2-canary@other:5432/shop'\n"),
        "POSTGRES_DEV_CONNECTION_STRING",
        "the inventory says db.internal",
    ),
    "unencoded password": (
        lambda i: i.raw("POSTGRES_DEV_CONNECTION_STRING='postgresql://u:hunter2@canary@db.internal/shop'\n"),
        "POSTGRES_DEV_CONNECTION_STRING",
        "percent-encoded",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_inventory_is_refused_before_anything_is_touched(tmp_path, name) -> None:
    spoil, place, says = BROKEN[name]
    inventory = Inventory(tmp_path)
    spoil(inventory)
    before = inventory.files()
    done = inventory.deploy()
    output = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert "gw1: " in output and place in output and says in output and "Next: " in output, output[-3000:]
    assert "hunter2" not in output
    assert set(re.findall(r"^(\S+) +: ok=", done.stdout, re.MULTILINE)) == {"gw1"}, "what lies beside the inventory is no host"
    assert inventory.files() == before, "no trace"
    assert not (tmp_path / "root").exists() and not (tmp_path / "run").exists()


def test_all_mistakes_are_told_at_once(tmp_path) -> None:
    inventory = Inventory(tmp_path)
    inventory.dev["postgres"].update(port=0, access="everything")
    inventory.variables["mcp_team"] = "No Team"
    output = inventory.deploy().stdout
    assert "3 mistake(s)" in output


def test_a_version_of_the_gateway_with_a_known_hole_is_refused(demo) -> None:
    done = demo.deploy("-e", "mcp_gateway_version=1.0.11")
    assert done.returncode != 0 and "1.0.11 is not a version" in " ".join(done.stdout.split())


@pytest.mark.parametrize(("inventory", "says"), [("inventories/team_z", "team_z"), ("empty", "has no host. Next: ")])
def test_an_inventory_that_is_not_there_or_empty_is_an_error(tmp_path, inventory, says) -> None:
    """Ansible alone would warn and end with 0."""
    if inventory == "empty":
        (tmp_path / "hosts.yml").write_text("all: {hosts: {}}\n")
        inventory = str(tmp_path)
    command = [REPOSITORY / ".venv/bin/ansible-playbook", "deploy.yml", "-i", inventory]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode != 0 and says in " ".join((done.stdout + done.stderr).split())
