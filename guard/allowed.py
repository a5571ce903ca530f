# SPDX-License-Identifier: GPL-3.0-or-later
"""What a repository allows although it looks like a secret: ``.mcp-guard.yml``, each entry with a reason."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from guard.scan import Hit

FILE = ".mcp-guard.yml"
KEYS = {"path", "rule", "count", "reason"}


class AllowedError(Exception):
    """The list cannot be used; each line of the text says what is wrong."""


@dataclass
class Entry:
    """``path`` is a pattern of ``fnmatch``; ``count`` how many hits it is for (None: any number). ``used`` grows."""

    path: str
    rule: str
    reason: str
    count: int | None = None
    used: int = field(default=0, compare=False)

    def takes(self, hit: Hit) -> bool:
        return self.rule == hit.rule and fnmatch.fnmatchcase(hit.path, self.path)


def read(top: Path) -> list[Entry]:
    """The entries of a repository, none when it has no list. Raises :class:`AllowedError` with every mistake."""
    path = top / FILE
    if not path.is_file():
        return []
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise AllowedError(f"{FILE}: cannot be read ({type(error).__name__}). Next: correct it.") from None
    listed = content.get("allowed") if isinstance(content, dict) and set(content) == {"allowed"} else None
    if not isinstance(listed, list):
        raise AllowedError(f"{FILE}: is not a list under the one name `allowed`. Next: write it as docs/guard.md shows.")
    wrong, found = [], []
    for index, one in enumerate(listed):
        place = f"{FILE}: allowed[{index}]"
        if not isinstance(one, dict) or not set(one) <= KEYS or not all(isinstance(one.get(key), str) and one[key].strip() for key in ("path", "rule")):
            wrong.append(f"{place}: needs path, rule and reason, and may have count. Next: write these and no others.")
        elif not isinstance(one.get("reason"), str) or len(one["reason"].split()) < 3:
            wrong.append(f"{place}: says no reason. Next: write why nothing is lost when everybody reads it.")
        elif one.get("count") is not None and (isinstance(one["count"], bool) or not isinstance(one["count"], int) or one["count"] < 1):
            wrong.append(f"{place}.count: is no number of places. Next: use a whole number from 1.")
        else:
            found.append(Entry(one["path"], one["rule"], one["reason"], one.get("count")))
    if wrong:
        raise AllowedError("\n".join(wrong))
    return found


def without(hits: list[Hit], entries: list[Entry]) -> list[Hit]:
    """The hits that no entry takes. One that is for fewer than there are takes none of them, since nobody can tell which are new."""
    taken: dict[int, list[Hit]] = {}
    for hit in hits:
        index = next((index for index, entry in enumerate(entries) if entry.takes(hit)), None)
        if index is not None:
            taken.setdefault(index, []).append(hit)
    gone: set[Hit] = set()
    for index, some in taken.items():
        entries[index].used = len(some)
        if entries[index].count is None or len(some) <= entries[index].count:
            gone |= set(some)
    return [hit for hit in hits if hit not in gone]


def idle(entries: list[Entry]) -> list[Entry]:
    """Those that nothing needs, or not so often; only a search of everything can tell."""
    return [entry for entry in entries if not entry.used or (entry.count is not None and entry.used < entry.count)]
