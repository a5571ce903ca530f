# SPDX-License-Identifier: GPL-3.0-or-later
"""What one environment's token and one process can reach."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest


@pytest.fixture
def dev(demo) -> dict:
    return demo.clients["demo-dev"]["headers"]


def test_a_dev_token_is_refused_at_prods_server(demo, dev) -> None:
    answer = demo.rpc(demo.clients["demo-prod"]["url"], dev, "tools/call", {"name": "demo-prod-postgres-query", "arguments": {"sql": "SELECT 1"}})
    assert answer.status_code == 403 and "shop_prod" not in answer.text


@pytest.mark.parametrize("door", ["/mcp", "/mcp/", "/rpc", "/v1/rpc"])
def test_a_dev_token_is_refused_at_doors_that_span_servers(demo, dev, door) -> None:
    url = f"http://127.0.0.1:{demo.state['ports']['gateway']}{door}"
    for method, params in (("tools/list", {}), ("tools/call", {"name": "demo-prod-postgres-query", "arguments": {"sql": "SELECT 1"}})):
        answer = demo.rpc(url, dev, method, params)
        assert answer.status_code in (401, 403, 404), (door, answer.status_code, answer.text[:300])


@pytest.mark.parametrize(
    "door",
    [
        "/tools",
        "/v1/tools",
        "/v1/gateways",
        "/v1/servers",
        "/v1/tokens",
        "/v1/teams/",
        "/gateways",
        "/servers",
        "/admin/",
        "/docs",
        "/openapi.json",
        "/version",
    ],
)
def test_a_dev_token_is_refused_at_the_administrative_doors(demo, dev, door) -> None:
    answer = httpx.get(f"http://127.0.0.1:{demo.state['ports']['gateway']}{door}", headers=dev, timeout=30)
    assert answer.status_code in (401, 403, 404), (door, answer.status_code, answer.text[:300])


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": "Basic YTpi"}])
def test_without_a_good_token_there_is_no_answer(demo, headers) -> None:
    assert demo.rpc(demo.clients["demo-dev"]["url"], headers, "tools/list").status_code in (401, 403)


def test_headers_that_upstream_believes_are_without_effect(demo, dev) -> None:
    forged = {
        "X-Upstream-Authorization": "Bearer other",
        "Mcp-Session-Id": "alice",
        "X-Forwarded-User-Email": "root@demo.example",
        "X-Forwarded-Internally": "true",
    }
    answer = demo.rpc(demo.clients["demo-dev"]["url"], {**dev, **forged}, "tools/list")
    assert answer.status_code == 200 and "demo-dev-postgres-query" in answer.text
    refused = demo.rpc(demo.clients["demo-prod"]["url"], {**dev, **forged}, "tools/list")
    assert refused.status_code == 403


def environment_of(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    return dict(pair.partition("=")[::2] for pair in text.split("\0") if pair)


def test_s2_each_process_has_its_own_variables_only(demo) -> None:
    seen = set()
    for pid, argv in demo.processes().items():
        line, names = " ".join(argv), set(environment_of(pid)) - {"PWD"}  # which bubblewrap sets
        if "server-postgres" in line:
            seen.add("postgres")
            own = {"PGAPPNAME", "PGDATABASE", "PGHOST", "PGOPTIONS", "PGPORT", "PGUSER", "PGPASSWORD"}
            assert names == {"PATH", "HOME", "LANG", *own}
        elif "mongodb-mcp-server" in line:
            seen.add("mongodb")
            assert {name for name in names if not name.startswith("MDB_MCP_")} == {"PATH", "HOME", "LANG", "DO_NOT_TRACK"}
        elif "mcpgateway.translate" in line:
            seen.add("translate")
            assert not [name for name in names if name.startswith(("PG", "MDB_MCP_"))]
            assert not names & {"DATABASE_URL", "PLATFORM_ADMIN_PASSWORD", "MCP_BRIDGE_TOKEN"}
        elif "-m mcp_bridge" in line:
            seen.add("relay" if "relay" in line else "bridge")
            assert not [name for name in names if name.startswith(("PG", "MDB_MCP_"))]
            assert ("MCP_BRIDGE_TOKEN" in names) is ("relay" not in line) and "DATABASE_URL" not in names
        elif "mcp_gateway_front:app" in line:
            seen.add("gateway")
            assert not [name for name in names if name.startswith(("PG", "MDB_MCP_"))]
    assert seen == {"postgres", "mongodb", "translate", "relay", "bridge", "gateway"}


def test_translate_is_fed_values_that_open_nothing(demo) -> None:
    values = [environment_of(pid).get("JWT_SECRET_KEY") for pid, argv in demo.processes().items() if "mcpgateway.translate" in argv]
    gateway = next(environment_of(pid)["JWT_SECRET_KEY"] for pid, argv in demo.processes().items() if "mcp_gateway_front:app" in argv)
    assert len(values) == 4 and len({*values, gateway}) == 5
