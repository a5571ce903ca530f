# SPDX-License-Identifier: GPL-3.0-or-later
"""Callers with markers of their own, all at once, through the whole path: client, gateway, bridge, wrapped server, database."""

from __future__ import annotations

import asyncio
import json

import httpx

from tests.integration.conftest import Demo

CALLERS = 8


async def _caller(demo: Demo, number: int, calls: int, wrong: list[str]) -> None:
    """Alternates between environments; every caller counts its ids from 1, as official clients do."""
    async with httpx.AsyncClient(timeout=60) as client:
        for count in range(1, calls + 1):
            environment = ("dev", "prod")[count % 2]
            entry, marker = demo.clients[f"demo-{environment}"], f"caller {number} call {count}"
            sql = f"SELECT '{marker}' AS marker, current_database() AS database"
            params = {"name": f"demo-{environment}-postgres-query", "arguments": {"sql": sql}}
            headers = {**entry["headers"], "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
            answer = await client.post(entry["url"], json={"jsonrpc": "2.0", "id": count, "method": "tools/call", "params": params}, headers=headers)
            expected = [{"marker": marker, "database": f"shop_{environment}"}]
            try:
                right = json.loads(answer.json()["result"]["content"][0]["text"]) == expected
            except (KeyError, ValueError):
                right = False
            if not right:
                wrong.append(f"{marker}: {answer.status_code} {answer.text[:200]}")


def answers_that_are_not_the_callers_own(demo: Demo, calls: int) -> list[str]:
    """``calls`` calls in all from 8 callers at once; what each wrong or failed one was answered."""
    wrong: list[str] = []

    async def run() -> None:
        await asyncio.gather(*(_caller(demo, number, calls // CALLERS, wrong) for number in range(CALLERS)))

    asyncio.run(run())
    return wrong
