# SPDX-License-Identifier: GPL-3.0-or-later
"""What one bridge is told: by a file of its own (``--config``) or by its entry in the manifest of a host (``--manifest``).

Standard library only: the relay, which runs inside of `translate`, reads the same files.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass, field, fields
from pathlib import Path

WRAPPERS = ("bridge", "translate")
ENGINES = ("postgres", "mongodb", "other")
#: Beside its bearer the one that is to follow, or the one before, while the gateway goes from one to the other.
OTHER_BEARERS, SHORTEST_BEARER = ("_NEXT", "_BEFORE"), 16


class ConfigError(Exception):
    """A file that cannot be used; says which and why."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one service. Seconds, bytes, numbers; 0 rows, bytes or calls a second means no bound."""

    call_seconds: float = 60
    start_seconds: float = 60
    wait_seconds: float = 10  # how long a call waits for a server that is being started again
    max_rows: int = 10_000
    max_answer_bytes: int = 32 * 1024 * 1024
    max_request_bytes: int = 1024 * 1024
    max_in_flight: int = 256
    max_connections: int = 2048
    calls_per_second: float = 0
    request_seconds: float = 30  # how long a client may take to send a request


@dataclass(frozen=True)
class Users:
    """Callers bring their own logins, and each login has a process of its own."""

    host: str
    port: int
    database: str
    ca: str = ""  # a PEM file: every connection is verified TLS, unless the parameters say otherwise
    client: str = ""  # a PEM file with the certificate and key that connections show the server
    parameters: dict[str, str] = field(default_factory=dict)  # that a connection has, and from which no caller may differ
    accepts: list[str] = field(default_factory=lambda: ["headers"])
    dense: bool = False  # all logins in one process, each with connections of its own
    most: int = 30  # logins at a time; 500 where they are dense
    spares: int = 0  # processes without a login that wait for somebody; 1 for MongoDB, whose server is slow to start
    connections: int = 50  # to PostgreSQL at a time, of all dense logins together
    idle_seconds: float = 300  # after which a process that nobody calls is ended
    grace_seconds: float = 15  # how long ago a login may have been proven when a call runs on it
    memory_bytes: int = 512 * 1024 * 1024  # that one process may have for itself; 2 GiB where it is one for all
    sandbox: str = ""  # path of bubblewrap; the system's, or else the one that was installed with the bridge
    visible: list[str] = field(default_factory=list)  # files and folders, beyond the system's own, that a process may read


@dataclass(frozen=True)
class Target:
    """Where the connections of the wrapped server go, and what they demand of the server (``mode``: as libpq's sslmode)."""

    host: str
    port: int
    mode: str = "verify-full"
    ca: str = ""
    client: str = ""


ACCEPTED = ("headers", "connection_string", "stored")
#: What is otherwise in a service that has one process for all logins.
DENSE = {"most": 500, "memory_bytes": 2 * 1024**3}
SPARES = {"mongodb": 1}


@dataclass(frozen=True)
class Config:
    """One service."""

    service: str
    command: list[str]
    runtime_directory: Path
    engine: str = "other"
    host: str = "127.0.0.1"
    port: int = 0
    fd: int | None = None  # an inherited listening socket, instead of host and port
    wrapper: str = "bridge"
    translate_python: str = ""
    translate_ports: list[int] = field(default_factory=list)  # which `translate` may use; any free one when empty
    environment: dict[str, str] = field(default_factory=dict)
    env_file: Path | None = None  # env.json: the secret variables, read again for each generation
    directory: str = "/"
    token_env: str = "MCP_BRIDGE_TOKEN"  # noqa: S105 - the name of a variable
    identity_env: str = "MCP_IDENTITY_SECRET"  # that of the key by which the gateway says who calls
    guard: bool = True
    read_only: bool = True
    target: Target | None = None
    database: str = ""  # which the proof of a new generation asks
    audit_file: Path | None = None
    allowed_hosts: list[str] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)
    users: Users | None = None

    def variables(self) -> dict[str, str]:
        """The whole environment of the wrapped server, secrets as they are now."""
        base = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": self.directory, "LANG": "C.UTF-8"}
        return {**base, **self.environment, **self.secrets()}

    def secrets(self) -> dict[str, str]:
        """The wrapped server's part of env.json; raises ConfigError."""
        return self._unsealed().get("wrapped", {})

    def bearers(self) -> list[str]:
        """What callers may show: one, or two while one takes the place of the other. Raises ConfigError when there is none, or a short one."""
        given = self._unsealed().get("process") or os.environ
        found = [given[name] for name in (self.token_env, *(self.token_env + suffix for suffix in OTHER_BEARERS)) if given.get(name)]
        if not found or min(map(len, found)) < SHORTEST_BEARER:
            what = f"{self.token_env} is missing or shorter than {SHORTEST_BEARER} characters"
            raise ConfigError(f"{what}. Next: see that mcp-unseal ran for {self.service}.")
        return found

    def credential(self) -> str:
        """The name of the login that env.json holds now; raises ConfigError."""
        return self._unsealed().get("credential", "")

    def _unsealed(self) -> dict:
        if self.env_file is None:
            return {}
        try:
            return {"wrapped": {}, **json.loads(self.env_file.read_text(encoding="utf-8"))}
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"{self.env_file} cannot be used ({type(error).__name__}). Next: run mcp-unseal for {self.service}.") from None


def from_file(path: Path) -> Config:
    """The form of ``--config``: one JSON object, ``listen`` and ``limits`` objects in it."""
    return _build(_read(path), str(path))


def from_manifest(path: Path, service: str) -> Config:
    """The entry ``bridge`` of one service in a host's services.json."""
    manifest = _read(path)
    try:
        entry, runtime = manifest["services"][service], Path(manifest["runtime_directory"]) / service
        given = {**entry["bridge"], **entry["wrapped"]}
    except (KeyError, TypeError):
        raise ConfigError(f"{path} has no bridge for {service}") from None
    given.pop("secrets", None)
    given |= {"service": service, "runtime_directory": str(runtime), "env_file": str(runtime / "env.json"), "directory": entry["directory"]}
    return _build(given, f"{path}: {service}")


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read ({type(error).__name__})") from None


def _build(given: dict, place: str) -> Config:
    given = dict(given)
    given |= given.pop("listen", {})
    unknown = set(given) - {item.name for item in fields(Config)}
    limits, users, target = given.pop("limits", {}), given.pop("users", None), given.pop("target", None)
    unknown |= set(limits) - {item.name for item in fields(Limits)}
    unknown |= set(users or {}) - {item.name for item in fields(Users)}
    unknown |= set(target or {}) - {item.name for item in fields(Target)}
    if unknown:
        raise ConfigError(f"{place}: not known: {', '.join(sorted(unknown))}")
    if given.get("wrapper", "bridge") not in WRAPPERS or given.get("engine", "other") not in ENGINES:
        raise ConfigError(f"{place}: wrapper is one of {', '.join(WRAPPERS)}, engine one of {', '.join(ENGINES)}")
    if users is not None and (given.get("engine") not in ENGINES[:2] or not users.get("accepts", ["headers"]) or set(users.get("accepts", [])) - set(ACCEPTED)):
        raise ConfigError(f"{place}: users needs the engine postgres or mongodb, and accepts one of {', '.join(ACCEPTED)}")
    for name in ("runtime_directory", "env_file", "audit_file"):
        if given.get(name) is not None:
            given[name] = Path(given[name])
    try:
        given["target"] = None if target is None else Target(**target)
        return Config(**given, limits=Limits(**limits), users=None if users is None else _users(users, given["engine"]))
    except TypeError as error:
        raise ConfigError(f"{place}: {error}") from None


def _users(given: dict, engine: str) -> Users:
    return Users(**{"spares": SPARES.get(engine, 0), **(DENSE if given.get("dense") else {}), **given})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two ways to name a service, for every program of the bridge."""
    parser.add_argument("--config", type=Path)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("service", nargs="?")


def from_arguments(arguments: argparse.Namespace) -> Config:
    """Raises ConfigError."""
    if arguments.config is not None:
        return from_file(arguments.config)
    if arguments.manifest is None or arguments.service is None:
        raise ConfigError("name a --config FILE, or a --manifest FILE and a service")
    return from_manifest(arguments.manifest, arguments.service)
