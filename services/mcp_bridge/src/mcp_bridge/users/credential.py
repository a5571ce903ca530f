# SPDX-License-Identifier: GPL-3.0-or-later
"""One person's login at the one database that this service leads to. Pure."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass


@dataclass(frozen=True, repr=False)
class Credential:
    """``user`` and ``password`` are decoded text. Shows as the user's name, never as more."""

    user: str
    password: str

    def __str__(self) -> str:
        return self.user

    def __repr__(self) -> str:
        return f"Credential({self.user!r})"

    def key(self, secret: bytes) -> bytes:
        """What its process is found by: a keyed digest of both parts, told apart by their lengths. ``secret`` lives as long as this process."""
        user, password = self.user.encode(), self.password.encode()
        return hmac.new(secret, len(user).to_bytes(4) + user + password, hashlib.sha256).digest()
