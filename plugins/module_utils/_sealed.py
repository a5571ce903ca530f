# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Secrets on their way from a host to the control node. A module's answer is printed at ``-vvv`` by some connections, so none stands in it in clear:
the control node gives a key for this one task, the host encrypts with it. Pure but for the library."""

from __future__ import annotations

import json
import traceback

try:
    from cryptography.fernet import Fernet

    HAS_LIBRARY, IMPORT_ERROR = True, None
except ImportError:
    HAS_LIBRARY, IMPORT_ERROR = False, traceback.format_exc()


def key() -> str:
    """A key for one answer."""
    return Fernet.generate_key().decode()


def seal(key_: str, values: dict[str, str]) -> str:
    """Text that only ``key_`` opens."""
    return Fernet(key_.encode()).encrypt(json.dumps(values).encode()).decode()


def opened(key_: str, text: str) -> dict[str, str]:
    """What was sealed. Raises ``cryptography.fernet.InvalidToken``."""
    return json.loads(Fernet(key_.encode()).decrypt(text.encode()))
