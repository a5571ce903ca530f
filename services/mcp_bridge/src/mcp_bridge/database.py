# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to this service's database: why it is closed when it is, and what connections are made with now.

Wrapped servers and drivers refuse a certificate by themselves, each in words of its own, some only with a time-out. So whoever was told of trouble asks here.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from pathlib import Path

from mcp_bridge import database_tls
from mcp_bridge.config import Config
from mcp_bridge.errors import SERVER_UNAVAILABLE, BridgeError

LASTS = 2.0  # seconds for which an answer is good, so that many failing calls cost the database one look
#: What wrapped servers say when they did not get to their database. A word too many costs a look, no more.
_TROUBLE = re.compile(r"certificate|\bSSL\b|\bTLS\b|altname|self.signed|connect|closed|timed out|server selection|socket|ECONN", re.IGNORECASE)


def target_of(config: Config) -> database_tls.Target | None:
    """Where connections go, of the service's own login or of its users'."""
    if (users := config.users) is not None:
        mode = database_tls.mode_of(config.engine, {"tls": "true", **users.parameters})
        return database_tls.Target(config.engine, users.host, users.port, users.ca, mode, users.client, users.database)
    if (own := config.target) is not None:
        return database_tls.Target(config.engine, own.host, own.port, own.ca, own.mode, own.client, config.database)
    return None


class Way:
    """``target`` is None where the service was not told where its database is; then nothing is known of it."""

    def __init__(self, config: Config) -> None:
        self._service, self._target = config.service, target_of(config)
        self._looked: tuple[float, database_tls.Verdict] = (float("-inf"), database_tls.Verdict())
        self._looking = asyncio.Lock()

    @property
    def target(self) -> database_tls.Target | None:
        return self._target

    async def verdict(self) -> database_tls.Verdict:
        if self._target is None:
            return database_tls.Verdict()
        async with self._looking:
            if time.monotonic() - self._looked[0] > LASTS:
                found = await asyncio.to_thread(database_tls.look, self._target)
                self._looked = (time.monotonic(), found)
            return self._looked[1]

    def forget(self) -> None:
        """What was seen was seen with other files than those of now."""
        self._looked = (float("-inf"), database_tls.Verdict())

    async def closed(self) -> BridgeError | None:
        """What a caller is told where the connection is refused for its TLS: service, host and port as declared, cause, next step."""
        verdict = await self.verdict()
        if not verdict.refused:
            return None
        return BridgeError(SERVER_UNAVAILABLE, f"{self._service}: {database_tls.sentence(self._target, verdict)}", "unavailable")

    async def explain(self, answer: dict) -> None:
        """Raises BridgeError in the place of a wrapped server's own words where its database's certificate is the reason for them."""
        result = answer.get("result")
        if isinstance(result, dict) and not result.get("isError"):
            return
        if self._target is None or not _TROUBLE.search(str(answer.get("error") or result)[:4000]):
            return
        if (closed := await self.closed()) is not None:
            raise closed

    def material(self) -> str:
        """A name for the CA and the client certificate that a connection is made with now; empty where nothing is known."""
        if self._target is None:
            return ""
        texts = []
        for path in (self._target.ca, self._target.client):
            text = ""
            with contextlib.suppress(OSError):
                text = Path(path).read_text(encoding="utf-8", errors="replace") if path else ""
            texts.append(text)
        return database_tls.digest(*texts)
