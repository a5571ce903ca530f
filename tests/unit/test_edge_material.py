# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate that is given to the edge: everything that would fail on a host is told before."""

from __future__ import annotations

import datetime
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from ansible_collections.mcp.tenancy.plugins.module_utils import _edge
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _edge_material, _team_env
from tests.unit.test_edge import GIVEN, NAME, UI, edge

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
TEAM_KEY = b"k" * 32


def pair(names: list[str], days: int = 30) -> tuple[bytes, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - datetime.timedelta(days=1), NOW + datetime.timedelta(days=days))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM), key


def pem(key: ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password) if password else NoEncryption())


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "files").mkdir()

    def put(self, certificate: bytes, key: bytes, mode: int = 0o600) -> None:
        (self.path / "files/edge.pem").write_bytes(certificate)
        (self.path / "files/edge.key").write_bytes(key)
        (self.path / "files/edge.key").chmod(mode)

    def material(self, **changes: object) -> _edge_material.EdgeMaterial:
        declared = _edge.of(edge(tls=GIVEN, **changes))
        (self.path / "vault.key").write_bytes(TEAM_KEY)
        (self.path / "vault.key").chmod(0o600)
        env = _team_env.TeamEnv("team_a", str(self.path / ".env"), str(self.path / "vault.key"))
        return _edge_material.EdgeMaterial(declared, lambda path: str(self.path / path), env)

    def problems(self, **changes: object) -> list[str]:
        return [str(problem) for problem in self.material(**changes).problems(NOW)]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_good_pair_is_one_text(folder: Folder) -> None:
    certificate, key = pair([NAME])
    folder.put(certificate, pem(key))
    assert folder.problems() == []
    assert folder.material().given().encode() == certificate.strip() + b"\n" + pem(key)


def test_a_key_may_be_encrypted_with_the_teams_key_only(folder: Folder) -> None:
    certificate, key = pair([NAME])
    folder.put(certificate, _team_env.encrypt(pem(key), TEAM_KEY, "team_a"), 0o644)
    assert folder.problems() == [] and pem(key).decode().strip() in folder.material().given()
    folder.put(certificate, _team_env.encrypt(pem(key), b"o" * 32, "team_a"))
    (told,) = folder.problems()
    assert "another key than the team's" in told


def test_a_key_that_ansible_vault_encrypted_as_the_page_says(folder: Folder, tmp_path: Path) -> None:
    certificate, key = pair([NAME])
    folder.put(certificate, pem(key))
    folder.material()  # writes the vault key
    vault = [str(Path(sys.executable).parent / "ansible-vault"), "encrypt", "--vault-id", f"team_a@{tmp_path}/vault.key", "--encrypt-vault-id", "team_a"]
    subprocess.run([*vault, str(tmp_path / "files/edge.key")], check=True, capture_output=True)
    assert b"PRIVATE KEY" not in (tmp_path / "files/edge.key").read_bytes()
    assert folder.problems() == [] and pem(key).decode().strip() in folder.material().given()


@pytest.mark.parametrize("names", [[NAME, UI["name"]], ["*.team-a.internal"]])
def test_names_are_covered(folder: Folder, names: list[str]) -> None:
    certificate, key = pair(names)
    folder.put(certificate, pem(key))
    assert folder.problems(ui=UI) == []


@pytest.mark.parametrize("names", [[NAME], ["*.internal"], ["*.gw1.team-a.internal"], ["xgw1.team-a.internal"]])
def test_a_name_that_is_not_covered_is_told(folder: Folder, names: list[str]) -> None:
    certificate, key = pair(names)
    folder.put(certificate, pem(key))
    (told,) = folder.problems(ui=UI)
    assert "is not for" in told and told.startswith("mcp_edge.tls.certificate: ")


def test_other_mistakes(folder: Folder) -> None:
    (told,) = folder.problems()
    assert "files/edge.pem cannot be read" in told
    certificate, key = pair([NAME])
    other = pair([NAME])[1]
    for given, says in [
        ((certificate, pem(other)), "the key of another certificate"),
        ((certificate, pem(key), 0o640), "others may read it"),
        ((certificate, pem(key, b"secret")), "without a passphrase"),
        ((certificate, b"x"), "not a PEM key"),
        ((b"x", pem(key)), "not a PEM certificate"),
    ]:
        folder.put(*given)
        (told,) = folder.problems()
        assert says in told and "Next: " in told
    expired, key = pair([NAME], days=0)
    folder.put(expired, pem(key))
    (told,) = folder.problems()
    assert "valid from 2026-05-31 to 2026-06-01, not today" in told


def test_an_own_ca_needs_no_file(folder: Folder) -> None:
    declared = _edge.of(edge())
    material = _edge_material.EdgeMaterial(declared, lambda path: str(folder.path / path), _team_env.TeamEnv("team_a", "x", "x"))
    assert material.problems() == [] and material.given() == material.acme_ca() == material.authority("gw1") == ""
