# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to the collection; may change in any release.
"""The credentials' document where the team's key is: decrypted, encrypted, and who we are to a store. On the control node only."""

from __future__ import annotations

import datetime
import getpass
import hashlib
import hmac
import json
import os
import secrets
import socket
from pathlib import Path

from ansible.errors import AnsibleError

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string, _credentials
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _team_env

MARK_BYTES = 4


def opened(held: dict, keys: bytes | list[bytes], team: str) -> dict:
    """The document of a store or a copy, ``{"version", "document": ciphertext}``. Raises CredentialsError."""
    keys = [keys] if isinstance(keys, bytes) else keys
    if not held["document"]:
        return labelled(_credentials.empty(team), keys[0])
    document = next((found for key in keys if (found := _opened_with(held["document"], key, team))), None)
    if document is None:
        raise _credentials.CredentialsError(
            f"the credentials' document of {team} cannot be decrypted with the team's key. Next: use the key that wrote it, or bring a copy of it back"
        )
    if document["version"] != held["version"]:
        raise _credentials.CredentialsError("the credentials' document is not of the version that its store says. Next: bring a copy of it back")
    return document


def _opened_with(text: str, key: bytes, team: str) -> dict | None:
    try:
        return labelled(json.loads(_team_env.decrypt(text.encode(), key, team)), key)
    except (AnsibleError, ValueError):
        return None


def labelled(document: dict, key: bytes) -> dict:
    """The document with the key of its labels. It comes from the first key that the team had, and stays when that one is gone."""
    return {**document, "labels": document.get("labels") or hmac.new(key, b"mcp.tenancy login labels", hashlib.sha256).hexdigest()}


def sealed(document: dict, key: bytes) -> str:
    """Its ciphertext."""
    return _team_env.encrypt(json.dumps(document, sort_keys=True).encode(), key, document["team"]).decode()


def given(values: dict[str, str], services: list[dict], names: object) -> dict[str, tuple[str, str]]:
    """Service → (login, password) as the operator's file has them. ``names`` gives the variables under which one may stand."""
    found = {}
    for service in services:
        for variable in names(service):
            if variable in values:
                login = _connection_string.parse(values[variable], service["engine"])
                found[service["name"]] = (login.user, login.password)
    return found


def given_in_file(path: str, service: dict) -> tuple[str, str]:
    """The login of one connection string in a file that only its owner may read. Raises CredentialsError."""
    step = "write the connection string of that login into a file with mode 0600, and remove the file afterwards"
    try:
        with open(path, encoding="utf-8") as stream:
            if os.fstat(stream.fileno()).st_mode & 0o077:
                raise _credentials.CredentialsError(f"{path}: others than its owner may read it. Next: chmod 600 {path}")
            login = _connection_string.parse(stream.read().strip(), service["engine"])
    except (OSError, UnicodeDecodeError) as error:
        raise _credentials.CredentialsError(f"{path} cannot be read ({type(error).__name__}). Next: {step}") from None
    except _connection_string.ConnectionStringError as error:
        raise _credentials.CredentialsError(f"{path} {error}. Next: {step}") from None
    if wrong := _connection_string.disagreements(login, service["database"]):
        raise _credentials.CredentialsError(f"{path} disagrees with {service['name']} about its {'; '.join(wrong)}. Next: correct it")
    return login.user, login.password


def label(document: dict) -> object:
    """A keyed digest of a login, to know it again without keeping it."""
    key = document["labels"].encode()
    return lambda login, password: hmac.new(key, f"mcp.tenancy login\0{login}\0{password}".encode(), hashlib.sha256).hexdigest()[:24]


def mark() -> str:
    """The random part of a mark."""
    return secrets.token_hex(MARK_BYTES)


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime(_credentials.TIME)


def holder(pid: int) -> str:
    """Who has a lease, for people and for :func:`is_gone`: user, host, namespace of pids, pid, when that process began."""
    space = os.readlink("/proc/self/ns/pid").strip("pid:[]") if os.path.exists("/proc/self/ns/pid") else "0"
    return f"{getpass.getuser()}@{socket.gethostname()} {space} {pid} {_began(pid)}"


def is_gone(other: str) -> bool:
    """Whether a holder was a process of this machine that has ended. Of other machines nobody can know."""
    try:
        who, space, pid, began = other.rsplit(" ", 3)
    except ValueError:
        return False
    mine = holder(os.getpid()).rsplit(" ", 3)
    return who.rpartition("@")[2] == mine[0].rpartition("@")[2] and space == mine[1] and _began(int(pid)) != began


def _began(pid: int) -> str:
    """When a process began, in ticks since the machine did; empty for none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if stat[0] in "ZX" else stat[19]


def with_stand_ins(document: dict, services: list[dict]) -> dict:
    """For a check before the first deploy: logins that are not there yet have their place taken by what would change anyway."""
    document = json.loads(json.dumps(document))
    for service in services:
        if _credentials.in_use(document["credentials"].get(service["name"])) is None:
            slot = {"login": "to-be-made", "password": secrets.token_hex(8), "mark": "0.to-be-made", "since": now()}
            document["credentials"][service["name"]] = {"active": "a", "slots": {"a": slot}, "walk": None, "generation": 0, "kind": service["kind"]}
    return document
