# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may come in: the bearer, and the names under which this service is reached (a web page must not reach it through a name of its own). Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Caller:
    """Who calls. ``name``: of the bearer, for the audit. ``users/`` adds the login that this one request brings, and the person whom the gateway names."""

    name: str
    credential: object = None
    person: str = ""


class Access:
    """``names``: host, or host and port, as they may stand in a Host header."""

    def __init__(self, token: str, port: int, names: Iterable[str] = ()) -> None:
        self._tokens = [token.encode()]
        local = {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost", "[::1]")}
        self._hosts = local | {name.lower().encode() for name in names}
        self._origins = {b"http://" + host for host in self._hosts} | {b"https://" + host for host in self._hosts}

    def accept(self, tokens: Iterable[str]) -> bool:
        """From now on these bearers, and no others: two of them while one takes the place of the other. Whether that is a change."""
        before, self._tokens = self._tokens, [token.encode() for token in tokens]
        return sorted(before) != sorted(self._tokens)

    @property
    def bearers(self) -> list[str]:
        """A label for each that is accepted, which tells nothing about it; the control node derives the same (``_declaration.bearer_label``)."""
        return sorted(hashlib.sha256(b"label\0" + token).hexdigest()[:12] for token in self._tokens)

    def reached_well(self, headers: Headers) -> bool:
        """One known Host, and no foreign Origin."""
        hosts = [value.lower() for name, value in headers if name == b"host"]
        origins = [value.lower() for name, value in headers if name == b"origin"]
        return len(hosts) == 1 and hosts[0] in self._hosts and all(origin in self._origins for origin in origins)

    def caller(self, headers: Headers) -> Caller | None:
        """Whoever holds the token, by a digest that tells nothing; None for somebody without it. Raises BridgeError for what is no well-formed request."""
        given = [value for name, value in headers if name == b"authorization"]
        if len(given) != 1 or given[0][:7].lower() != b"bearer ":
            return None
        right = [hmac.compare_digest(given[0][7:].strip(), token) for token in self._tokens]  # all of them, so that the time tells nothing
        if not any(right):
            return None
        return Caller("bearer:" + hashlib.sha256(given[0][7:].strip()).hexdigest()[:12])
