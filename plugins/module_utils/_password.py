# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Random text that every rule for passwords accepts.

The gateway refuses a password with ``abc``, ``CBA`` or ``321`` in it, or with its user's name; in plain random text of 46 characters
that happens once in twenty times.
"""

from __future__ import annotations

import secrets
import string


def draw(size: int) -> str:
    """At least ``size`` bytes of randomness. Letters and digits take turns, so that no three in a row can follow each other or spell a name."""
    pairs = (secrets.choice(string.ascii_letters) + secrets.choice(string.digits) for _pair in range(size))  # nine bits each
    return "".join(pairs) + "-" + secrets.choice(string.ascii_lowercase) + "_" + secrets.choice(string.ascii_uppercase) + "+"
