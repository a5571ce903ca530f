# SPDX-License-Identifier: GPL-3.0-or-later
"""rekey.yml on the demo, and what must hold of everything that is encrypted, while the team's key changes and after it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from ansible_collections.mcp.tenancy.plugins.plugin_utils import _rekey, _team_env
from tests.integration.conftest import REPOSITORY, Demo


def rekey(demo: Demo, *arguments: str) -> subprocess.CompletedProcess:
    return demo.playbook("rekey.yml", *arguments)


def with_vaulted_value(demo: Demo, folder: Path) -> Path:
    """The demo's inventory with a value among its variables that Ansible itself decrypts, as some teams have."""
    inventory = folder / "inventory"
    shutil.copytree(REPOSITORY / "inventories/demo", inventory)
    lines = _team_env.encrypt(b"read at the start", demo.env.key(), "demo").decode().splitlines()
    (inventory / "group_vars/all/vaulted.yml").write_text("told: !vault |\n" + "".join(f"  {line}\n" for line in lines))
    for place in (inventory, *inventory.rglob("*")):
        place.chmod(0o755 if place.is_dir() else 0o644)
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    return inventory


def encrypted(demo: Demo) -> dict[str, bytes]:
    """What of the demo is encrypted with its key, or with the host's, by path."""
    etc = demo.home / "team/etc"
    document = json.loads((etc / "credentials.json").read_text())["document"]
    return {"control/.env": (demo.home / "control/.env").read_bytes(), "credentials.json": document.encode(), "etc/.env": (etc / ".env").read_bytes()}


def which_open(demo: Demo, keys: list[bytes]) -> dict[str, list[int]]:
    """For each of them the places in the list of the team's keys that open it."""
    of_host = [_team_env.host_key(key, "demo") for key in keys]
    return {path: _rekey.opens(text, of_host if path == "etc/.env" else keys, "demo") for path, text in encrypted(demo).items()}


def assert_readable(demo: Demo, earlier: list[bytes]) -> None:
    """During a change, at every instant: the control node's keys open all that is its own, and what is on the host opens the host's .env."""
    keys = demo.env.keys()
    assert all(which_open(demo, keys).values()), which_open(demo, keys)
    assert set(keys) & set(earlier) or len(keys) == 1
    etc = demo.home / "team/etc"
    there = [path.read_bytes().strip() for path in (etc / "vault.key", etc / "vault.key.next") if path.exists()]
    assert _rekey.opens((etc / ".env").read_bytes(), there, "demo"), "a service that starts now could not"


def assert_one_key(demo: Demo, earlier: list[bytes]) -> bytes:
    """In the end: one key, which opens everything, and none of those before opens anything or is anywhere."""
    (key,) = demo.env.keys()
    assert key not in earlier
    assert set(map(tuple, which_open(demo, [key, *earlier]).values())) == {(0,)}, which_open(demo, [key, *earlier])
    etc = demo.home / "team/etc"
    assert (etc / "vault.key").read_bytes().strip() == _team_env.host_key(key, "demo")
    left = [path for path in (etc / "vault.key.next", demo.env.next_key_file) if path.exists()]
    assert left == []
    return key


def finish_and_see(demo: Demo, before: bytes) -> None:
    """The run after one that was cut off: it ends with the key that was promised, where one was."""
    keys = demo.env.keys()
    done = rekey(demo)
    assert done.returncode == 0, done.stdout[-4000:]
    key = assert_one_key(demo, [before])
    assert len(keys) == 1 or key == keys[0]


def running(demo: Demo) -> dict[str, str]:
    """Gateway, bridges and wrapped servers: pid and when it began → its command."""
    found = {}
    for pid, argv in demo.processes().items():
        if "/team/" in " ".join(argv):
            try:
                began = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
            except OSError:  # it ended: a task of a playbook, no service
                continue
            found[f"{pid} {began}"] = " ".join(argv)
    return {name: argv for name, argv in found.items() if "mcp_bridge --manifest" in argv or "mcp_gateway_front" in argv or "dist/" in argv}
