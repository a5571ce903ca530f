# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Whether a database shows the certificate that its connection demands, and if not, why, in one set of words for every place that asks. Standard library only.

Drivers refuse by themselves; what they say of it differs with driver and version, and some of them say nothing but a time-out. So whoever was refused, or is
about to connect, asks here: TLS as the driver would speak it (PostgreSQL after an SSLRequest, others from the first byte), then one question of the protocol,
since with TLS 1.3 a server tells only then that it does not take the client's certificate. No login is tried.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
import struct
import time
from dataclasses import dataclass

#: From the weakest to the one that every connection has unless the inventory allows another. The names are libpq's.
MODES = ("disable", "require", "verify-ca", "verify-full")
#: Causes for which a connection is refused. An unreachable server is no matter of TLS.
UNREACHABLE = "unreachable"
STEPS = {
    "other_ca": "put the CA that signed it into ca (old and new one in one file while it changes), or find out who answers there",
    "other_name": "declare the host by a name that its certificate has, or give the server a certificate for the declared name",
    "expired": "give the server a new certificate",
    "not_yet_valid": "give the server a certificate that is valid now, or correct the clock of this host",
    "no_tls": "switch TLS on at the server",
    "client_certificate": "declare client_certificate and client_key, of a CA that the server trusts for its clients",
    "not_verified": "see the server's log and its certificate chain",
    "ca_file": "name a PEM file with the certificate of the database's CA in ca",
    "client_file": "name a PEM certificate and the key that belongs to it, without a passphrase, in client_certificate and client_key",
    UNREACHABLE: "see that the server runs and that this host reaches it",
}
#: For a handshake: a server without TLS may wait for more of what it takes for a long message.
HANDSHAKE_SECONDS = 3.0
#: OpenSSL's X509_V_ERR_*.
_VERIFY = {9: "not_yet_valid", 10: "expired", 62: "other_name", 64: "other_name", 18: "other_ca", 19: "other_ca", 20: "other_ca", 21: "other_ca"}
_CERTIFICATE_REQUEST = (22, 13)  # content type and message type of TLS
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which the module ssl has no name for
_ALERTS = re.compile(r"ALERT_(\w*CERTIFICATE\w*|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)", re.IGNORECASE)
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_SSL_REQUEST = struct.pack("!II", 8, 80877103)
#: ``{hello: 1, $db: "admin"}`` as an OP_MSG.
_HELLO = struct.pack("<iiii", 52, 1, 0, 2013) + struct.pack("<IB", 0, 0) + struct.pack("<i", 31) + b"\x10hello\0\1\0\0\0\x02$db\0\6\0\0\0admin\0\0"
_NOBODY = b"mcp_tenancy_probe"
_PING = b"PING\r\n"


@dataclass(frozen=True)
class Target:
    """``ca`` and ``client`` (certificate and key in one file) are paths of PEM files, empty for none."""

    engine: str
    host: str
    port: int
    ca: str = ""
    mode: str = MODES[-1]
    client: str = ""
    database: str = ""

    @property
    def place(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Verdict:
    """``cause``: empty where everything is as declared, else a key of :data:`STEPS`. ``words`` follow the place.

    ``until``: the day on which the certificate ends, ``days`` from now.
    """

    cause: str = ""
    words: str = ""
    until: str = ""
    days: int | None = None

    @property
    def refused(self) -> bool:
        return self.cause not in ("", UNREACHABLE)

    @property
    def step(self) -> str:
        return STEPS.get(self.cause, "")


def mode_of(engine: str, parameters: dict[str, str]) -> str:
    """One of :data:`MODES` from the parameters that a connection has."""
    if engine == "postgres":
        return parameters.get("sslmode", MODES[-1])
    if parameters.get("tls") != "true":
        return "disable"
    if parameters.get("tlsAllowInvalidCertificates") == "true":
        return "require"
    return "verify-ca" if parameters.get("tlsAllowInvalidHostnames") == "true" else "verify-full"


def mongodb_parameters(mode: str) -> dict[str, str]:
    """The same in MongoDB's words."""
    weaker = {"verify-ca": {"tlsAllowInvalidHostnames": "true"}, "require": {"tlsAllowInvalidCertificates": "true"}}
    return {"tls": "false" if mode == "disable" else "true", **weaker.get(mode, {})}


class _Told(Exception):
    def __init__(self, cause: str, words: str) -> None:
        super().__init__(words)
        self.verdict = Verdict(cause, words)


def sentence(target: Target, verdict: Verdict) -> str:
    """Host and port, the cause, the next step."""
    return f"{target.place} {verdict.words}. Next: {verdict.step}"


def digest(ca: str, client: str = "") -> str:
    """A name for what a connection is made with: of the certificates in both PEM texts, never of the key."""
    found = ["\n".join("".join(block.split()) for block in _CERTIFICATE.findall(text)) for text in (ca, client)]
    return hashlib.sha256("\n-\n".join(found).encode()).hexdigest()[:16]


def context(target: Target) -> ssl.SSLContext:
    """For every connection of ours: TLS 1.2 at least, the declared CA and no other. Raises OSError (ssl.SSLError is one) or ValueError."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.check_hostname = target.mode == "verify-full"
    if target.mode in ("verify-ca", "verify-full"):
        made.load_verify_locations(cafile=target.ca)
    else:
        made.verify_mode = ssl.CERT_NONE
    if target.client:
        made.load_cert_chain(target.client, password=_no_passphrase)
    return made


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase")


def look(target: Target, seconds: float = 5.0) -> Verdict:
    """One connection, or a few where it is refused. Never raises for what a server does."""
    try:
        made = _context(target)
        if target.mode == "disable":
            _connect(target, seconds).close()
            return Verdict()
        return _shown(_ask(target, made, seconds))
    except _Told as told:
        return told.verdict


def _context(target: Target) -> ssl.SSLContext:
    try:
        context(Target(target.engine, target.host, target.port, target.ca, target.mode))
    except (OSError, ValueError):
        raise _Told("ca_file", "has no CA file that can be used") from None
    try:
        return context(target)
    except (OSError, ValueError):
        raise _Told("client_file", "has no client certificate with its key that can be used") from None


def _connect(target: Target, seconds: float) -> socket.socket:
    try:
        made = socket.create_connection((target.host.strip("[]"), target.port), timeout=seconds)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise _Told(UNREACHABLE, f"cannot be reached ({why})") from None
    # The question follows the end of the handshake, which a server need not answer: it would wait 40 ms for the acknowledgement.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _ask(target: Target, made: ssl.SSLContext, seconds: float) -> dict:
    """The server's certificate, as far as it was verified. Raises _Told."""
    asked = _asks_for_a_certificate(made)
    with contextlib.closing(_connect(target, seconds)) as plain:
        if target.engine == "postgres":
            _request_tls(target, plain)
        try:
            plain.settimeout(min(seconds, HANDSHAKE_SECONDS))
            channel = made.wrap_socket(plain, server_hostname=target.host.strip("[]"))
        except ssl.SSLCertVerificationError as error:
            raise _unverified(target, error, seconds) from None
        except (OSError, ValueError) as error:
            raise _no_handshake(target, error, seconds) from None
        with channel:
            shown = channel.getpeercert() or {}
            try:
                _greet(target, channel)
            except OSError as error:
                # A server that closes on what it was sent may cut off its own alert on the way. In TLS 1.2 the alert belongs to the handshake.
                raise (_alert(target, error) or _once_more(target, made, seconds, error, asked)) from None
            return shown


def _asks_for_a_certificate(made: ssl.SSLContext) -> list[bool]:
    """Not empty once a server has asked for a client certificate. The module ssl tells of it by a hook for debugging only; without that it stays empty."""
    seen: list[bool] = []
    if hasattr(made, "_msg_callback"):
        made._msg_callback = lambda _channel, direction, _version, content, message, _data: (
            seen.append(True) if direction == "read" and (int(content), int(message)) == _CERTIFICATE_REQUEST else None
        )
    return seen


def _request_tls(target: Target, plain: socket.socket) -> None:
    try:
        plain.sendall(_SSL_REQUEST)
        answer = plain.recv(1)
    except OSError as error:
        raise _Told(UNREACHABLE, f"does not answer ({error.strerror or type(error).__name__})") from None
    if answer == b"N":
        raise _Told("no_tls", "offers no TLS")
    if answer != b"S":
        raise _Told(UNREACHABLE, "does not answer as PostgreSQL does")


def _greet(target: Target, channel: socket.socket) -> None:
    """One question of the protocol and the beginning of its answer. Raises OSError, or _Told where the server says that it wants a certificate."""
    if target.engine == "postgres":
        named = b"user\0" + _NOBODY + b"\0database\0" + (target.database or "postgres").encode() + b"\0\0"
        channel.sendall(struct.pack("!II", 8 + len(named), 196608) + named)
        kind, rest = _exactly(channel, 1), _exactly(channel, 4)
        if kind == b"E":
            said = _exactly(channel, max(0, min(struct.unpack("!I", rest)[0] - 4, 4096))).split(b"\0")
            if b"C28000" in said and any(field[:1] == b"M" and b"client certificate" in field for field in said):
                raise _client_certificate(target)
        return  # a login that is not one of ours: whether it would be let in says nothing
    if target.engine == "redis":
        channel.sendall(_PING)
        _exactly(channel, 1)  # that it is alive, or wants a login first
        return
    channel.sendall(_HELLO)
    _exactly(channel, 16)


def _exactly(channel: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = channel.recv(size - len(found))
        if not part:
            raise ConnectionResetError(0, "it ends the connection")
        found += part
    return found


def _once_more(target: Target, made: ssl.SSLContext, seconds: float, error: OSError, asked: list[bool]) -> _Told:
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    with contextlib.closing(_connect(target, seconds)) as plain:
        if target.engine == "postgres":
            _request_tls(target, plain)
        try:
            made.wrap_socket(plain, server_hostname=target.host.strip("[]")).close()
        except OSError as again:
            if asked or _alert(target, again):  # one that asks for a certificate, and twice goes away when it has it
                return _client_certificate(target)
    return _Told(UNREACHABLE, f"does not answer over TLS ({error.strerror or type(error).__name__})")


def _alert(target: Target, error: Exception) -> _Told | None:
    """A server's complaint about a certificate is about ours: it has seen no other."""
    return _client_certificate(target) if isinstance(error, ssl.SSLError) and _ALERTS.search(error.reason or "") else None


def _client_certificate(target: Target) -> _Told:
    if target.client:
        return _Told("client_certificate", "does not take the client certificate that is declared")
    return _Told("client_certificate", "demands a client certificate, and none is declared")


def _unverified(target: Target, error: ssl.SSLCertVerificationError, seconds: float) -> _Told:
    cause = _VERIFY.get(error.verify_code, "not_verified")
    if cause == "other_ca":
        return _Told(cause, "shows a certificate of another CA than the declared one")
    if cause == "not_verified":
        return _Told(cause, f"shows a certificate that cannot be verified ({error.verify_message})")
    shown = _whatever_it_shows(target, seconds)
    if cause == "other_name":
        names = ", ".join(value for _kind, value in shown.get("subjectAltName", ())[:5])
        return _Told(cause, f"shows a certificate for another name than {target.host}" + (f" (it is for {names})" if names else ""))
    when, until = ("notBefore", "is not valid yet") if cause == "not_yet_valid" else ("notAfter", "has expired")
    moment = ssl.cert_time_to_seconds(shown[when]) if when in shown else None
    if cause == "expired" and moment is not None and moment > time.time():
        return _Told(cause, "shows a certificate of a CA whose own certificate has expired")
    day = f" ({'on' if cause == 'expired' else 'before'} {_day(moment)})" if moment is not None else ""
    return _Told(cause, f"shows a certificate that {until}{day}")


def _whatever_it_shows(target: Target, seconds: float) -> dict:
    """The certificate of a server whose CA is right, whatever its name and time. For words only."""
    made = context(Target(target.engine, target.host, target.port, target.ca, "verify-ca"))
    made.verify_flags |= _NO_CHECK_TIME
    try:
        with contextlib.closing(_connect(target, seconds)) as plain:
            if target.engine == "postgres":
                _request_tls(target, plain)
            with made.wrap_socket(plain, server_hostname=target.host.strip("[]")) as channel:
                return channel.getpeercert() or {}
    except (OSError, ValueError, _Told):
        return {}


def _no_handshake(target: Target, error: Exception, seconds: float) -> _Told:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
    if told := _alert(target, error):
        return told
    if target.engine != "postgres" and _answers_in_clear(target, seconds):
        return _Told("no_tls", "offers no TLS")
    if "PROTOCOL_VERSION" in str(reason) or "UNSUPPORTED_PROTOCOL" in str(reason):
        return _Told("not_verified", "speaks no version of TLS from 1.2 on")
    return _Told(UNREACHABLE, f"does not finish a TLS handshake ({reason})")


def _answers_in_clear(target: Target, seconds: float) -> bool:
    try:
        with contextlib.closing(_connect(target, seconds)) as plain:
            if target.engine == "redis":
                plain.sendall(_PING)
                return _exactly(plain, 1) in (b"+", b"-")
            plain.sendall(_HELLO)
            length, _identity, answers, operation = struct.unpack("<iiii", _exactly(plain, 16))
            return answers == 1 and operation in (1, 2013) and length >= 16
    except (OSError, _Told):
        return False


def _shown(certificate: dict) -> Verdict:
    if "notAfter" not in certificate:
        return Verdict()
    moment = ssl.cert_time_to_seconds(certificate["notAfter"])
    return Verdict(until=_day(moment), days=int((moment - time.time()) // 86400))


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))
