# SPDX-License-Identifier: GPL-3.0-or-later
"""One file's bytes in, what is secret in it out. Nothing that is returned holds a part of a secret."""

from __future__ import annotations

import bisect
import codecs
import itertools
import re
from dataclasses import dataclass
from functools import cache

from detect_secrets.core.plugins import initialize
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector

from guard import rules, whole
from guard.values import is_placeholder

LARGEST = 32 * 1024 * 1024
TOO_LARGE = "too large to be searched"
#: What to do, by rule; the last resort is the list of what is allowed.
STEPS = {
    whole.CLEAR_ENV: "encrypt it: ansible-vault encrypt --vault-id TEAM@KEYFILE FILE",
    whole.VAULT_KEY: "keep it out of the repository, in ~/.config/mcp-tenancy",
    whole.PRIVATE_KEY: "keep it out of the repository, or encrypt it with ansible-vault",
    whole.CLIENT: "write a variable in its place, like ${TEAM_TOKEN}",
    rules.ConnectionString.secret_type: "put it into the team's encrypted .env",
    TOO_LARGE: "keep it out of the repository, or look at it and allow it",
}
OTHERWISE = "take it out; if it was ever pushed, change it first"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_RUN = re.compile(r"[\t\x20-\x7e\xa0-\xff]{6,}")


@dataclass(frozen=True, order=True)
class Hit:
    """Where something secret is, by which rule, and what to do."""

    path: str
    line: int
    rule: str

    @property
    def step(self) -> str:
        return STEPS.get(self.rule, OTHERWISE)


@cache
def plugins() -> tuple[BasePlugin, ...]:
    """Theirs, then ours."""
    return (*(initialize.from_plugin_classname(name) for name in rules.THEIRS), *(rule() for rule in rules.OURS))


def scan(path: str, raw: bytes) -> list[Hit]:
    """All that is secret in a file; ``path`` is as git has it."""
    if len(raw) > LARGEST:
        return [Hit(path, 0, TOO_LARGE)]
    text = decoded(raw)
    if text.startswith(whole.VAULT):
        return []
    hits = {Hit(path, line, rule) for line, rule in whole.found(path, text)}
    lines = text.split("\n")
    starts = list(itertools.accumulate((len(line) + 1 for line in lines), initial=0))
    for plugin in plugins():
        patterns = plugin.denylist if isinstance(plugin, RegexBasedDetector) else plugin.hints
        for index in sorted({bisect.bisect_right(starts, match.start()) - 1 for pattern in patterns for match in pattern.finditer(text)}):
            for secret in plugin.analyze_line(filename=path, line=lines[index], line_number=index + 1):
                if not is_placeholder(secret.secret_value or ""):
                    hits.add(Hit(path, index + 1, secret.type))
    return sorted(hits)


def decoded(raw: bytes) -> str:
    """Text as it was meant. Of what is no text, the readable runs, one a line: a database or a picture may carry a password too."""
    encoding = next((name for bom, name in _BOMS if raw.startswith(bom)), None) or _without_bom(raw)
    try:
        text = raw.decode(encoding) if encoding else None
    except UnicodeDecodeError:
        text = None
    return "\n".join(_RUN.findall(raw.decode("latin-1"))) if text is None else text.replace("\r\n", "\n").replace("\r", "\n")


def _without_bom(raw: bytes) -> str | None:
    """UTF-8, or UTF-16 that does not say so: it has a NUL in nearly every other place. None for what is no text."""
    head = raw[:4096]
    if b"\0" not in raw:
        return "utf-8"
    half, even, odd = len(head) / 2, head[::2].count(0), head[1::2].count(0)
    if len(head) >= 4 and max(even, odd) > 0.4 * half and min(even, odd) < 0.1 * half:
        return "utf-16-le" if odd > even else "utf-16-be"
    return None
