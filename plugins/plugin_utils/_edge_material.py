# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""The edge's files on the control node: a certificate that is given, its key, CAs. A key may be vault-encrypted with the team's key."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.parsing.vault import is_encrypted

from ansible_collections.mcp.tenancy.plugins.module_utils import _edge
from ansible_collections.mcp.tenancy.plugins.module_utils._problem import Problem
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _team_env


class EdgeMaterialError(Exception):
    """A file cannot be used: ``problem``."""

    def __init__(self, key: str, what: str, step: str) -> None:
        self.problem = Problem(f"mcp_edge.{key}", what, step)
        super().__init__(str(self.problem))


class EdgeMaterial:
    """``path_of``: from a declared path to one on this machine. ``env``: the operator's ``.env``, whose key opens an encrypted file."""

    def __init__(self, edge: dict, path_of: Callable[[str], str], env: _team_env.TeamEnv) -> None:
        self._edge, self._path_of, self._env = edge, path_of, env

    def problems(self, now: datetime.datetime | None = None) -> list[Problem]:
        """Everything that a deploy would stumble over."""
        try:
            if self._edge["tls"] == "given":
                self._check(now or datetime.datetime.now(datetime.UTC))
            self.acme_ca()
        except EdgeMaterialError as error:
            return [error.problem]
        except _team_env.TeamEnvError:
            return []  # the vault key's own trouble is told with the .env
        return []

    def acme_ca(self) -> str:
        """The CA of the ACME server; empty where the system's are enough."""
        return self._read("acme.ca", self._edge["acme"]["ca"]).decode() if self._edge["acme"].get("ca") else ""

    def given(self) -> str:
        """Chain and key as one PEM text; empty where none is given."""
        if self._edge["tls"] != "given":
            return ""
        return f"{self._read('tls.certificate', self._edge['given']['certificate']).decode().strip()}\n{self._key().decode().strip()}\n"

    def authority(self, host: str) -> str:
        """What the control node has as this host's root certificate; empty when nothing is there."""
        try:
            return _edge.authority_block(Path(self._path_of(self._edge["ca_file"])).read_text(), host)
        except OSError:
            return ""

    def _check(self, now: datetime.datetime) -> None:
        # Here, not above: every action imports this file, few teams give a certificate. ansible-core itself brings the library.
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

        try:
            leaf = x509.load_pem_x509_certificates(self._read("tls.certificate", self._edge["given"]["certificate"]))[0]
        except ValueError:
            raise EdgeMaterialError("tls.certificate", "is not a PEM certificate", "put the certificate there, then those that it hangs on") from None
        try:
            key = load_pem_private_key(self._key(), password=None)
        except (ValueError, TypeError):
            raise EdgeMaterialError("tls.key", "is not a PEM key without a passphrase", "encrypt it with ansible-vault and the team's key instead") from None
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
            raise EdgeMaterialError("tls.key", "is the key of another certificate", "name the two that belong together")
        if not leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc:
            when = f"from {leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}"
            raise EdgeMaterialError("tls.certificate", f"is valid {when}, not today", "get a new one")
        try:
            patterns = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        except x509.ExtensionNotFound:
            patterns = []
        for name in _edge.names(self._edge):
            if not any(_covers(pattern, name) for pattern in patterns):
                raise EdgeMaterialError("tls.certificate", f"is not for {name}", "get one that names it")

    def _key(self) -> bytes:
        declared = self._edge["given"]["key"]
        raw = self._read("tls.key", declared)
        if not is_encrypted(raw):
            if Path(self._path_of(declared)).stat().st_mode & 0o077:
                raise EdgeMaterialError("tls.key", "others may read it", f"chmod 600 {declared}, or encrypt it with ansible-vault and the team's key")
            return raw
        try:
            return _team_env.decrypt(raw, self._env.keys(), self._env.team)
        except AnsibleError:
            raise EdgeMaterialError("tls.key", "is encrypted with another key than the team's", f"use --vault-id {self._env.team}@KEYFILE") from None

    def _read(self, key: str, declared: str) -> bytes:
        try:
            return Path(self._path_of(declared)).read_bytes()
        except OSError as error:
            raise EdgeMaterialError(key, f"{declared} cannot be read ({error.strerror})", "put the file there, relative to the inventory") from None


def _covers(pattern: str, name: str) -> bool:
    """By RFC 6125: an asterisk stands for one whole label on the left."""
    pattern = pattern.lower()
    return pattern == name or (pattern.startswith("*.") and "." in name and pattern[2:] == name.split(".", 1)[1])
