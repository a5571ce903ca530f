# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter in the gateway's process: which headers pass, which doors are for whom."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("front", Path(__file__).parents[2] / "roles/gateway/files/mcp_gateway_front.py")
front = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(front)
SERVER = "/servers/d5d85a98d4aa54d3ac90549196fb71ea/mcp"


def bearer(**claims: object) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", b"Bearer h." + base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=") + b".s")]


MEMBER, ADMIN = bearer(user={"is_admin": False}), bearer(user={"is_admin": True})


NEVER = ["X-Upstream-Authorization", "Mcp-Session-Id", "x-mcp-session-id", "X-Forwarded-User-Email", "X-ContextForge-Auth-Context", "Cookie"]


@pytest.mark.parametrize("name", NEVER)
def test_headers_of_a_client_that_never_pass(name: str) -> None:
    assert front.passing([(name.encode(), b"x"), (b"Accept", b"y")]) == [(b"Accept", b"y")]


@pytest.mark.parametrize("name", [b"authorization", b"content-type", b"mcp-protocol-version", b"x-forwarded-for"])
def test_headers_that_pass(name: bytes) -> None:
    assert front.passing([(name, b"x")]) == [(name, b"x")]


def sent(headers: list, browsers: bool, path: str = "/admin/") -> tuple[str, list]:
    """Where a request arrives, "gateway", "browsers" or a status, and the headers that it has there."""
    arrived: list = []

    def place(name: str) -> object:
        async def app(scope: dict, receive: object, send: object) -> None:
            arrived.extend((name, scope["headers"]))

        return app

    async def send(message: dict) -> None:
        arrived.extend((message["status"], []) if "status" in message else ())

    app = front.behind_filter(place("gateway"), browsers=place("browsers") if browsers else None)
    asyncio.run(app({"type": "http", "path": path, "headers": headers}, None, send))
    return arrived[0], arrived[1]


def test_a_cookie_passes_for_browsers_of_the_admin_ui_only() -> None:
    cookie = (b"cookie", b"jwt_token=b")
    assert sent([cookie], browsers=True) == ("browsers", [cookie])
    assert sent([cookie], browsers=False) == (401, [])
    assert sent([cookie, *ADMIN], browsers=True) == ("gateway", ADMIN)
    assert sent([cookie, *MEMBER], browsers=True) == (403, [])
    assert sent([cookie, (b"x-upstream-authorization", b"x")], browsers=True) == ("browsers", [cookie])


def test_the_clients_door_takes_no_cookie_with_the_admin_ui_on_either() -> None:
    assert sent([(b"cookie", b"jwt_token=b")], browsers=True, path=SERVER) == ("gateway", [])


@pytest.mark.parametrize("path", ["/admin/config/settings", "/v1/admin/config/settings/", "/Admin/Config/Settings"])
def test_s1_the_door_that_shows_logins_of_what_gateways_share_is_nobodys(path: str) -> None:
    for browsers in (True, False):
        for headers in ([(b"cookie", b"jwt_token=b")], ADMIN, MEMBER, []):
            assert sent(headers, browsers, path) == (403, [])


@pytest.mark.parametrize("value", [b"Bearer", b"bearer ", b""])
def test_a_bearer_with_nothing_after_it_is_a_browsers(value: bytes) -> None:
    assert sent([(b"cookie", b"a=b"), (b"Authorization", value)], browsers=True) == ("browsers", [(b"cookie", b"a=b")])
    assert sent([(b"Authorization", value)], browsers=False)[0] in (401, 403)


def test_two_bearers_are_no_browsers() -> None:
    assert sent([(b"authorization", b"Bearer"), *MEMBER], browsers=True)[0] == 403


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (SERVER, MEMBER, None),
        (SERVER + "/", [], None),  # the gateway itself asks for a token there
        ("/ready", [], None),
        ("/mcp", MEMBER, 403),
        ("/rpc", MEMBER, 403),
        ("/sse", MEMBER, 403),
        ("/v1/tools", MEMBER, 403),
        (SERVER + "/../../../rpc", MEMBER, 403),
        ("/servers/x/mcp", MEMBER, 403),
        ("//mcp", MEMBER, 403),
        ("/mcp", ADMIN, None),
        ("/v1/gateways", ADMIN, None),
        ("/mcp", [], 401),
        ("/mcp", [(b"authorization", b"Bearer nonsense")], 403),
        ("/mcp", [(b"authorization", b"Basic YTpi")], 403),
        ("/mcp", bearer(user="admin"), 403),
        ("/mcp", bearer(user={"is_admin": "yes"}), 403),
        ("/mcp", MEMBER + ADMIN, 403),
        ("/mcp", ADMIN + MEMBER, 403),
    ],
)
def test_doors(path: str, headers: list, status: int | None) -> None:
    assert front.refusal(path, headers) == status


def test_a_forked_worker_ends_with_the_process_that_forked_it(tmp_path: Path) -> None:
    """Two processes deep, as the gateway does it, and with the pipe that hides the death of the first one held open by the second."""
    script = f"""
import importlib.util, os, sys, time
spec = importlib.util.spec_from_file_location("front", {str(SPEC.origin)!r})
front = importlib.util.module_from_spec(spec); spec.loader.exec_module(front)
front.follow_after_forks()
if os.fork() == 0 and os.fork() == 0:
    print(os.getpid(), flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as gateway:
        worker = os.pidfd_open(int(gateway.stdout.readline()))
        gateway.kill()
        ended, _writable, _failed = select.select([worker], [], [], 10)
        assert ended == [worker]
