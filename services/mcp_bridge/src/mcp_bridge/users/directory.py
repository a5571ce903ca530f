# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins that are stored for people, by the address that the gateway knows them under. They come with this service's secrets."""

from __future__ import annotations

import json

from mcp_bridge.config import Config, ConfigError
from mcp_bridge.users.credential import Credential

#: Where they are among the secrets: ``{address: {"user", "password"}}`` as JSON.
VARIABLE = "MCP_USERS"


class Directory:
    """``mark`` names this state of it for whoever placed it."""

    def __init__(self, people: dict[str, Credential] | None = None, mark: str = "") -> None:
        self._people, self.mark = people or {}, mark

    @classmethod
    def read(cls, config: Config) -> Directory:
        """Empty where the service stores none. Raises ConfigError."""
        if "stored" not in config.users.accepts:
            return cls()
        try:
            people = json.loads(config.secrets().get(VARIABLE, "{}"))
            return cls({address: Credential(one["user"], one["password"]) for address, one in people.items()}, config.credential())
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ConfigError(f"{config.env_file} has no list of people that can be used. Next: run deploy.yml") from None

    def __len__(self) -> int:
        return len(self._people)

    def of(self, address: str) -> Credential | None:
        return self._people.get(address)

    def beyond(self, other: Directory) -> dict[str, Credential]:
        """Who has another login here than there, or has one here only."""
        return {address: one for address, one in self._people.items() if other.of(address) != one}
