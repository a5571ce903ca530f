# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Whether a folder is a team's own, and in which order it may go. Pure."""

from __future__ import annotations

from collections.abc import Iterable

#: What a deploy makes in a team's folder. The last one says whose it is, so it goes last.
OWN = ("lib", "bin", "work", "log", "state", "before", "etc")


class RemovalError(Exception):
    """Why nothing is removed, with the next step."""


def order(root: str, entries: Iterable[str], manifest: dict | None, team: str) -> list[str]:
    """The entries of ``root`` in the order in which they go. Raises :class:`RemovalError` where something in it is not the team's.

    ``manifest``: what its ``services.json`` holds, None where there is none: a deploy or a removal was cut off.
    """
    entries = set(entries)
    if manifest is not None and manifest.get("team") != team:
        raise RemovalError(f"{root} is of team {manifest.get('team')}, not of {team}. Next: correct mcp_root")
    if strangers := sorted(entries - set(OWN)):
        raise RemovalError(f"{root} holds {', '.join(strangers)}, which no deploy made. Next: move it away, or correct mcp_root")
    return [name for name in OWN if name in entries]


def stale_entries(entries: dict[str, object], public_url: str) -> list[str]:
    """Entries of a client configuration that lead to the team's gateway."""
    base = f"{public_url.rstrip('/')}/servers/"
    return sorted(name for name, entry in entries.items() if isinstance(entry, dict) and str(entry.get("url", "")).startswith(base))
