# SPDX-License-Identifier: GPL-3.0-or-later
"""What the deploy left on the host: processes, files, and an MCP client's answer."""

from __future__ import annotations

import json

import pytest

ROOT = "/srv/mcp-tenancy/team_a"
RUN = "/run/mcp-tenancy/team_a"
#: Run with the gateway's own Python, which brings the official MCP SDK; the token comes from client.json, never from argv.
ASK = """
import asyncio, json, sys
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

async def ask(entry):
    async with httpx2.AsyncClient(headers=entry["headers"], timeout=60) as http, Client(streamable_http_client(entry["url"], http_client=http)) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        result = await client.call_tool("team-a-dev-postgres-query", {"sql": sys.argv[2]})
        return {"tools": tools, "error": result.is_error, "text": result.content[0].text}

(entry,) = json.load(open(sys.argv[1]))["mcpServers"].values()
print(json.dumps(asyncio.run(ask(entry))))
"""


@pytest.fixture
def ask(host):
    def run(sql: str) -> dict:
        python = host.check_output(f"ls -d {ROOT}/lib/gateway-*/bin/python")
        return json.loads(host.check_output("%s -c %s %s %s", python, ASK, f"{ROOT}/etc/client.json", sql))

    return run


def test_an_mcp_client_with_client_json_gets_rows_through_the_gateway(ask):
    answer = ask("SELECT current_user AS login, count(*)::int AS shipments FROM shipments")
    assert answer["tools"] == ["team-a-dev-postgres-query"]
    assert not answer["error"] and json.loads(answer["text"])[0]["shipments"] == 3


def test_a_statement_that_writes_is_refused_before_the_database_is_asked(ask):
    answer = ask("COMMIT; BEGIN READ WRITE; DELETE FROM shipments")
    assert answer["error"] and "Refused by the guard of postgres-dev" in answer["text"]


def test_secrets_are_private_files_and_the_clear_ones_lie_on_tmpfs_only(host):
    for name in (f"{ROOT}/etc/.env", f"{ROOT}/etc/vault.key", f"{ROOT}/etc/client.json", f"{ROOT}/state/mcp.db"):
        assert host.file(name).mode == 0o600, name
    assert host.check_output("stat --file-system --format %%T %s", RUN) == "tmpfs"
    assert host.file(f"{RUN}/postgres-dev/env.json").mode == 0o400
    assert host.file(f"{ROOT}/etc/.env").content_string.startswith("$ANSIBLE_VAULT;1.2;AES256;team_a\n")


def test_the_databases_password_is_in_no_file_outside_tmpfs_and_in_no_argv(host, login):
    drawn = max(login.password.replace("'", " ").replace('"', " ").replace("\\", " ").split(), key=len)
    found = host.run("grep -rlF -e %s /srv /etc /var/log /var/tmp /tmp /root", drawn)
    assert found.rc == 1 and found.stdout == ""
    # the pattern does not match itself, as it stands in the argv of this very command
    assert host.run("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c -e %s", f"{drawn[:-1]}[{drawn[-1]}]").stdout.strip() == "0"


def test_only_loopback_listens(host):
    listening = host.check_output("ss --listening --tcp --numeric --no-header").splitlines()
    ours = [line.split()[3] for line in listening if not line.split()[3].endswith((":22", ":5432"))]
    assert ours and all(address.startswith(("127.", "[::1]")) for address in ours), ours
