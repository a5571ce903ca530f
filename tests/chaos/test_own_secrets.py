# SPDX-License-Identifier: GPL-3.0-or-later
"""own_secrets.yml as a user runs it, on the demo: bearers and the administrator's password under load, cut off and finished; JWT key and encryption secret."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _contextforge, _declaration
from tests.integration.conftest import BRIDGE, Demo, recap
from tests.integration.load import under_load
from tests.integration.rekeying import running

ADMIN = "mcp-admin@demo.example"


def change(demo: Demo, kinds: str = "") -> subprocess.CompletedProcess:
    return demo.playbook("own_secrets.yml", *BRIDGE, *(("-e", f"mcp_own_secrets={kinds}") if kinds else ()))


@pytest.fixture(scope="module", autouse=True)
def starts_fast(demo) -> None:
    done = demo.deploy(*BRIDGE)
    assert done.returncode == 0, done.stdout[-4000:]


@contextlib.contextmanager
def admin(demo: Demo) -> Iterator[_contextforge.Client]:
    with _contextforge.Client(f"http://127.0.0.1:{demo.state['ports']['gateway']}", ADMIN, demo.env.read()["JWT_SECRET_KEY"]) as client:
        yield client


def asked_at_bridge(demo: Demo, service: str, team_token: str) -> int:
    bearer = _declaration.bridge_token(team_token, service)
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    return httpx.post(f"http://127.0.0.1:{demo.state['ports'][service]}/mcp", json=body, headers={"Authorization": f"Bearer {bearer}"}, timeout=60).status_code


def assert_ended(demo: Demo, before: dict[str, str], *changed: str) -> dict[str, str]:
    """The .env of after: these are others, and nothing is under way."""
    after = demo.env.read()
    assert {name for name in before if after.get(name) != before[name]} - {"MCP_OWN_SECRETS_SINCE"} == set(changed)
    assert set(after) - set(before) <= {"MCP_OWN_SECRETS_SINCE"}
    return after


def test_no_call_fails_while_bearers_and_password_change_and_what_was_cut_off_is_finished(demo) -> None:
    before, services = demo.env.read(), running(demo)
    with under_load(demo) as load:
        demo.killed_at("TASK [mcp.tenancy.own_secrets : Put the next secrets", "own_secrets.yml", *BRIDGE, "-e", "mcp_own_secrets=bearers,admin", after=0.4)
        drawn = demo.env.read()
        done = change(demo)
    assert done.returncode == 0, done.stdout[-4000:]
    assert load.wrong == [] and len(load.seconds) > 50
    after = assert_ended(demo, before, "MCP_BRIDGE_TOKEN", "PLATFORM_ADMIN_PASSWORD")
    assert after["MCP_BRIDGE_TOKEN"] in drawn.values(), "the one that the first run drew"
    assert running(demo) == services, "nothing was started anew"
    for service in ("postgres-dev", "mongodb-prod", "postgres-dev-users"):
        assert [asked_at_bridge(demo, service, values["MCP_BRIDGE_TOKEN"]) for values in (before, after)] == [401, 200], service
    with admin(demo) as client:
        assert [client.logs_in(ADMIN, values["PLATFORM_ADMIN_PASSWORD"]) for values in (before, after)] == [False, True]
    assert not any(value in done.stdout for values in (before, after) for name, value in values.items() if name in _declaration.OWN_SECRETS)
    rows = sqlite3.connect(f"file:{demo.home}/team/state/mcp.db?mode=ro", uri=True).execute("SELECT auth_value FROM gateways").fetchall()
    assert rows and all("Bearer" not in row[0] and "{" not in row[0] for row in rows), "what the gateway stores is encrypted"
    done = demo.deploy(*BRIDGE)
    assert done.returncode == 0 and recap(done.stdout)["changed"] == 0, done.stdout[-4000:]


def test_after_another_jwt_key_and_encryption_secret_services_answer_and_only_new_tokens_work(demo, tmp_path) -> None:
    before, tokens, file = demo.env.read(), demo.clients, demo.home / "control/alice.json"
    order = ("client.yml", *BRIDGE, "-e", "mcp_user=alice@demo.example", "-e", f"mcp_client_file={file}", "-e", "mcp_client_do=add")
    try:
        assert demo.playbook(*order).returncode == 0
        tokens |= {f"file {name}": entry for name, entry in json.loads(file.read_text())["mcpServers"].items()}
        done = change(demo, "jwt,encryption")
        assert done.returncode == 0, done.stdout[-4000:]
        assert demo.playbook(*order).returncode == 0
        renewed = demo.clients | {f"file {name}": entry for name, entry in json.loads(file.read_text())["mcpServers"].items()}
    finally:
        assert demo.playbook(*order[:-1], "mcp_client_do=revoke").returncode == 0
    assert_ended(demo, before, "JWT_SECRET_KEY", "AUTH_ENCRYPTION_SECRET")
    assert {name: demo.rpc(entry["url"], entry["headers"], "tools/list").status_code for name, entry in tokens.items()} == dict.fromkeys(tokens, 401)
    assert set(renewed) == set(tokens) and all(renewed[name]["headers"] != tokens[name]["headers"] for name in tokens)
    assert demo.ask_postgres("dev", "SELECT 1 AS one") and demo.ask_mongodb("prod", "count", collection="reviews"), "by bearers that were encrypted before"
    done = demo.deploy(*BRIDGE)
    assert done.returncode == 0 and recap(done.stdout)["changed"] == 0, done.stdout[-4000:]
    done = demo.playbook("status.yml", *BRIDGE)
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.startswith(("jwt", "encryption", "bearers"))}
    assert all("ok" in rows[kind] and "never" not in rows[kind] for kind in ("jwt", "encryption")), done.stdout[-3000:]
