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


class Declared:
    """What one host of a team is declared by, in files of its own; good until a test breaks it."""

    def __init__(self, folder: Path, host: str) -> None:
        self.folder, self.host = folder, host
        self.variables = {
            "ansible_connection": "local",
            "mcp_team": "broken",
            "mcp_runtime": "supervisor",
            "mcp_root": str(folder / host / "root"),
            "mcp_runtime_directory": str(folder / host / "run"),
            "mcp_env_file": f"{host}.env",
            "mcp_vault_key_file": f"{host}.key",
            "mcp_environments": [{"name": "dev", "postgres": dict(DATABASE), "members": ["alice@team.example"]}],
        }
        self.env = TeamEnv("broken", str(folder / f"{host}.env"), str(folder / f"{host}.key"))
        self.env.create_key()
        url = _connection_string.render("postgres", "u", "hunter2-canary", "db.internal", 5432, "shop")
        self.values = {"POSTGRES_DEV_CONNECTION_STRING": url, "POSTGRES_DEV_ADMIN_CONNECTION_STRING": url}
        self.env.write(self.values)

    @property
    def dev(self) -> dict:
        return self.variables["mcp_environments"][0]

    @property
    def postgres(self) -> dict:
        return self.dev["postgres"]

    def prod(self, **changes: object) -> None:
        """A second environment, good but for ``changes`` of its database."""
        database = {**DATABASE, "database": "shop_prod", "credential": "unmanaged", **changes}
        self.variables["mcp_environments"].append({"name": "prod", "postgres": database})
        self.secrets(POSTGRES_PROD_CONNECTION_STRING=self.values["POSTGRES_DEV_CONNECTION_STRING"].replace("/shop", f"/{database['database']}"))

    def secrets(self, **values: str | None) -> None:
        """The .env with these values changed; None takes one away."""
        self.values = {name: value for name, value in {**self.values, **values}.items() if value is not None}
        self.env.write(self.values)

    def raw(self, text: str) -> None:
        """The .env with this after its good lines, encrypted."""
        good = "".join(f"{name}='{value}'\n" for name, value in self.values.items())
        self.env.path.write_bytes(_team_env.encrypt((good + text).encode(), self.env.key(), "broken"))


class Inventory:
    """Hosts that are declared each for itself, as many teams in one inventory would be."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder = folder
        (folder / "ca.pem").write_text("a PEM file\n")
        (folder / "private.pem").write_text("a PEM file\n")
        self.hosts = [Declared(folder, f"h{index}") for index in range(number)]
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {one.host: {} for one in self.hosts}}}))

    def deploy(self) -> subprocess.CompletedProcess:
        (self.folder / "host_vars").mkdir(exist_ok=True)
        for one in self.hosts:
            (self.folder / f"host_vars/{one.host}.yml").write_text(yaml.safe_dump(one.variables, sort_keys=False))
        command = [REPOSITORY / ".venv/bin/ansible-playbook", "deploy.yml", "-i", self.folder]
        return subprocess.run(command, cwd=REPOSITORY, env={**os.environ}, capture_output=True, text=True, check=False, timeout=300)

    def files(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.folder.rglob("*") if path.is_file() and "host_vars" not in str(path)}


def told(done: subprocess.CompletedProcess) -> dict[str, list[str]]:
    """Host to the mistakes that it was told, in order."""
    found: dict[str, list[str]] = {}
    for host, mistake in re.findall(r"^ +- (h\d+): (.+)$", done.stdout, re.MULTILINE):
        if mistake not in found.setdefault(host, []):
            found[host].append(mistake)
    return found


#: name → how it is broken, the place that is told, what is said of it. Each is one mistake.
BROKEN = {
    "mistyped variable": (lambda d: d.variables.update(mcp_gatway_port=1), "mcp_gatway_port", "did you mean mcp_gateway_port"),
    "mistyped list": (lambda d: d.variables.update(mcp_environmets=d.variables.pop("mcp_environments")), "mcp_environmets", "did you mean mcp_environments"),
    "no environment": (lambda d: d.variables.update(mcp_environments=[]), "mcp_environments", "at least one environment"),
    "environments as a mapping": (lambda d: d.variables.update(mcp_environments={"dev": {}}), "mcp_environments", "at least one environment"),
    "an environment that is text": (lambda d: d.variables["mcp_environments"].append("prod"), "mcp_environments[1]", "must be a mapping"),
    "no name": (lambda d: d.dev.pop("name"), "mcp_environments[0].name", "lower-case letters"),
    "mistyped name": (lambda d: d.dev.update(nmae=d.dev.pop("name")), "mcp_environments[0].nmae", "did you mean name"),
    "name with a hyphen": (lambda d: d.dev.update(name="dev-1"), "mcp_environments[0].name", "lower-case letters"),
    "two of one name": (lambda d: d.variables["mcp_environments"].append({**d.dev, "postgres": d.postgres}), "mcp_environments[1].name", "also the name"),
    "mistyped engine": (lambda d: d.dev.update(postgress=d.dev.pop("postgres")), "mcp_environments[0].postgress", "did you mean postgres"),
    "no engine": (lambda d: d.dev.pop("postgres"), "mcp_environments[0]", "neither postgres nor mongodb"),
    "engine that is text": (lambda d: d.dev.update(postgres="db.internal"), "mcp_environments[0].postgres", "must be a mapping"),
    "no host": (lambda d: d.postgres.pop("host"), "mcp_environments[0].postgres.host", "host name or address"),
    "mistyped host": (lambda d: d.postgres.update(hots=d.postgres.pop("host")), "mcp_environments[0].postgres.hots", "did you mean host"),
    "two hosts": (lambda d: d.postgres.update(host="a.internal,b.internal"), "mcp_environments[0].postgres.host", "one host name"),
    "host as a URL": (lambda d: d.postgres.update(host="postgresql://db.internal"), "mcp_environments[0].postgres.host", "one host name"),
    "not a port": (lambda d: d.postgres.update(port="54x"), "mcp_environments[0].postgres.port", "is not a port"),
    "port 0": (lambda d: d.postgres.update(port=0), "mcp_environments[0].postgres.port", "is not a port"),
    "port out of range": (lambda d: d.postgres.update(service_port=70000), "mcp_environments[0].postgres.service_port", "is not a port"),
    "port that is true": (lambda d: d.postgres.update(port=True), "mcp_environments[0].postgres.port", "is not a port"),
    "port of the gateway": (lambda d: d.postgres.update(service_port=4444), "postgres-dev", "as mcp_gateway_port does"),
    "no database": (lambda d: d.postgres.pop("database"), "mcp_environments[0].postgres.database", "one database"),
    "database with a slash": (lambda d: d.postgres.update(database="shop/app"), "mcp_environments[0].postgres.database", "one database"),
    "unknown access": (lambda d: d.postgres.update(access="everything"), "mcp_environments[0].postgres.access", "read_only or read_write"),
    "unknown credential": (lambda d: d.postgres.update(credential="mine"), "mcp_environments[0].postgres.credential", "neither managed nor unmanaged"),
    "schemas as text": (lambda d: d.postgres.update(schemas="public"), "mcp_environments[0].postgres.schemas", "list of schemas"),
    "owner with a blank": (lambda d: d.postgres.update(owner="the owner"), "mcp_environments[0].postgres.owner", "owner role"),
    "guard as text": (lambda d: d.postgres.update(guard="off"), "mcp_environments[0].postgres.guard", "true or false"),
    "unknown limit": (lambda d: d.postgres.update(limits={"max_row": 5}), "mcp_environments[0].postgres.limits.max_row", "did you mean max_rows"),
    "limit below its bound": (lambda d: d.postgres.update(limits={"call_seconds": 0}), "mcp_environments[0].postgres.limits.call_seconds", "number from 1"),
    "weak TLS": (lambda d: d.postgres.update(sslmode="prefer"), "mcp_environments[0].postgres.sslmode", "verify-full"),
    "no CA": (lambda d: d.postgres.pop("ca"), "mcp_environments[0].postgres.ca", "verified TLS"),
    "no such CA": (lambda d: d.postgres.update(ca="nowhere.pem"), "mcp_environments[0].postgres.ca", "nowhere.pem"),
    "password in plain sight": (lambda d: d.postgres.update(password="hunter2-canary"), "mcp_environments[0].postgres.password", "encrypted .env"),
    "user in plain sight": (lambda d: d.postgres.update(user="app"), "mcp_environments[0].postgres.user", "encrypted .env"),
    "login in a variable of one's own": (
        lambda d: d.variables.update(our_notes={"urls": ["see postgresql://app:hunter2-canary@db.internal/shop"]}),
        "our_notes.urls[0]",
        "a database login in clear",
    ),
    "key in a variable": (lambda d: d.variables.update(our_key="-----BEGIN EC PRIVATE KEY-----\nhunter2-canary\n"), "our_key", "a private key in clear"),
    "two environments, one database": (lambda d: d.prod(database="shop"), "postgres-prod", "same database as postgres-dev"),
    "prod's host in dev": (
        lambda d: (d.postgres.update(host="db.prod.internal", credential="unmanaged"), d.secrets(**of_host("db.prod.internal"))),
        "mcp_environments[0].postgres.host",
        "host_of: prod",
    ),
    "dev's host in prod": (
        lambda d: (d.prod(host="db-dev.internal"), d.secrets(**of_host("db-dev.internal", "PROD", "shop_prod"))),
        "mcp_environments[1].postgres.host",
        "host_of: dev",
    ),
    "host that is not there": (lambda d: d.dev.update(hosts=["h1000", d.host]), "mcp_environments[0].hosts", "is no host of the inventory"),
    "host pattern": (lambda d: d.dev.update(hosts=["h*", d.host]), "mcp_environments[0].hosts", "is a pattern"),
    "hosts as text": (lambda d: d.dev.update(hosts="h1"), "mcp_environments[0].hosts", "host names"),
    "member without address": (lambda d: d.dev.update(members=["alice"]), "mcp_environments[0].members[0]", "e-mail address"),
    "member twice": (lambda d: d.dev.update(members=["a@b.example", "A@b.example"]), "mcp_environments[0].members", "twice"),
    "unknown role": (lambda d: d.dev.update(members=[{"email": "a@b.example", "role": "root"}]), "mcp_environments[0].members[0].role", "is not a role"),
    "administrator as a member": (lambda d: d.dev.update(members=["mcp-admin@broken.example"]), "mcp_environments[0].members", "administrator"),
    "team with a blank": (lambda d: d.variables.update(mcp_team="No Team"), "mcp_team", "lower-case letters"),
    "unknown runtime": (lambda d: d.variables.update(mcp_runtime="kubernetes"), "mcp_runtime", "not available"),
    "unknown wrapper": (lambda d: d.variables.update(mcp_wrapper="magic"), "mcp_wrapper", "not available"),
    "root with dots": (lambda d: d.variables.update(mcp_root="/srv/../etc"), "mcp_root", "whole path"),
    "rotation too often": (lambda d: d.variables.update(mcp_rotation={"every": "1m"}), "mcp_rotation.every", "too short"),
    "setting of ours": (lambda d: d.variables.update(mcp_gateway_settings={"AUTH_REQUIRED": False}), "mcp_gateway_settings.AUTH_REQUIRED", "itself"),
    "secret among settings": (lambda d: d.variables.update(mcp_gateway_settings={"JWT_SECRET_KEY": "x"}), "mcp_gateway_settings.JWT_SECRET_KEY", "secret"),
    "log of secrets": (lambda d: d.variables.update(mcp_gateway_settings={"LOG_LEVEL": "DEBUG"}), "mcp_gateway_settings.LOG_LEVEL", "log secrets"),
    "no .env": (lambda d: d.env.path.unlink(), ".env", "ansible-vault create"),
    "clear .env": (lambda d: d.env.path.write_text("POSTGRES_DEV_CONNECTION_STRING=hunter2-canary\n"), ".env", "is not encrypted"),
    "no key": (lambda d: d.env.key_file.unlink(), ".key", "vault key cannot be read"),
    "key that all may read": (lambda d: d.env.key_file.chmod(0o644), ".key", "others than its owner"),
    "another team's key": (lambda d: d.env.key_file.write_text("0" * 64), ".env", "cannot be decrypted"),
    "unclosed quote": (lambda d: d.raw("MCP_BRIDGE_TOKEN='hunter2-canary\n"), ".env:3", "unclosed quote"),
    "set twice": (lambda d: d.raw("POSTGRES_DEV_CONNECTION_STRING=hunter2\n"), ".env:3", "a second time"),
    "line that is none": (lambda d: d.raw("# a comment\nhunter2 canary\n"), ".env:4", "cannot be read as NAME=value"),
    "missing admin": (lambda d: d.secrets(POSTGRES_DEV_ADMIN_CONNECTION_STRING=None), "POSTGRES_DEV_ADMIN_CONNECTION_STRING", "credential: unmanaged"),
    "unmanaged without a login": (
        lambda d: (d.postgres.update(credential="unmanaged"), d.secrets(POSTGRES_DEV_CONNECTION_STRING=None)),
        "POSTGRES_DEV_CONNECTION_STRING",
        "is missing",
    ),
    "login of no environment": (lambda d: d.secrets(POSTGRES_PROD_CONNECTION_STRING="hunter2"), "POSTGRES_PROD_CONNECTION_STRING", "not a variable that"),
    "login of another host": (
        lambda d: d.secrets(POSTGRES_DEV_CONNECTION_STRING="postgresql://u:hunter2-canary@other:5432/shop"),
        "POSTGRES_DEV_CONNECTION_STRING",
        "the inventory says db.internal",
    ),
    "unencoded password": (
        lambda d: d.secrets(POSTGRES_DEV_CONNECTION_STRING="postgresql://u:hunter2@canary@db.internal/shop"),
        "POSTGRES_DEV_CONNECTION_STRING",
        "percent-encoded",
    ),
}  # fmt: skip
#: Several at once on one host.
MANY = [
    ("not a port", "unknown access", "team with a blank"),
    ("mistyped variable", "mistyped host", "missing admin"),
    ("weak TLS", "unclosed quote", "host pattern"),
    ("no such CA", "login of another host", "unknown role", "rotation too often"),
    ("mistyped engine", "an environment that is text", "root with dots"),
    ("two environments, one database", "clear .env", "member twice"),
    ("password in plain sight", "login in a variable of one's own", "key in a variable", "secret among settings"),
    ("dev's host in prod", "port of the gateway", "login of another host"),
    ("no name", "another team's key", "unknown wrapper"),
    ("no CA", "limit below its bound", "no key", "log of secrets", "administrator as a member", "unknown runtime"),
]


def of_host(host: str, environment: str = "DEV", database: str = "shop") -> dict[str, str]:
    """A login for an environment's database on that host."""
    return {f"POSTGRES_{environment}_CONNECTION_STRING": f"postgresql://u:hunter2-canary@{host}/{database}"} | (
        {"POSTGRES_DEV_ADMIN_CONNECTION_STRING": f"postgresql://u:hunter2-canary@{host}/{database}"} if environment == "DEV" else {}
    )


def assert_told(done: subprocess.CompletedProcess, declared: Declared, names: tuple[str, ...]) -> None:
    """Exactly these mistakes, each at its place, with its line where it is in a file of variables, and with the next step."""
    mistakes = told(done).get(declared.host, [])
    assert len(mistakes) == len(names), (declared.host, names, mistakes)
    for name in names:
        _, place, says = BROKEN[name]
        found = [one for one in mistakes if place in one.partition("): " if ".yml:" in one else ": ")[0] + one and says in one]
        assert len(found) == 1 and "Next: " in found[0], (names, place, says, mistakes)
        assert ".env" in place or ".key" in place or "CONNECTION_STRING" in place or "postgres-" in place or f"{declared.host}.yml:" in found[0], found


def test_each_mistake_is_named_and_none_is_made_up(tmp_path) -> None:
    """Each on a host of its own; on the last one there is none."""
    inventory = Inventory(tmp_path, len(BROKEN) + 1)
    for declared, name in zip(inventory.hosts, BROKEN, strict=False):
        BROKEN[name][0](declared)
    before = inventory.files()
    done = inventory.deploy()
    assert done.returncode != 0 and "hunter2" not in done.stdout + done.stderr
    for declared, name in zip(inventory.hosts, BROKEN, strict=False):
        assert_told(done, declared, (name,))
    good = inventory.hosts[-1].host
    assert good not in told(done) and len(told(done)) == len(BROKEN)
    hosts = {one.host for one in inventory.hosts}
    assert set(re.findall(r"^(\S+) +: ok=", done.stdout, re.MULTILINE)) == hosts, "what lies beside the inventory is no host"
    assert inventory.files() == before and not list(tmp_path.glob("*/root")) and not list(tmp_path.glob("*/run")), "no trace, on the good host neither"


def test_all_mistakes_of_a_host_are_told_at_once(tmp_path) -> None:
    inventory = Inventory(tmp_path, len(MANY))
    for declared, names in zip(inventory.hosts, MANY, strict=True):
        for name in names:
            BROKEN[name][0](declared)
    done = inventory.deploy()
    assert done.returncode != 0 and "hunter2" not in done.stdout + done.stderr
    for declared, names in zip(inventory.hosts, MANY, strict=True):
        assert_told(done, declared, names)


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
