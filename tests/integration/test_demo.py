# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: what it prints, what a second run changes, what the official client sees."""

from __future__ import annotations

import asyncio
import json
import stat

import httpx2
import psycopg
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.integration.conftest import recap


def test_rows_of_both_engines_and_both_environments_are_shown(demo) -> None:
    for service, login in ((f"{engine}-{environment}", f"mcp_demo_{environment}_") for engine in ("postgres", "mongodb") for environment in ("dev", "prod")):
        line = next(line for line in demo.first.partition("== questions")[2].splitlines() if line.startswith(service))
        assert " ok " in line and login in line and ("orders" in line or "reviews" in line), line


def test_a_second_deploy_changes_nothing(demo) -> None:
    done = demo.deploy()
    assert done.returncode == 0, done.stdout[-4000:]
    counts = recap(done.stdout)
    assert counts["changed"] == 0 and counts["failed"] == 0 and counts["ok"] > 10


def test_check_mode_on_a_finished_team_predicts_nothing(demo) -> None:
    done = demo.deploy("--check", "--diff")
    assert done.returncode == 0, done.stdout[-4000:]
    assert recap(done.stdout)["changed"] == 0


def test_the_official_client_lists_tools_and_queries_with_nothing_but_client_json(demo) -> None:
    async def ask(entry: dict, environment: str) -> tuple[list[str], str]:
        async with httpx2.AsyncClient(headers=entry["headers"], timeout=60) as http, Client(streamable_http_client(entry["url"], http_client=http)) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            result = await client.call_tool(f"demo-{environment}-postgres-query", {"sql": "SELECT current_database() AS name"})
            return tools, result.content[0].text

    for environment in ("dev", "prod"):
        tools, text = asyncio.run(ask(demo.clients[f"demo-{environment}"], environment))
        assert json.loads(text) == [{"name": f"shop_{environment}"}]
        assert f"demo-{environment}-postgres-query" in tools and f"demo-{environment}-mongodb-find" in tools
        assert not [tool for tool in tools if tool.endswith(("-connect", "-export", "-insert-many", "-drop-database")) or "atlas" in tool]


def test_the_wrapped_logins_can_read_and_not_write(demo) -> None:
    assert json.loads(demo.ask_postgres("dev", "SELECT count(*) > 0 AS some FROM orders")) == [{"some": True}]
    entry, ca = demo.credentials["postgres-dev"], demo.home / "databases/tls/ca.pem"
    login = entry["slots"][entry["active"]]
    place = {"host": "localhost", "port": demo.state["ports"]["postgres"], "dbname": "shop_dev", "sslmode": "verify-full", "sslrootcert": str(ca)}
    # past bridge and guard: the login's own grants are the wall behind them
    with (
        psycopg.connect(user=login["login"], password=login["password"], autocommit=True, **place) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("DELETE FROM orders")
    assert "prod" not in demo.ask_mongodb("dev", "list-databases")


def test_files_with_secrets_are_private(demo) -> None:
    for name in ("client.json", "control/.env", "control/vault.key", "team/etc/.env", "team/etc/vault.key", "team/state/mcp.db"):
        assert stat.S_IMODE((demo.home / name).stat().st_mode) == 0o600, name
    assert (demo.home / "control/.env").read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;demo")
    assert not list((demo.home / "team" / "work").glob("*/*")), "working folders stay empty"


def test_ansible_vault_opens_the_operators_file(demo) -> None:
    vault = str(demo.home / "control/vault.key")
    done = demo.run(".venv/bin/ansible-vault", "view", "--vault-id", f"demo@{vault}", str(demo.home / "control/.env"))
    assert done.returncode == 0 and "POSTGRES_PROD_ADMIN_CONNECTION_STRING='postgresql://" in done.stdout


def test_ansible_vault_edits_the_operators_file(demo, tmp_path) -> None:
    """As somebody does who puts in another variable: what was there stays, byte for byte, and so do the file's rights."""
    editor, path, before = tmp_path / "editor", demo.home / "control/.env", demo.env.read()
    editor.write_text('#!/bin/sh\nprintf \'%s\\n\' "ADDED_BY_HAND=\'# of \\"hers\\"\'" >>"$1"\n')
    editor.chmod(0o755)
    kept = path.read_bytes()
    try:
        done = demo.run(".venv/bin/ansible-vault", "edit", "--vault-id", f"demo@{demo.home}/control/vault.key", str(path), EDITOR=str(editor))
        assert done.returncode == 0, done.stdout
        assert demo.env.read() == {**before, "ADDED_BY_HAND": '# of "hers"'} and stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        path.write_bytes(kept)
