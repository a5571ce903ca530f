# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may come in, and with whose login: the bearer says that the gateway asks, the other headers for whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mcp_bridge.access import Access, Caller, Headers
from mcp_bridge.config import Config
from mcp_bridge.users import headers as login_headers
from mcp_bridge.users import identity


class UserAccess(Access):
    """A request without a login comes in too: it may ask what there is. What it may not do is in ``service``."""

    def __init__(self, config: Config, key: str, token: str, port: int, names: Iterable[str] = ()) -> None:
        """``key``: by which the gateway says who calls."""
        super().__init__(token, port, names)
        self._engine, self._users, self._key = config.engine, config.users, key

    def caller(self, headers: Headers) -> Caller | None:
        caller = super().caller(headers)
        if caller is None:
            return None
        credential = login_headers.credential(headers, self._engine, self._users)
        return replace(caller, credential=credential, person=identity.person(headers, self._key))
