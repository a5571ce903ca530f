# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Connection strings of the two engines, and of a Redis that gateways share: parsed strictly, rendered canonically. Pure, standard library only.

A message of :class:`ConnectionStringError` never holds a part of the string: it may be a password.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote_to_bytes

SCHEMES = {"postgres": ("postgresql", "postgres"), "mongodb": ("mongodb",), "redis": ("redis", "rediss")}
DEFAULT_PORTS = {"postgres": 5432, "mongodb": 27017, "redis": 6379}
#: Parameters that an imported string may carry. Everything else is rendered from the inventory.
PARAMETERS = {"postgres": {"sslmode"}, "mongodb": {"authSource", "tls", "authMechanism"}, "redis": set()}
MAX_LENGTH = 8192

_URL = re.compile(
    r"(?P<scheme>[a-z]+)://(?P<user>[^:@/?#]+):(?P<password>[^:@/?#]*)@(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"/(?P<database>[^/?#]*)(?:\?(?P<query>[^#]*))?"
)
_ENCODED = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")


class ConnectionStringError(ValueError):
    """What is wrong with a connection string, in words that are safe to print."""


@dataclass(frozen=True)
class Connection:
    """One login at one database. ``user`` and ``password`` are decoded text."""

    engine: str
    user: str
    password: str
    host: str
    port: int
    database: str
    parameters: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"Connection({self.engine}, {self.host}:{self.port}/{self.database})"


def parse(text: str, engine: str) -> Connection:
    """Read ``scheme://user:password@host[:port]/database[?parameters]``; user and password percent-encoded UTF-8.

    Raises :class:`ConnectionStringError` on anything else: several hosts, a missing password, unknown parameters.
    """
    if len(text) > MAX_LENGTH:
        raise ConnectionStringError(f"is longer than {MAX_LENGTH} characters")
    scheme = text.partition("://")[0]
    if scheme not in SCHEMES[engine] or "://" not in text:
        raise ConnectionStringError(f"must start with {SCHEMES[engine][0]}://")
    match = _URL.fullmatch(text)
    if not match:
        raise ConnectionStringError(
            f"is not {SCHEMES[engine][0]}://user:password@host:port/database "
            "(one host; each of @ : / ? # and % in the user or password percent-encoded, for instance @ as %40)"
        )
    port = int(match["port"] or DEFAULT_PORTS[engine])
    if not 1 <= port <= 65535:
        raise ConnectionStringError("has a port outside 1 to 65535")
    parameters = tuple(parse_qsl(match["query"] or "", keep_blank_values=True))
    _check_parameters(parameters, engine)
    connection = Connection(
        engine=engine,
        user=_decode(match["user"], "user"),
        password=_decode(match["password"], "password"),
        host=match["host"],
        port=port,
        database=_decode(match["database"], "database"),
        parameters=parameters,
    )
    for part in ("user", "password", "database"):
        if not getattr(connection, part):
            raise ConnectionStringError(f"names no {part}")
    return connection


def _check_parameters(parameters: tuple[tuple[str, str], ...], engine: str) -> None:
    names = [name for name, _value in parameters]
    unknown = sorted(set(names) - PARAMETERS[engine])
    if unknown:
        allowed = ", ".join(sorted(PARAMETERS[engine]))
        raise ConnectionStringError(f"has {len(unknown)} parameter(s) that are not allowed here; allowed: {allowed}. TLS and limits come from the inventory")
    if len(names) != len(set(names)):
        raise ConnectionStringError("has a parameter twice")


def _decode(text: str, part: str) -> str:
    if not _ENCODED.fullmatch(text):
        raise ConnectionStringError(f"has a character in its {part} that must be percent-encoded (%XX of its UTF-8 bytes)")
    try:
        value = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ConnectionStringError(f"has a {part} that is not UTF-8 once decoded") from None
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise ConnectionStringError(f"has a control character in its {part}")
    if unicodedata.normalize("NFKC", value) != value:
        # SASLprep (RFC 4013) would change it on one side only, and the login would fail far from here.
        raise ConnectionStringError(f"has a {part} that is not in Unicode normal form NFKC, so drivers and servers would disagree about it")
    return value


def render(engine: str, user: str, password: str, host: str, port: int, database: str, parameters: dict[str, str] | None = None) -> str:
    """The canonical string: everything that could be misread is percent-encoded. ``parse(render(...))`` gives the parts back."""
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in (parameters or {}).items())
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return f"{SCHEMES[engine][0]}://{login}@{host}:{port}/{quote(database, safe='')}" + (f"?{query}" if query else "")


def disagreements(connection: Connection, declared: dict) -> list[str]:
    """Where an imported string and the inventory differ; names of parts and the inventory's value, never the string's.

    ``declared`` has ``host``, ``port``, ``database`` and ``parameters`` (the TLS settings and authSource that will be used).
    """
    wrong = [part for part in ("host", "port", "database") if getattr(connection, part) != declared[part]]
    wrong += [name for name, value in connection.parameters if value != declared["parameters"].get(name)]
    return [f"{part} (the inventory says {declared.get(part, declared['parameters'].get(part, 'nothing'))})" for part in wrong]
