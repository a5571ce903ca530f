# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo shows at its end: each service asked through the gateway, by the official MCP client, with nothing but client.json."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

POSTGRES_SQL = "SELECT current_user AS login, (SELECT count(*) FROM orders) AS rows, (SELECT max(title) FROM products) AS example"
HEADINGS = ("service", "environment", "health", "login it runs as", "rows seen", "for instance")


@contextlib.asynccontextmanager
async def opened(entry: dict) -> AsyncIterator[Client]:
    """The official client at one entry of a client file."""
    async with httpx2.AsyncClient(headers=entry["headers"], timeout=60) as http, Client(streamable_http_client(entry["url"], http_client=http)) as client:
        yield client


async def ask(entry: dict) -> list[dict]:
    """One virtual server: its tools, and an answer from each engine behind it."""
    async with opened(entry) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        found = []
        query = next((name for name in tools if name.endswith("-query")), None)
        if query:
            answer = json.loads(text(await client.call_tool(query, {"sql": POSTGRES_SQL})))[0]
            found.append(
                {"engine": "postgres", "login": answer["login"], "rows": f"{answer['rows']} orders", "example": answer["example"], "tools": len(tools)}
            )
        find = next((name for name in tools if name.endswith("mongodb-find")), None)
        if find:
            found.append(await mongodb(client, find))
        return found


async def mongodb(client: Client, find: str) -> dict:
    """Count, one document, and the login of the session that the server itself reports."""
    prefix, place = find.removesuffix("find"), {"connectionId": "preconfigured"}
    databases = text(await client.call_tool(f"{prefix}list-databases", place))
    name = re.search(r"shop_\w+", databases).group()
    where = {**place, "database": name, "collection": "reviews"}
    count = re.search(r"\d+", text(await client.call_tool(f"{prefix}count", where))).group()
    document = text(await client.call_tool(find, {**where, "limit": 1}))
    sessions = text(await client.call_tool(f"{prefix}aggregate-db", {**place, "database": name, "pipeline": [{"$listLocalSessions": {}}]}))
    login = re.search(r'"user":\s*"([^"@]+)', sessions)
    example = re.search(r'"(?:text|title|comment)":\s*"([^"]+)', document)
    return {"engine": "mongodb", "login": login.group(1) if login else "?", "rows": f"{count} reviews", "example": example.group(1) if example else "?"}


def text(result: object) -> str:
    """The text of a tool's answer; an answer that is an error ends the demo."""
    answer = "\n".join(block.text for block in result.content if block.type == "text")
    if result.is_error:
        raise RuntimeError(answer)
    return answer


def render(rows: list[tuple[str, ...]], headings: tuple[str, ...] = HEADINGS) -> str:
    """A table for people."""
    widths = [max(len(str(row[index])) for row in [headings, *rows]) for index in range(len(headings))]
    lines = ["  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [headings, *rows]]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.table")
    parser.add_argument("--home", type=Path, required=True)
    home = parser.parse_args().home
    entries, rows, failed = json.loads((home / "client.json").read_text())["mcpServers"], [], False
    servers = {name: entry for name, entry in entries.items() if not name.endswith("-users")}  # those are for people's own logins: people.py
    for name, entry in sorted(servers.items()):
        environment = name.rpartition("-")[2]
        try:
            for found in asyncio.run(ask(entry)):
                rows.append((f"{found['engine']}-{environment}", environment, "ok", found["login"], found["rows"], found["example"][:40]))
        except* Exception as error:
            failed = True
            rows.append((name, environment, "FAILED", "", "", innermost(error)[:80]))
    print(render(rows))
    print("\nvirtual servers (an entry each in", f"{home}/client.json):")
    for name, entry in sorted(servers.items()):
        print(f"  {name}  {entry['url']}")
    print(next_things(home))
    sys.exit(1 if failed else 0)


def innermost(error: BaseException) -> str:
    """The first real error of a group, however deep it lies."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


def next_things(home: Path) -> str:
    """Three things to try."""
    shown = home.relative_to(Path.cwd()) if home.is_relative_to(Path.cwd()) else home
    return f"""
Next:
  1. give {shown}/client.json to your MCP client and ask it for the ten best customers
  2. .venv/bin/ansible-vault view --vault-id demo@{shown}/control/vault.key {shown}/control/.env
  3. .venv/bin/ansible-playbook deploy.yml -i inventories/demo   (a second run changes nothing); then make demo-stop"""


if __name__ == "__main__":
    main()
