# SPDX-License-Identifier: GPL-3.0-or-later
"""In which forms a secret may stand somewhere, and a text in which any of many secrets is looked for.

Most secrets have a long run of letters and digits in them, which percent-encoding, JSON, a shell's quotes and SQL leave as it is, once or twice over. So that
run alone is looked for, with what encodings of all bytes make of it. A secret without such a run is looked for in each of its forms.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
from urllib.parse import quote, quote_plus

#: So many letters and digits, some of both, are not somewhere by chance. A word alone may be.
RUN = 12
#: A secret of fewer bytes is found everywhere; it cannot be looked for.
LEAST = 6
PLAIN = re.compile(r"(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]+")


class TooShortError(ValueError):
    """A secret that cannot be told from chance."""


def of(secret: str) -> dict[str, set[bytes]]:
    """The name of a form → what stands there. Raises :class:`TooShortError`."""
    if len(secret.encode()) < LEAST:
        raise TooShortError
    run = max(PLAIN.findall(secret), key=len, default="")
    if len(run) >= RUN:
        return {"as it is": {run.encode()}, **_of_bytes(run.encode())}
    raw = secret.encode()
    found = {
        "as it is": {raw},
        "percent-encoded": _percent(raw),
        "in JSON": {json.dumps(secret)[1:-1].encode(), json.dumps(secret, ensure_ascii=False)[1:-1].encode()},
        "quoted for a shell": _shell(secret),
        "quoted for SQL": {secret.replace("'", "''").encode()},
    }
    return _told_once({**found, **_of_bytes(raw)})


def _percent(raw: bytes) -> set[bytes]:
    """Upper and lower case, with and without the slash, as a path and as a form, and encoded twice."""
    once = {quote(raw, safe=""), quote(raw), quote_plus(raw), quote(raw, safe="!$&'()*+,;=")}
    upper = once | {quote(text, safe="") for text in once}
    return {text.encode() for text in upper | {re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), text) for text in upper}}


def _shell(secret: str) -> set[bytes]:
    """What stands between single quotes, between double quotes, and with a backslash before each odd character."""
    inside = secret.replace("'", "'\\''"), secret.replace("'", "'\"'\"'"), re.sub(r'([\\"$`])', r"\\\1", secret), re.sub(r"([^A-Za-z0-9_])", r"\\\1", secret)
    return {text.encode() for text in (*inside, shlex.quote(secret).strip("'"))}


def _of_bytes(raw: bytes) -> dict[str, set[bytes]]:
    """Of encodings that take bytes and leave no character as it was."""
    standard = {_base64(raw, before) for before in range(3)}
    urls = {text.replace(b"+", b"-").replace(b"/", b"_") for text in standard}
    return {"base64": standard | urls, "hex": {raw.hex().encode(), raw.hex().upper().encode()}}


def _base64(raw: bytes, before: int) -> bytes:
    """What all texts have in common that begin with so many other bytes, before this: whole characters of ours only."""
    text = base64.b64encode(bytes(before) + raw)
    first = (before * 8 + 5) // 6
    last = (before + len(raw)) * 8 // 6
    return text[first:last]


def _told_once(found: dict[str, set[bytes]]) -> dict[str, set[bytes]]:
    """Each text under the first form that makes it, so that a hit has one."""
    seen: set[bytes] = set()
    left = {}
    for name, texts in found.items():
        left[name] = {text for text in texts if len(text) >= LEAST} - seen
        seen |= texts
    return {name: texts for name, texts in left.items() if texts}


class Wanted:
    """Many secrets at once. ``secrets``: name → value. ``short``: names of those that cannot be looked for."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self._texts: dict[bytes, list[tuple[str, str]]] = {}
        self.short: list[str] = []
        self.add(secrets)

    def add(self, secrets: dict[str, str]) -> None:
        """More of them."""
        for name, value in secrets.items():
            try:
                forms = of(value)
            except TooShortError:
                self.short.append(name)
                continue
            for form, texts in forms.items():
                for text in texts:
                    self._texts.setdefault(text, []).append((name, form))

    @property
    def texts(self) -> list[bytes]:
        """Everything that is looked for."""
        return list(self._texts)

    @property
    def longest(self) -> int:
        return max(map(len, self._texts), default=0)

    def found(self, text: bytes) -> list[tuple[str, str]]:
        """(name, form) of each secret that stands in it."""
        return sorted({hit for wanted, hits in self._texts.items() if wanted in text for hit in hits})

    def places(self, text: bytes) -> list[tuple[int, str, str]]:
        """(first place, name, form) of each."""
        return sorted({(text.index(wanted), *hit) for wanted, hits in self._texts.items() if wanted in text for hit in hits})

    def hidden(self, text: str) -> str:
        """A name or a message for a report: never one with a secret in it."""
        return "(not shown: there is a secret in it)" if self.found(text.encode(errors="surrogateescape")) else text
