# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Where a team's backups lie on the control node, and what they are called: ``<folder>/<host>-<time>.backup``."""

from __future__ import annotations

from pathlib import Path

SUFFIX = ".backup"


def name(host: str, taken_at: str) -> str:
    """``taken_at``: the time as ISO 8601; in the name it has no hyphen, so that a host ``a`` is told from ``a-1``."""
    return f"{host}-{taken_at.replace('-', '').replace(':', '')}{SUFFIX}"


def everyones(folder: Path) -> list[Path]:
    """The backups of all hosts."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def newest(folder: Path, host: str) -> Path | None:
    """A host's last one: the names have the time in them."""
    there = [path for path in everyones(folder) if path.name.startswith(f"{host}-") and "-" not in path.name.removeprefix(f"{host}-")]
    return there[-1] if there else None
