# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""The operator's file of a team: one ansible-vault-encrypted ``.env`` on the control node, vault id = team.

Also what is derived from it for a host: the host's own key, the projection that its services need, the revision of each service.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import Collection, Iterator
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, VaultSecret, is_encrypted

from ansible_collections.mcp.tenancy.plugins.module_utils import (
    _atomic_file,
    _connection_string,
    _credentials,
    _declaration,
    _own_secrets,
    _password,
    _people,
    _sharing,
)
from ansible_collections.mcp.tenancy.plugins.module_utils._problem import Problem
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _dotenv_file

KEY_BYTES = 32
NEXT = ".next"
HEADING = "Secrets of one team. Open it with: ansible-vault edit --vault-id TEAM@KEYFILE"


class TeamEnvError(Exception):
    """The operator's file cannot be used; ``problems`` says why, all of it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class TeamEnv:
    """The operator's ``.env`` of one team.

    ``vault_secrets`` are those of ``--vault-id``; the one whose id is the team's name wins over the key file.

    While the team's key is being changed (:mod:`_rekey`) there are two: the next one lies beside the key file. From the moment that it is there everything is
    written with it, and whatever is still under the one before can be read.
    """

    def __init__(self, team: str, path: str, key_file: str, vault_secrets: list | None = None) -> None:
        self.team, self.path, self.key_file = team, Path(path).expanduser(), Path(key_file).expanduser()
        self.next_key_file = self.key_file.with_name(self.key_file.name + NEXT)
        self._given = next((secret.bytes for name, secret in vault_secrets or [] if name == team), None)

    def key(self) -> bytes:
        """The team's vault key, with which everything is written. Raises :class:`TeamEnvError` when there is none."""
        return self.keys()[0]

    def keys(self) -> list[bytes]:
        """The keys that open what is the team's: one, or the next one and those before it. Raises :class:`TeamEnvError` when there is none."""
        found = [self.read_key(self.next_key_file)] if self.next_key_file.exists() else []
        under_way = bool(found)
        if self._given is not None:
            found.append(self._given)
        if self._given is None or (under_way and self.key_file.exists()):
            found.append(self.read_key(self.key_file))
        return list(dict.fromkeys(found))

    def read_key(self, path: Path) -> bytes:
        """A key out of a file that only its owner may read. Raises :class:`TeamEnvError`."""
        try:
            key = path.read_bytes().strip()
        except OSError as error:
            step = f"put the key there (0600), or run with --vault-id {self.team}@FILE"
            raise TeamEnvError([Problem(str(path), f"the team's vault key cannot be read ({error.strerror})", step)]) from None
        if len(key) < 16:
            raise TeamEnvError([Problem(str(path), "is too short to be a vault key", "use 256 random bits: openssl rand -hex 32")])
        if path.stat().st_mode & 0o077:
            raise TeamEnvError([Problem(str(path), "others than its owner may read the vault key", f"chmod 600 {path}")])
        return key

    def create_key(self) -> None:
        """Make the team's key once."""
        if not self.key_file.exists():
            _atomic_file.write(self.key_file, new_key())

    def read(self) -> dict[str, str]:
        """The decrypted variables. Raises :class:`TeamEnvError`; nothing of the content is ever in it."""
        edit = f"ansible-vault edit --vault-id {self.team}@{self.key_file} {self.path}"
        try:
            raw = self.path.read_bytes()
        except OSError as error:
            step = edit.replace(" edit ", " create ")
            raise TeamEnvError([Problem(str(self.path), f"the team's .env cannot be read ({error.strerror})", f"make it: {step}")]) from None
        if not is_encrypted(raw):
            step = f"ansible-vault encrypt --vault-id {self.team}@{self.key_file} {self.path}; if it was ever committed, change what is in it"
            raise TeamEnvError([Problem(str(self.path), "is not encrypted", step)])
        try:
            text = decrypt(raw, self.keys(), self.team).decode()
        except AnsibleError:
            raise TeamEnvError(
                [Problem(str(self.path), "cannot be decrypted with the team's key", f"check {self.key_file}, or pass --vault-id {self.team}@FILE")]
            ) from None
        except UnicodeDecodeError:
            raise TeamEnvError([Problem(str(self.path), "is not UTF-8 text once decrypted", edit)]) from None
        try:
            return _dotenv_file.parse(text)
        except _dotenv_file.DotenvError as error:
            raise TeamEnvError([Problem(f"{self.path}:{line}", message, edit) for line, message in error.mistakes]) from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Read and write as one step, for several hosts of a team in one run."""
        if not self.path.parent.is_dir():
            raise TeamEnvError([Problem(str(self.path.parent), "is not a folder", "correct mcp_env_file")])
        with _atomic_file.alone(self.path.parent):
            yield

    def write(self, values: dict[str, str]) -> None:
        """Replace the file, encrypted."""
        _atomic_file.write(self.path, encrypt(_dotenv_file.render(values, HEADING).encode(), self.key(), self.team))


def new_key() -> bytes:
    """The content of a key file: 256 random bits."""
    return secrets.token_hex(KEY_BYTES).encode() + b"\n"


def decrypt(raw: bytes, keys: bytes | list[bytes], vault_id: str) -> bytes:
    """ansible-vault's own format, with one key or any of several. Raises ``AnsibleError`` when none is the right one or the text was changed."""
    return VaultLib([(vault_id, VaultSecret(key)) for key in ([keys] if isinstance(keys, bytes) else keys)]).decrypt(raw)


def encrypt(text: bytes, key: bytes, vault_id: str) -> bytes:
    """ansible-vault's own format, header 1.2 with the vault id."""
    secret = VaultSecret(key)
    return VaultLib([(vault_id, secret)]).encrypt(text, secret, vault_id=vault_id)


def generate(values: dict[str, str]) -> dict[str, str]:
    """The secrets of our own that ``values`` lacks, freshly drawn; empty when there is nothing to do."""
    return {name: _password.draw(size) for name, size in _declaration.OWN_SECRETS.items() if not values.get(name)}


def problems(
    values: dict[str, str], declaration: dict, path: str, unsound: list[dict] | None = (), leaving: dict | None = None, aside: Collection[str] = ()
) -> list[Problem]:
    """Where the operator's file and the declaration do not fit together.

    ``unsound``: services with mistakes of their own, of which nothing but the names of their logins is certain. None: there may be any.
    What is still there for environments that are ``leaving`` is in order. ``aside``: names that may be there, of what is declared with a mistake.
    """
    found, services = [], _declaration.services(declaration)
    accepted = {name for service in services for name in (*names(service, declaration), _declaration.admin_key(service["engine"], service["environment"]))}
    known = accepted | set(_declaration.OWN_SECRETS) | _own_secrets.NAMES | {name for service in unsound or () for name in _logins(service)}
    over = _declaration.services(leaving) if leaving else []
    known |= {name for service in over for name in (*names(service, leaving), _declaration.admin_key(service["engine"], service["environment"]))}
    shared = {one["login"] for one in _sharing.connections(declaration)}
    accepted |= shared
    known |= shared | set(aside)
    for name in values if unsound is not None else ():
        if name not in known:
            step = f"remove it, or rename it to one of {', '.join(sorted(accepted))}" if accepted else "remove it"
            found.append(Problem(f"{path}: {name}", "is not a variable that this declaration uses", step))
    for service in (one for one in unsound or () if one["kind"]):
        wanted = _declaration.admin_key if service["kind"] == "managed" else _declaration.credential_key
        name, bare = wanted(service["engine"], service["environment"]), _logins(service)[2]
        if name not in values and not (service["kind"] == "unmanaged" and bare in values):
            scheme = _connection_string.SCHEMES[service["engine"]][0]
            step = f"set it to {scheme}://USER:PASSWORD@HOST:PORT/DATABASE"
            found.append(Problem(f"{path}: {name}", "is missing", step + (", or declare credential: unmanaged" if service["kind"] == "managed" else "")))
    for service in services:
        found += _admin_problems(values, service, path)
        given = [name for name in names(service, declaration) if name in values]
        if not given and service["kind"] == "managed":
            continue
        if len(given) != 1:
            what = "is missing" if not given else "is given twice, under its own and under its bare name"
            scheme, target = _connection_string.SCHEMES[service["engine"]][0], service["database"]
            step = f"set it to {scheme}://USER:PASSWORD@{target['host']}:{target['port']}/{target['database']}"
            found.append(Problem(f"{path}: {service['credential']}", what, step))
            continue
        try:
            connection = _connection_string.parse(values[given[0]], service["engine"])
        except _connection_string.ConnectionStringError as error:
            found.append(Problem(f"{path}: {given[0]}", str(error), "correct it with ansible-vault edit"))
            continue
        for difference in _connection_string.disagreements(connection, service["database"]):
            found.append(Problem(f"{path}: {given[0]}", f"disagrees with {service['name']} about its {difference}", "correct the one that is wrong"))
    return [*found, *_sharing_problems(values, declaration, path)]


def _sharing_problems(values: dict[str, str], declaration: dict, path: str) -> list[Problem]:
    """The logins of what the gateways share. Nobody but a DBA changes them."""
    found = []
    for one in _sharing.connections(declaration):
        place, name, target = f"{path}: {one['login']}", one["login"], one["database"]
        scheme = _connection_string.SCHEMES[one["engine"]][0]
        if name not in values:
            step = f"set it to {scheme}://USER:PASSWORD@{target['host']}:{target['port']}/{target['database']}"
            found.append(
                Problem(place, f"is missing: {one['variable']} is declared", step + (" (Redis without users: default)" if one["engine"] == "redis" else ""))
            )
            continue
        try:
            connection = _connection_string.parse(values[name], one["engine"])
        except _connection_string.ConnectionStringError as error:
            found.append(Problem(place, str(error), "correct it with ansible-vault edit"))
            continue
        for difference in _connection_string.disagreements(connection, target):
            found.append(Problem(place, f"disagrees with {one['variable']} about its {difference}", "correct the one that is wrong"))
    return found


def _admin_problems(values: dict[str, str], service: dict, path: str) -> list[Problem]:
    """A managed credential needs a login that may make and change logins. It stays on the control node."""
    name, target = _declaration.admin_key(service["engine"], service["environment"]), service["database"]
    if name not in values:
        if service["kind"] != "managed":
            return []
        scheme = _connection_string.SCHEMES[service["engine"]][0]
        step = f"set it to {scheme}://ADMIN:PASSWORD@{target['host']}:{target['port']}/{target['database']}, or declare credential: unmanaged"
        return [Problem(f"{path}: {name}", f"is missing: {service['name']} has a managed credential", step)]
    try:
        connection = _connection_string.parse(values[name], service["engine"])
    except _connection_string.ConnectionStringError as error:
        return [Problem(f"{path}: {name}", str(error), "correct it with ansible-vault edit")]
    wrong = [part for part in ("host", "port") if getattr(connection, part) != target[part]]
    if wrong:
        return [Problem(f"{path}: {name}", f"disagrees with {service['name']} about its {' and '.join(wrong)}", "correct the one that is wrong")]
    return []


def _logins(service: dict) -> tuple[str, str, str]:
    """The names under which a service's logins stand: its own, its admin's, and the bare one of before."""
    where = service["engine"], service["environment"]
    return _declaration.credential_key(*where), _declaration.admin_key(*where), f"{service['engine'].upper()}_CONNECTION_STRING"


def names(service: dict, declaration: dict) -> list[str]:
    """The names under which a credential may stand: its own, and the bare one of before where there is one environment."""
    bare = f"{service['engine'].upper()}_CONNECTION_STRING"
    return [service["credential"], bare] if len(declaration["mcp_environments"]) == 1 else [service["credential"]]


def projection(values: dict[str, str], declaration: dict, document: dict, clients: dict[str, str] | None = None) -> dict[str, str]:
    """What a host's services need, in canonical form, nothing else: our own secrets, and of each service the login that is in use.

    ``clients``: variables with client certificates and their keys.

    Raises CredentialsError when there is a service without a login.
    """
    wanted = {name: values[name] for name in (*_declaration.OWN_SECRETS, *(name for name in _declaration.OVERLAP if values.get(name)))} | (clients or {})
    for service in _declaration.services(declaration):
        slot, target = _credentials.in_use(document["credentials"].get(service["name"])), service["database"]
        if slot is None:
            raise _credentials.CredentialsError(f"{service['name']} has no login yet. Next: run deploy.yml, which makes one")
        parameters = dict(target["parameters"])
        if service["engine"] == "mongodb":
            parameters |= _declaration.tls_parameters(declaration, service)
        wanted[service["credential"]] = _connection_string.render(
            service["engine"], slot["login"], slot["password"], target["host"], target["port"], target["database"], parameters
        )
        wanted[service["mark"]] = slot["mark"]
    for service in (one for one in _declaration.user_services(declaration) if one["stored"]):
        people = _people.directory(document, service["base"])
        wanted[service["credential"]], wanted[service["mark"]] = json.dumps(people, sort_keys=True), _people.mark(people)
    wanted |= _sharing.urls(declaration, values)
    return dict(sorted(wanted.items()))


def newer_on_the_host(held: dict[str, str], wanted: dict[str, str], declaration: dict) -> list[str]:
    """Services and people of which the host has a later generation than what it would get now."""
    names = {service["name"]: service["mark"] for service in _declaration.services(declaration)}
    found = [name for name, mark in names.items() if _credentials.generation_of(held.get(mark, "")) > _credentials.generation_of(wanted[mark])]
    for service in (one for one in _declaration.user_services(declaration) if one["stored"]):
        found += [f"{service['base']}/{address}" for address in _people.newer(held.get(service["credential"], ""), wanted[service["credential"]])]
    return found


def host_key(team_key: bytes, host: str) -> bytes:
    """The key of one host's ``.env``: derived, so that a host's root opens its own projection and never the operator's file."""
    return hmac.new(team_key, f"mcp.tenancy host key\0{host}".encode(), hashlib.sha256).hexdigest().encode()


def revisions(manifest: dict, values: dict[str, str]) -> dict[str, str]:
    """A label for what each service should be running: its definition and our own secrets under a digest.

    Not what a service takes while it runs or reads only once: a database's login and the bearers of a bridge, which says itself what it has, and the
    administrator's first password. Not the team's key either, which changes while services run: what is left has either no secret or one of hundreds of
    random bits, so the digest tells nothing about it.
    """
    labels = {}
    for name, service in manifest["services"].items():
        needed = {variable: source for variable, source in service.get("secrets", {}).items() if not source.get("while_running")}
        material = json.dumps([service, {variable: values[source["key"]] for variable, source in needed.items()}], sort_keys=True)
        labels[name] = hashlib.sha256(f"mcp.tenancy revision\0{material}".encode()).hexdigest()[:16]
    return labels
