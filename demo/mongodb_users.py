# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of the demo's MongoDB-protocol server: SCRAM-SHA-256 keys on disk (never a password), and what a role may do. Pure but for one file."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

ITERATIONS = 15000
WITHOUT_LOGIN = {"hello", "ismaster", "isMaster", "ping", "buildInfo", "buildinfo", "saslStart", "saslContinue", "logout", "connectionStatus", "endSessions"}
READING = {"find", "count", "distinct", "listCollections", "listIndexes", "collStats", "dbStats", "getMore", "killCursors", "aggregate"}
WRITING = {"insert", "update", "delete", "findAndModify", "create", "drop", "createIndexes", "dropIndexes", "collMod"}
KNOWN_ROLES = {"read", "readWrite", "dbAdmin", "userAdmin", "userAdminAnyDatabase", "readAnyDatabase", "readWriteAnyDatabase", "root"}
ANYBODY = {"listDatabases", "startSession", "refreshSessions", "killSessions", "abortTransaction", "commitTransaction"}


@dataclass(frozen=True)
class Keys:
    """What RFC 5802 lets a server keep: enough to check a login, not enough to make one."""

    stored: bytes
    server: bytes


def salt(database: str, user: str) -> bytes:
    """The salt that mongoeco sends in its first message."""
    return f"{database}:{user}".encode()


def derive(password: str, database: str, user: str) -> Keys:
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt(database, user), ITERATIONS)
    client = hmac.digest(salted, b"Client Key", "sha256")
    return Keys(hashlib.sha256(client).digest(), hmac.digest(salted, b"Server Key", "sha256"))


def verify(keys: Keys, first_bare: str, server_first: str, final: str) -> bytes | None:
    """The server's signature when the client's proof is right, else None. ``final`` is the client's last message."""
    attributes = dict(part.partition("=")[::2] for part in final.split(","))
    server_attributes = dict(part.partition("=")[::2] for part in server_first.split(","))
    if attributes.get("c") != "biws" or attributes.get("r") != server_attributes.get("r"):
        return None
    message = f"{first_bare},{server_first},{final.rpartition(',p=')[0]}".encode()
    try:
        proof = base64.b64decode(attributes.get("p", ""), validate=True)
    except ValueError:
        return None
    signature = hmac.digest(keys.stored, message, "sha256")
    if len(proof) != len(signature):
        return None
    client = bytes(left ^ right for left, right in zip(proof, signature, strict=True))
    if not hmac.compare_digest(hashlib.sha256(client).digest(), keys.stored):
        return None
    return hmac.digest(keys.server, message, "sha256")


class Users:
    """The users file: ``{"user@database": {"stored": …, "server": …, "roles": [{"role": …, "db": …}]}}``. Read again when it changed."""

    def __init__(self, path: Path) -> None:
        self._path, self._seen, self._users = path, 0, {}

    def all(self) -> dict[str, dict]:
        try:
            changed = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return {}
        if changed != self._seen:
            self._users, self._seen = json.loads(self._path.read_text()), changed
        return self._users

    def get(self, user: str, database: str) -> dict | None:
        return self.all().get(f"{user}@{database}")

    def keys(self, user: str, database: str) -> Keys | None:
        found = self.get(user, database)
        return Keys(base64.b64decode(found["stored"]), base64.b64decode(found["server"])) if found else None

    def put(self, user: str, database: str, password: str | None, roles: list[dict] | None, data: dict | None = None) -> None:
        """Add or change; what is None stays."""
        entry = dict(self.get(user, database) or {"roles": []})
        if password is not None:
            keys = derive(password, database, user)
            entry |= {"stored": base64.b64encode(keys.stored).decode(), "server": base64.b64encode(keys.server).decode()}
        if roles is not None:
            entry["roles"] = roles
        if data is not None:
            entry["customData"] = dict(data)
        self._write({**self.all(), f"{user}@{database}": entry})

    def drop(self, user: str, database: str) -> None:
        self._write({name: entry for name, entry in self.all().items() if name != f"{user}@{database}"})

    def _write(self, users: dict) -> None:
        handle, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=".users-")
        with os.fdopen(handle, "w") as stream:
            json.dump(users, stream)
        os.replace(temporary, self._path)


def is_root(roles: list[dict]) -> bool:
    return any(role["role"] == "root" for role in roles)


def may_change_users(roles: list[dict], database: str) -> bool:
    """As mongod: root, userAdminAnyDatabase at admin, userAdmin at the database that the users are in."""
    own = [role["role"] for role in roles if role["db"] == database]
    return is_root(roles) or "userAdmin" in own or any(role == {"role": "userAdminAnyDatabase", "db": "admin"} for role in roles)


def malformed(command: str, body: dict, roles: list[dict] | None) -> str | None:
    """Why mongod would not take a user as it is described."""
    if command == "createUser" and roles is None:
        return '"createUser" command requires a "roles" array'
    if command == "createUser" and "pwd" not in body:
        return "Must provide a 'pwd' field for all user documents, except those with '$external' as the user's source db"
    if "pwd" in body and (not isinstance(body["pwd"], str) or not body["pwd"]):
        return "User passwords must not be empty"
    if command == "updateUser" and not {"pwd", "roles", "customData", "mechanisms"} & set(body):
        return "Must specify at least one field to update in updateUser"
    return None


def unknown_role(roles: list[dict] | None) -> str | None:
    """The first role that is not one of the server's."""
    return next((f"{role['role']}@{role['db']}" for role in roles or [] if role["role"] not in KNOWN_ROLES), None)


def shown(name: str, database: str, found: dict) -> dict:
    """A user as usersInfo tells it."""
    shown = {"_id": f"{database}.{name}", "user": name, "db": database, "roles": found["roles"], "mechanisms": ["SCRAM-SHA-256"]}
    return {**shown, **({"customData": found["customData"]} if "customData" in found else {})}


def refusal(roles: list[dict], command: str, database: str, body: dict) -> str | None:
    """Why a login may not run a command, as mongod would say it; None when it may."""
    if is_root(roles) or command in ANYBODY:
        return None
    if command == "explain" and isinstance(body.get("explain"), dict):
        inner = body["explain"]
        return refusal(roles, next(iter(inner), ""), database, inner)
    readable = {role["db"] for role in roles if role["role"] in ("read", "readWrite")}
    writable = {role["db"] for role in roles if role["role"] == "readWrite"}
    needed = writable if command in WRITING else readable if command in READING else set()
    written = set(targets(body, database)) if command == "aggregate" else set()
    if database in needed and written <= writable:
        return None
    return f"not authorized on {database} to execute command {command}"


def targets(body: dict, database: str) -> list[str]:
    """Databases that an aggregation writes to."""
    found = []
    for stage in body.get("pipeline") or []:
        for name in ("$out", "$merge"):
            if name in stage:
                place = stage[name].get("into", stage[name]) if isinstance(stage[name], dict) else stage[name]
                found.append(place.get("db", database) if isinstance(place, dict) else database)
    return found
