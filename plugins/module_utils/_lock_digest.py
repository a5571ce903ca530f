# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""The name of an installation's folder. Pure: control node and host come to the same one."""

from __future__ import annotations

import hashlib


def folder(wanted: dict, maker: str) -> str:
    """``wanted``: options of ``mcp.tenancy.locked_install``. ``maker``: the version of the Python, or npm. Another lock is another folder."""
    sources = wanted.get("sources") or {}
    parts = [wanted["lock"], wanted.get("package") or "", maker, *(part for name in sorted(sources) for part in (name, sources[name]))]
    return f"{wanted['name']}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"
