# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way of somebody who brings their own login: client, gateway, bridge, their own process, database. Alice and Bob are the demo's."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re

import httpx
import pytest

from tests.integration.conftest import BRIDGE, recap

SERVER = "demo-dev-postgres-users"
WHO = "SELECT session_user AS login, (SELECT string_agg(title, ', ' ORDER BY title) FROM reading_lists) AS titles"
TITLES = {"alice": "On Bread, Winter Orchards", "bob": "A History of Doors, Salt and Timber, Small Engines"}


@pytest.fixture(scope="module")
def people(demo) -> dict[str, dict]:
    """Each one's entries of their client file."""
    return {name: json.loads((demo.home / f"client-{name}.json").read_text())["mcpServers"] for name in TITLES}


def ask(demo, entry: dict, headers: dict | None = None, statement: str = WHO) -> dict:
    return demo.rpc(entry["url"], headers or entry["headers"], "tools/call", {"name": f"{SERVER}-query", "arguments": {"sql": statement}}).json()


def rows(answer: dict) -> list[dict]:
    assert "result" in answer and not answer["result"].get("isError"), answer
    return json.loads(answer["result"]["content"][0]["text"])


def said(answer: dict) -> str:
    """What a person sees of an answer that is none."""
    assert "error" in answer or answer["result"].get("isError"), answer
    return json.dumps(answer)


def without_login(entry: dict) -> dict:
    return {name: value for name, value in entry["headers"].items() if not name.startswith("X-Database")}


def test_each_gets_their_own_rows_as_themselves(demo, people) -> None:
    for name, entries in people.items():
        assert rows(ask(demo, entries[SERVER])) == [{"login": name, "titles": TITLES[name]}]
        assert (demo.home / f"client-{name}.json").stat().st_mode & 0o777 == 0o600


def test_u2_400_calls_of_two_people_in_random_order_with_the_same_id(people) -> None:
    async def run() -> list[str]:
        wrong, order = [], [random.choice(list(people)) for _ in range(400)]
        async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=8)) as client:

            async def one(name: str) -> None:
                entry = people[name][SERVER]
                body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": f"{SERVER}-query", "arguments": {"sql": WHO}}}
                headers = {**entry["headers"], "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
                answer = (await client.post(entry["url"], json=body, headers=headers)).json()
                try:
                    right = json.loads(answer["result"]["content"][0]["text"]) == [{"login": name, "titles": TITLES[name]}]
                except (KeyError, ValueError):
                    right = False
                if not right:
                    wrong.append(f"{name}: {answer}")

            await asyncio.gather(*(one(name) for name in order))
        return wrong

    assert asyncio.run(run()) == []


def test_u3_without_a_login_the_caller_is_told_how_to_bring_one(demo, people) -> None:
    rows(ask(demo, people["alice"][SERVER]))
    told = said(ask(demo, people["alice"][SERVER], without_login(people["alice"][SERVER])))
    assert "X-Database-User" in told and "none is stored for alice@demo.example" in told


def test_u3_a_wrong_password_is_refused_and_said_to_be(demo, people) -> None:
    alice = people["alice"][SERVER]
    told = said(ask(demo, alice, {**alice["headers"], "X-Database-Password": "wrong"}))
    assert "refuses this login" in told
    assert rows(ask(demo, alice))[0]["login"] == "alice"


def test_u3_a_stolen_session_id_and_forged_headers_change_nothing(demo, people) -> None:
    alice, bob = people["alice"][SERVER], people["bob"][SERVER]
    rows(ask(demo, alice, {**alice["headers"], "Mcp-Session-Id": "alice"}))
    forged = {"Mcp-Session-Id": "alice", "X-Mcp-Session-Id": "alice", "X-Forwarded-User-Email": "alice@demo.example", "X-Upstream-Authorization": "Bearer x"}
    assert rows(ask(demo, bob, {**bob["headers"], **forged}))[0]["login"] == "bob"


def test_a_login_that_is_sent_to_the_shared_service_changes_nothing_there(demo, people) -> None:
    entry = demo.clients["demo-dev"]
    login = {name: value for name, value in people["alice"][SERVER]["headers"].items() if name.startswith("X-Database")}
    query = {"name": "demo-dev-postgres-query", "arguments": {"sql": "SELECT session_user"}}
    answer = demo.rpc(entry["url"], {**entry["headers"], **login}, "tools/call", query)
    assert "mcp_demo_dev" in answer.text and "alice" not in answer.text


def test_a_login_that_is_sent_twice_runs_as_one_of_them_at_most(demo, people) -> None:
    alice, bob = people["alice"][SERVER], people["bob"][SERVER]
    headers = [*alice["headers"].items(), ("X-Database-User", "bob")]
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": f"{SERVER}-query", "arguments": {"sql": WHO}}}
    accept = [("Accept", "application/json, text/event-stream"), ("MCP-Protocol-Version", "2025-06-18")]
    answer = httpx.post(alice["url"], json=body, headers=[*headers, *accept], timeout=60).json()
    assert TITLES["bob"] not in json.dumps(answer), "alice's password opens nothing of bob's"
    headers.append(("X-Database-Password", bob["headers"]["X-Database-Password"]))
    answer = httpx.post(alice["url"], json=body, headers=[*headers, *accept], timeout=60).json()
    assert TITLES["alice"] not in json.dumps(answer) or TITLES["bob"] not in json.dumps(answer)


def test_a_second_deploy_changes_nothing(demo) -> None:
    done = demo.deploy(*BRIDGE)
    assert done.returncode == 0, done.stdout[-3000:]
    done = demo.deploy(*BRIDGE)
    assert done.returncode == 0 and recap(done.stdout)["changed"] == 0, done.stdout[-3000:]
    done = demo.deploy(*BRIDGE, "-e", "mcp_deploy=whole")
    assert done.returncode == 0 and recap(done.stdout)["changed"] == 0, done.stdout[-3000:]


def test_s1_no_persons_password_is_anywhere_but_in_their_own_client_file(demo, people) -> None:
    rows(ask(demo, people["alice"][SERVER]))
    secrets = {name: entries[SERVER]["headers"]["X-Database-Password"].encode() for name, entries in people.items()}
    found = []
    for folder, names, files in os.walk(demo.home):
        names[:] = [name for name in names if name not in ("venv", "node_modules", "lib")]
        for file in files:
            path = f"{folder}/{file}"
            if not os.path.isfile(path) or re.fullmatch(r".*/client-(alice|bob)\.json", path):
                continue
            with open(path, "rb") as stream:
                content = stream.read()
            found += [path for secret in secrets.values() if secret in content]
    assert found == []
    assert not any(secret.decode() in " ".join(argv) for argv in demo.processes().values() for secret in secrets.values())
