# SPDX-License-Identifier: GPL-3.0-or-later
"""S1: planted and generated secrets are looked for everywhere that they must not be."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string, _declaration
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_env import TeamEnv

#: Exempt by name (design, S1): each 0600.
DATABASE = {f"team/state/mcp.db{end}" for end in ("", "-wal", "-shm")}
EXEMPT = {"control/vault.key", "team/etc/vault.key", "client.json", "client-alice.json", "client-bob.json", *DATABASE}


@pytest.fixture(scope="module")
def secrets(demo) -> dict[str, set[bytes]]:
    """Name → the forms in which the secret could stand: as it is, percent-encoded, base64, quoted for a shell or JSON."""
    env = TeamEnv("demo", str(demo.home / "control/.env"), str(demo.home / "control/vault.key"))
    found = {"team key": {env.key()}}
    for name, value in env.read().items():
        if not name.endswith("_CONNECTION_STRING"):
            found[name] = {value.encode()}
            continue
        service = "-".join(name.lower().split("_")[:2])
        found[f"bearer of {service}"] = {_declaration.bridge_token(env.read()["MCP_BRIDGE_TOKEN"], service).encode()}
        password = _connection_string.parse(value, name.partition("_")[0].lower()).password
        # The odd characters at the end are alike everywhere; what is drawn stands before them.
        drawn = password[:24]
        found[name] = {drawn.encode(), quote(drawn, safe="").encode(), base64.b64encode(drawn.encode())[:30]}
    for name, entry in demo.credentials.items():
        for slot in entry["slots"].values():
            found[f"{slot['login']} of {name}"] = {slot["password"].encode(), quote(slot["password"], safe="").encode()}
    for name, entry in demo.clients.items():
        found[f"token of {name}"] = {entry["headers"]["Authorization"].removeprefix("Bearer ").encode()}
    return found


def hits(text: bytes, secrets: dict[str, set[bytes]]) -> list[str]:
    return [name for name, forms in secrets.items() if any(form in text for form in forms)]


def test_s1_no_secret_lies_in_a_file(demo, secrets) -> None:
    found = []
    for path in demo.home.rglob("*"):
        relative = str(path.relative_to(demo.home))
        if relative in EXEMPT or relative.startswith(("venv/", "team/lib/")) or not path.is_file() or path.is_symlink():
            continue
        if names := hits(path.read_bytes(), secrets):
            found.append((relative, names))
    assert found == []


def test_s1_no_secret_lies_in_the_shared_temporary_folders(demo, secrets) -> None:
    """Ansible's own temporary files included; env.json on tmpfs is the one place, and it is 0400."""
    for folder in (Path("/tmp"), Path("/var/tmp"), Path.home() / ".ansible"):
        done = subprocess.run(
            ["find", str(folder), "-xdev", "-type", "f", "-newer", str(demo.home / "state.json"), "-size", "-2M"], capture_output=True, text=True, check=False
        )
        for name in done.stdout.splitlines():
            if os.access(name, os.R_OK):
                assert hits(Path(name).read_bytes(), secrets) == [], name
    for path in Path(demo.state["runtime_directory"]).rglob("env.json"):
        assert path.stat().st_mode & 0o777 == 0o400


def test_s1_no_secret_stands_in_an_argv(demo, secrets) -> None:
    processes = demo.processes()
    assert len(processes) > 10
    assert [(pid, names) for pid, argv in processes.items() if (names := hits("\0".join(argv).encode(), secrets))] == []


def test_s1_no_secret_in_ansibles_output_at_vvvv_with_diff(demo, secrets) -> None:
    done = demo.deploy("-vvvv", "--diff")
    assert done.returncode == 0, done.stdout[-3000:]
    assert hits(done.stdout.encode(), secrets) == []


def test_s1_no_secret_in_the_output_of_a_failing_deploy(demo, secrets) -> None:
    """The registry is asked at a port where nobody listens, at -vvvv."""
    (demo.home / "team/etc/.env").unlink()  # so that writing it is shown too
    done = demo.deploy(
        "-vvvv", "--diff", "-e", "mcp_public_url=http://127.0.0.1:1", "-e", "{mcp_gateway_settings: {JQ_FILTER_WORKERS: nonsense}, registry_wait: 5}"
    )
    assert done.returncode != 0
    assert hits(done.stdout.encode(), secrets) == []
    healed = demo.deploy()
    assert healed.returncode == 0, healed.stdout[-3000:]


def test_s1_no_secret_in_the_output_of_a_rotation_that_fails(demo, secrets) -> None:
    """At -vvvv, with an admin's login that one database refuses; the staged passwords of that run are looked for as well."""
    seen: list[dict[str, set[bytes]]] = []
    name = "POSTGRES_DEV_ADMIN_CONNECTION_STRING"
    with demo.operator_env(**{name: f"postgresql://credential_admin_dev:wrong-canary-4711@localhost:{demo.state['ports']['postgres']}/shop_dev"}):
        done = demo.playbook("rotate.yml", "-vvvv", "--diff", "-e", "mcp_rotate=postgres-dev,mongodb-dev")
    assert done.returncode != 0
    for entry in demo.credentials.values():
        seen += [{slot["login"]: {slot["password"].encode()}} for slot in entry["slots"].values()]
    for known in (secrets, {"admin": {b"wrong-canary-4711"}}, *seen):
        assert hits(done.stdout.encode(), known) == []
    log = b"".join(path.read_bytes() for path in (demo.home / "databases/log").iterdir())
    for known in (secrets, *seen):
        assert hits(log, known) == [], "and the server's log has none"


def test_the_searching_itself_finds_what_is_planted(secrets) -> None:
    """A test that cannot fail proves nothing."""
    name, forms = next(iter(secrets.items()))
    assert hits(b"some line with " + next(iter(forms)) + b" in it", secrets) == [name]
