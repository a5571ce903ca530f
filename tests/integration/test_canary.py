# SPDX-License-Identifier: GPL-3.0-or-later
"""S1: planted and generated secrets are looked for everywhere that they must not be."""

from __future__ import annotations

import json
import secrets as draw
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_env import new_key
from tests.canary import forms, search, team_secrets
from tests.integration import test_import
from tests.integration.conftest import REPOSITORY

#: Exempt by name (design, S1): each private.
DATABASE = {f"team/state/mcp.db{end}" for end in ("", "-wal", "-shm")}
KEYS = {"control/vault.key", "team/etc/vault.key"}
CLIENTS = {"client.json", "client-alice.json", "client-bob.json"}
INSTALLED = {"venv": "installed from a lock file", "team/lib": "installed from lock files"}


@pytest.fixture(scope="module")
def secrets(demo) -> dict[str, str]:
    """Name → value: all that the operator's file and the credentials' document have, what is derived from them, and the clients' tokens."""
    held = json.loads((demo.home / "team/etc/credentials.json").read_text())
    manifest = json.loads((demo.home / "team/etc/services.json").read_text())
    found = team_secrets.of(demo.env, [held], [name for name in manifest["services"] if name != "gateway"], ["demo"])
    for name in CLIENTS:
        if (demo.home / name).exists():
            found |= {f"{secret}, {name}": token for secret, token in team_secrets.in_clients((demo.home / name).read_text()).items()}
    return found


def searched(secrets: dict[str, str], **order: object) -> list:
    """Where they are; everything that was to be looked at was."""
    told = search.machine({"secrets": secrets, "others": True, **order})
    assert told["unseen"] == [] and (told["looked"].keys() - {"secrets"} or told["exempt"]), told
    return told["hits"]


def said(text: str, secrets: dict[str, str]) -> list:
    return forms.Wanted(secrets).found(text.encode())


def exempt(demo) -> list[dict]:
    """Of the demo, with what may be in them."""
    own = [
        *({"path": name, "reason": "the gateway's database"} for name in DATABASE),
        *({"path": name, "reason": "a vault key", "only": ["vault key of *"]} for name in KEYS),
        *({"path": name, "reason": "client configuration", "only": ["token of *"]} for name in CLIENTS),
    ]
    return [{**one, "path": f"{demo.home}/{one['path']}"} for one in own]


def test_s1_no_secret_lies_in_a_file(demo, secrets) -> None:
    skip = {f"{demo.home}/{name}": reason for name, reason in INSTALLED.items()}
    assert searched(secrets, folders=[{"path": str(demo.home)}], skip=skip, exempt=exempt(demo)) == []


def test_s1_no_secret_lies_in_the_shared_temporary_folders(demo, secrets) -> None:
    """Ansible's own temporary files included; env.json on tmpfs is the one place, and it is 0400."""
    since = (demo.home / "state.json").stat().st_mtime
    folders = [{"path": str(path), "since": since} for path in (Path("/tmp"), Path("/var/tmp"), Path.home() / ".ansible")]
    assert searched(secrets, folders=folders) == []
    for path in Path(demo.state["runtime_directory"]).rglob("env.json"):
        assert path.stat().st_mode & 0o777 == 0o400
    own = [{"path": f"{demo.state['runtime_directory']}/team/*/env.json", "reason": "one service's own secrets", "memory": True}]
    assert searched(secrets, folders=[{"path": demo.state["runtime_directory"]}], exempt=own) == []


def test_s1_no_secret_stands_in_an_argv_or_in_the_environment_of_what_is_no_service(demo, secrets) -> None:
    assert len(demo.processes()) > 10
    assert searched(secrets, processes=True, work=f"{demo.home}/team/work") == []


def test_s1_no_secret_in_ansibles_output_at_vvvv_with_diff(demo, secrets) -> None:
    done = demo.deploy("-vvvv", "--diff")
    assert done.returncode == 0, done.stdout[-3000:]
    assert said(done.stdout, secrets) == []


def test_s1_no_secret_in_the_output_of_a_failing_deploy(demo, secrets) -> None:
    """The registry is asked at a port where nobody listens, at -vvvv."""
    (demo.home / "team/etc/.env").unlink()  # so that writing it is shown too
    done = demo.deploy(
        "-vvvv", "--diff", "-e", "mcp_public_url=http://127.0.0.1:1", "-e", "{mcp_gateway_settings: {JQ_FILTER_WORKERS: nonsense}, registry_wait: 5}"
    )
    assert done.returncode != 0
    assert said(done.stdout, secrets) == []
    healed = demo.deploy()
    assert healed.returncode == 0, healed.stdout[-3000:]


def test_s1_no_secret_in_the_output_of_status(demo, secrets, tmp_path) -> None:
    """At -vvvv: as it is, with a key that opens nothing, and with a manifest that is none."""
    done = demo.playbook("status.yml", "-vvvv", "--diff")
    assert "postgres-dev" in done.stdout and said(done.stdout, secrets) == []
    key = tmp_path / "vault.key"
    key.touch(mode=0o600)
    key.write_bytes(new_key())
    for wrong in (f"mcp_vault_key_file={key}", f"mcp_root={tmp_path}"):
        failed = demo.playbook("status.yml", "-vvvv", "--diff", "-e", wrong)
        assert failed.returncode != 0 and said(failed.stdout, secrets) == [], wrong


def test_s1_no_secret_in_the_output_of_an_import_and_none_in_what_it_writes(demo, secrets, tmp_path) -> None:
    """Of the logins that the demo has now, odd characters and all, at -vvvv; and one that fails, as a connection string cannot be read."""
    slot = next(slot for slot in demo.credentials["postgres-dev"]["slots"].values() if slot["password"])
    text = _connection_string.render("postgres", slot["login"], slot["password"], "localhost", demo.state["ports"]["postgres"], "shop_dev", {})
    ca = demo.home / "databases/tls/ca.pem"
    test_import.guide(tmp_path / "from", {"postgres-dev": text}, ca)
    done = test_import.import_(tmp_path, tmp_path / "from", "-vvvv", "--diff", "-e", "import_consent=yes")
    assert done.returncode == 0 and said(done.stdout, secrets) == [], done.stdout[-3000:]
    told = search.machine({"secrets": secrets, "folders": [{"path": str(tmp_path / name)} for name in ("inventories", "keys", "from")]})
    assert {place for place, _name, _form in told["hits"]} == {str(tmp_path / "from/.env")}, "its source alone, which it left as it was"
    test_import.guide(tmp_path / "broken", {"postgres-dev": text.replace("@", "@@")}, ca)
    failed = test_import.import_(tmp_path / "other", tmp_path / "broken", "-vvvv", "--diff", "-e", "import_consent=yes")
    assert failed.returncode != 0 and said(failed.stdout, secrets) == []


def test_s1_no_secret_in_the_output_of_a_rotation_that_fails(demo, secrets) -> None:
    """At -vvvv, with an admin's login that one database refuses, and of the one that follows; the staged passwords of those runs are looked for as well."""
    name, wrong = "POSTGRES_DEV_ADMIN_CONNECTION_STRING", draw.token_hex(12)
    host = f"localhost:{demo.state['ports']['postgres']}"
    rotate = ("rotate.yml", "-vvvv", "--diff", "-e", "mcp_rotate=postgres-dev,mongodb-dev")
    with demo.operator_env(**{name: f"postgresql://credential_admin_dev:{wrong}@{host}/shop_dev"}):
        failed = demo.playbook(*rotate)
    known = {**secrets, "admin": wrong, **in_slots(demo)}
    assert failed.returncode != 0
    rotated = demo.playbook(*rotate)
    known |= in_slots(demo)
    assert rotated.returncode == 0, rotated.stdout[-3000:]
    assert said(failed.stdout + rotated.stdout, known) == []
    assert searched(known, folders=[{"path": str(demo.home / "databases/log")}, {"path": str(demo.home / "team/log")}]) == [], "and the servers' logs have none"


def in_slots(demo) -> dict[str, str]:
    """Logins of now; a name of its own for each, since another run sets others."""
    return {f"{login}, {slot['mark']}": slot["password"] for entry in demo.credentials.values() for login, slot in entry["slots"].items()}


def canary(demo, *arguments: str) -> subprocess.CompletedProcess:
    return demo.run(str(REPOSITORY / "scripts/canary"), "-i", "inventories/demo", *arguments)


def closed(text: str) -> list[str]:
    """The rows of what could not be looked at."""
    return text.partition("Could not be looked at:\n")[2].partition("\n\n")[0].splitlines()[1:]


def test_s1_the_command_finds_nothing_and_then_what_is_planted(demo, secrets) -> None:
    """What a platform engineer types, on a team where control node and host are one machine."""
    kept = [part for name in CLIENTS if (demo.home / name).exists() for part in ("--exempt", f"{demo.home}/{name}=client configuration")]
    kept += [part for name, reason in INSTALLED.items() for part in ("--skip", f"{demo.home}/{name}={reason}")]
    done = canary(demo, "-vvvv", *kept)
    # what other tests leave in /tmp may be closed to this one
    assert done.returncode == 0 or all(" /tmp/" in line for line in closed(done.stdout)), done.stdout[-6000:]
    assert "host demo" not in done.stdout and "\ndemo: looked at" in done.stdout and "control node: looked at" in done.stdout and "0 hits" in done.stdout
    assert said(done.stdout, secrets) == []
    name, value = next((name, value) for name, value in secrets.items() if name == "JWT_SECRET_KEY")
    with subprocess.Popen([sys.executable, "-c", "input()", value], stdin=subprocess.PIPE) as running:
        planted = demo.home / "team/log/planted.log"
        planted.write_text(f"a line\nkey={value}\n")
        try:
            done = canary(demo, *kept)
        finally:
            planted.unlink()
            running.communicate(b"\n")
    assert done.returncode == 1, done.stdout[-6000:]
    for place in (str(planted), f"argv of process {running.pid}"):
        assert any(place in line and name in line for line in done.stdout.splitlines()), done.stdout[-6000:]
    assert said(done.stdout, secrets) == []


def test_the_searching_itself_finds_what_is_planted(secrets) -> None:
    """A test that cannot fail proves nothing."""
    assert len(secrets) > 20
    for name, value in secrets.items():
        assert name in {found for found, _form in said(f"some line with {value} in it", secrets)}
