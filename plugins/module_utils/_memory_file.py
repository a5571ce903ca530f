# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""A file for a driver that takes nothing but a path, of a text that may be on no disk: a private key. Linux only."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def held(text: str) -> Iterator[str]:
    """The path of an anonymous file in memory, its owner's alone, that is gone with the block; empty for an empty text. Raises OSError."""
    if not text:
        yield ""
        return
    handle = os.memfd_create("mcp-tenancy")
    try:
        os.fchmod(handle, 0o600)  # libpq looks at the mode
        with open(handle, "w", encoding="utf-8", closefd=False) as stream:
            stream.write(text)
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)
