# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""The files of database connections on the control node: CAs, and client certificates with their keys. A key may be vault-encrypted with the team's key."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.parsing.vault import is_encrypted

from ansible_collections.mcp.tenancy.plugins.module_utils import _database_tls, _declaration, _declaration_across, _sharing
from ansible_collections.mcp.tenancy.plugins.module_utils._problem import Problem
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _team_env


class MaterialError(Exception):
    """A file cannot be used. ``key``: the declaration's name for it."""

    def __init__(self, service: dict, key: str, what: str, step: str) -> None:
        self.key, self.problem = key, Problem(f"{service['engine']} of {service['environment']}: {key}", what, step)
        super().__init__(str(self.problem))


class DatabaseMaterial:
    """``path_of``: from a declared path to one on this machine. ``env``: the operator's ``.env``, whose key opens an encrypted file."""

    def __init__(self, path_of: Callable[[str], str], env: _team_env.TeamEnv) -> None:
        self._path_of, self._env = path_of, env

    def problems(self, declaration: dict) -> list[Problem]:
        """Everything that a deploy would stumble over."""
        found, places = [], {environment["name"]: place for place, environment in _declaration_across.placed(declaration)}
        for service in [*_declaration.services(declaration), *_sharing.connections(declaration)]:
            try:
                if service["ca"] and not os.path.isfile(self._path_of(service["ca"])):
                    raise MaterialError(service, "ca", f"there is no file {service['ca']}", "put the PEM file of the database's CA there")
                self._check(service)
            except MaterialError as error:
                place = f"{service['variable']}.{error.key}" if "variable" in service else f"{places[service['environment']]}.{service['engine']}.{error.key}"
                found.append(dataclasses.replace(error.problem, place=place))
            except _team_env.TeamEnvError:
                continue  # the vault key's own trouble is told with the .env
        return found

    def ca(self, service: dict) -> str:
        """PEM text; empty where a weaker connection needs none."""
        return self._read(service, "ca", service["ca"]).decode(errors="replace") if service["ca"] else ""

    def client(self, service: dict) -> str:
        """Certificate, what it hangs on, and key as one PEM text, a secret; empty where none are declared."""
        if not service["client"]:
            return ""
        certificate = self._read(service, "client_certificate", service["client"]["certificate"])
        return f"{certificate.decode(errors='replace').strip()}\n{self._key(service).decode(errors='replace').strip()}\n"

    def clients(self, declaration: dict) -> dict[str, str]:
        """Variable of a host's ``.env`` → its text, for the services that have one."""
        return {service["client_variable"]: self.client(service) for service in _declaration.services(declaration) if service["client"]}

    def digests(self, declaration: dict) -> dict[str, str]:
        """Service → the name of what its connections are made with, as its bridge gives it."""
        services = [*_declaration.services(declaration), *_declaration.user_services(declaration)]
        return {service["name"]: _database_tls.digest(self.ca(service), self.client(service)) for service in services}

    def _check(self, service: dict) -> None:
        if not service["client"]:
            return
        # Here, not above: every action imports this file, few teams have client certificates. ansible-core itself brings the library.
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

        try:
            leaf = x509.load_pem_x509_certificates(self._read(service, "client_certificate", service["client"]["certificate"]))[0]
        except ValueError:
            step = "put the certificate there, then those that it hangs on"
            raise MaterialError(service, "client_certificate", "is not a PEM certificate", step) from None
        try:
            key = load_pem_private_key(self._key(service), password=None)
        except (ValueError, TypeError):
            step = "encrypt it with ansible-vault and the team's key instead"
            raise MaterialError(service, "client_key", "is not a PEM key without a passphrase", step) from None
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
            raise MaterialError(service, "client_key", "is the key of another certificate", "name the two that belong together")

    def _key(self, service: dict) -> bytes:
        declared = service["client"]["key"]
        raw = self._read(service, "client_key", declared)
        if not is_encrypted(raw):
            if Path(self._path_of(declared)).stat().st_mode & 0o077:
                step = f"chmod 600 {declared}, or encrypt it with ansible-vault and the team's key"
                raise MaterialError(service, "client_key", "others may read it", step)
            return raw
        try:
            return _team_env.decrypt(raw, self._env.keys(), self._env.team)
        except AnsibleError:
            step = f"use --vault-id {self._env.team}@KEYFILE"
            raise MaterialError(service, "client_key", "is encrypted with another key than the team's", step) from None

    def _read(self, service: dict, key: str, declared: str) -> bytes:
        try:
            return Path(self._path_of(declared)).read_bytes()
        except OSError as error:
            raise MaterialError(service, key, f"{declared} cannot be read ({error.strerror})", "put the file there, relative to the inventory") from None
