# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Whose a row of a gateway is. The gateway has no field for it, so it is said where there is room: a tag, or the end of a text. Pure.

A gateway and a virtual server have the tag ``owned-by:OWNER``. A team, a role and a user end their description or name with ``[owned-by:OWNER]``; a user whom
a purge could only deactivate ends it with ``[purged-by:OWNER]``. A row without a mark was made by hand, or by somebody who leaves none.
"""

from __future__ import annotations

import re

PREFIX = "owned-by:"
OWNER = re.compile(r"[a-z0-9]([a-z0-9.-]{0,40}[a-z0-9])?")
_MARK = re.compile(r"\s*\[(owned|purged)-by:([a-z0-9.-]+)\]$")


def tagged(tags: list[str], owner: str) -> list[str]:
    """Sorted tags with the owner's; as they are without an owner."""
    return sorted({*tags, f"{PREFIX}{owner}"} if owner else set(tags))


def marked(text: str, owner: str, word: str = "owned") -> str:
    """A text with the owner's mark at its end instead of any other; as it is without an owner."""
    return f"{bare(text)} [{word}-by:{owner}]".strip() if owner else text


def bare(text: str) -> str:
    """A text without a mark."""
    return _MARK.sub("", text)


def owner_of(row: dict) -> str:
    """The owner of a row as the client gives it; empty when there is no mark."""
    for tag in row.get("tags", ()):
        if tag.startswith(PREFIX):
            return tag[len(PREFIX) :]
    found = _MARK.search(row.get("full_name") or row.get("description") or "")
    return found.group(2) if found and found.group(1) == "owned" else ""


def purged_by(row: dict) -> str:
    """Who deactivated a user because nobody wanted them any more; empty when nobody did."""
    found = _MARK.search(row.get("full_name") or "")
    return found.group(2) if found and found.group(1) == "purged" else ""
