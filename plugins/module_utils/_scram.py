# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Whether a PostgreSQL SCRAM-SHA-256 verifier is that of a password (RFC 5802, RFC 7677). Made are verifiers by libpq, which also prepares passwords."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

_VERIFIER = re.compile(r"SCRAM-SHA-256\$([0-9]{1,7}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")


def matches(verifier: str | None, password: str) -> bool | None:
    """True or False; None when only a login can tell: another kind of verifier, or a password that is prepared before it is used."""
    match = _VERIFIER.fullmatch(verifier or "")
    if verifier is None:
        return False
    if not match or not password.isascii():
        return None  # SASLprep changes some characters outside of ASCII; the server's own answer counts
    try:
        salt, stored, server = (base64.b64decode(match[number], validate=True) for number in (2, 3, 4))
    except binascii.Error:
        return None
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, int(match[1]))
    made = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest() + hmac.digest(salted, b"Server Key", "sha256")
    return hmac.compare_digest(made, stored + server)  # clients check the server's key too: without it nobody logs in
