# SPDX-License-Identifier: GPL-3.0-or-later
"""CAs and certificates for tests, good and bad ones."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


@dataclass
class Pair:
    """PEM texts."""

    certificate: str
    key: str = field(repr=False)

    def written(self, certificate: Path, key: Path) -> None:
        """The key first: who reads both meanwhile finds a certificate that it does not fit, and keeps what it has."""
        for path, text in ((key, self.key), (certificate, self.certificate)):
            path.touch(mode=0o600)
            path.chmod(0o600)
            path.write_text(text)


class Authority:
    """One CA; its key lives as long as the test."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = self._signed(self._name, self._key.public_key(), -DAY, 30 * DAY, None)
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def server(self, name: str = "localhost", begins: datetime.timedelta = -DAY, ends: datetime.timedelta = 30 * DAY) -> Pair:
        """For ``name``, and for 127.0.0.1 where that is localhost; valid from and until so long from now."""
        names = [x509.DNSName(name), *([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))] if name == "localhost" else [])]
        return self._pair(name, begins, ends, x509.SubjectAlternativeName(names), ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, name: str) -> Pair:
        return self._pair(name, -DAY, 30 * DAY, x509.SubjectAlternativeName([x509.DNSName(name)]), ExtendedKeyUsageOID.CLIENT_AUTH)

    def _pair(self, name: str, begins: datetime.timedelta, ends: datetime.timedelta, names: x509.SubjectAlternativeName, usage: x509.ObjectIdentifier) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._signed(subject, key.public_key(), begins, ends, (names, x509.ExtendedKeyUsage([usage])))
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Pair(certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode())

    def _signed(self, subject: x509.Name, public: object, begins: datetime.timedelta, ends: datetime.timedelta, more: tuple | None) -> x509.Certificate:
        now, is_ca = datetime.datetime.now(datetime.UTC), more is None
        usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(public).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now + begins).not_valid_after(now + ends)
        builder = builder.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        builder = builder.add_extension(x509.KeyUsage(digital_signature=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca, **usage), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        for extension in more or ():
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self._key, hashes.SHA256())
