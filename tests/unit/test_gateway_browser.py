# SPDX-License-Identifier: GPL-3.0-or-later
"""The doors of the Admin UI, and what becomes of a form on its way to the gateway."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "roles/gateway/files"))
import mcp_gateway_browser as browser
from mcp_gateway_outgoing import CALLER, Caller
from mcp_gateway_targets import Refused, Target

ALICE, TEAM, ROW, OTHERS = "alice@example.com", "a" * 32, "1" * 32, "2" * 32
NOBODY, MEMBER, ADMIN = Caller(), Caller(ALICE), Caller("admin@example.com", admin=True)
DEV = Target("postgres-dev-users", "http://127.0.0.1:21000/mcp", ("X-Database-User", "X-Database-Password"), frozenset([ALICE]), "b")
FORM = {"name": "mine", "url": DEV.url, "transport": "STREAMABLEHTTP", "visibility": "private"}
URLENCODED = (b"content-type", b"application/x-www-form-urlencoded")
SESSION = (b"cookie", b"jwt_token=alice")

#: What upstream's UI has and a member must not reach: makes the gateway connect somewhere, reads what is others', or changes the gateway.
CLOSED = [
    ("POST", "/admin/gateways/test"), ("POST", "/admin/gateways/discover-oauth"), ("PUT", f"/admin/gateways/{ROW}"), ("DELETE", f"/admin/gateways/{ROW}"),
    ("POST", f"/admin/gateways/{ROW}/transfer-ownership"), ("POST", "/gateways"), ("PUT", f"/gateways/{ROW}"), ("POST", "/v1/gateways"),
    ("POST", "/v1/mcp-servers"), ("POST", "/v1/mcp-servers/test"), ("POST", "/v1/mcp-servers/test-handshake"), ("POST", "/v1/admin/gateways"),
    ("POST", "/admin/mcp-registry/x/register"), ("POST", "/admin/mcp-registry/bulk-register"), ("POST", "/v1/catalog/x/register"),
    ("POST", "/admin/import/configuration"), ("POST", "/import"), ("POST", "/v1/import"), ("GET", "/admin/export/configuration"), ("GET", "/export"),
    ("POST", "/admin/tools"), ("POST", "/admin/tools/"), ("POST", "/admin/tools/import"), ("POST", f"/admin/tools/{ROW}/edit"),
    ("POST", f"/admin/tools/{ROW}/state"),
    ("POST", "/admin/tools/generate-schemas-from-openapi"), ("POST", "/tools"), ("POST", "/v1/tools"), ("POST", "/v1/tools/generate-schemas-from-openapi"),
    ("POST", "/admin/resources"), ("GET", "/admin/resources/test/x"), ("POST", "/resources"), ("POST", "/admin/prompts"), ("POST", "/prompts"),
    ("POST", "/admin/a2a"), ("POST", f"/admin/a2a/{ROW}/test"), ("POST", f"/admin/a2a/{ROW}/edit"), ("POST", "/a2a"), ("GET", "/admin/a2a/partial"),
    ("POST", "/admin/grpc"), ("POST", "/servers"), ("POST", "/v1/servers"), ("POST", "/rpc"), ("POST", "/mcp"), ("GET", "/sse"), ("POST", "/message"),
    ("POST", f"/servers/{ROW}/message"), ("GET", f"/servers/{ROW}/sse"), ("POST", "/initialize"), ("POST", "/protocol/initialize"), ("GET", "/admin/events"),
    ("GET", "/admin/users"), ("GET", "/admin/users/partial"), ("POST", "/admin/users"), ("GET", f"/admin/users/{ALICE}/edit"), ("GET", "/admin/users/search"),
    ("POST", "/admin/teams"), ("POST", f"/admin/teams/{ROW}/add-member"), ("POST", f"/admin/teams/{ROW}/join-request"), ("GET", f"/admin/teams/{ROW}/members"),
    ("GET", "/admin/config/settings"), ("PUT", "/admin/config/passthrough-headers"), ("GET", "/admin/logs"), ("GET", "/admin/logs/stream"),
    ("GET", "/admin/support-bundle/generate"), ("GET", "/admin/metrics"), ("GET", "/admin/observability/traces"), ("GET", "/admin/plugins"),
    ("GET", "/oauth/authorize/x"), ("GET", "/oauth/callback"), ("POST", "/oauth/fetch-tools/x"), ("POST", "/llmchat/connect"), ("GET", "/version"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"), ("GET", "/admin/search"), ("POST", "/auth/email/login"), ("POST", "/v1/auth/email/login"), ("POST", "/auth/email/register"),
    ("GET", "/admin/forgot-password"), ("POST", "/admin/forgot-password"), ("GET", "/admin/reset-password/x"), ("POST", "/v1/tokens/teams/x"),
    ("GET", "/tokens/admin/all"), ("POST", "/reverse-proxy/sessions"), ("WEBSOCKET", "/ws"), ("WEBSOCKET", "/admin/"), ("TRACE", "/admin/"),
    ("CONNECT", "/admin/"),
    ("GET", "/admin//gateways/partial"), ("GET", "/ADMIN/users"), ("GET", "/static/../admin/users"), ("GET", "/static/"),
    ("POST", f"/admin/gateways/{ROW}/edit/"), ("POST", "/admin/gateways/"),
]  # fmt: skip
#: What a member needs for a gateway, a server and a token of their own.
OPEN = [
    ("GET", "/admin/"), ("GET", "/admin"), ("GET", "/"), ("GET", "/static/js/password-validator.js"), ("GET", "/admin/login"), ("POST", "/admin/login"),
    ("POST", "/admin/logout"), ("GET", "/admin/change-password-required"), ("POST", "/admin/change-password-required"), ("GET", "/admin/gateways/partial"),
    ("GET", "/admin/servers/partial"), ("GET", "/admin/tools/partial"), ("GET", "/admin/tokens/partial"), ("GET", f"/admin/gateways/{ROW}"),
    ("HEAD", "/admin/"),
    ("POST", "/admin/gateways"), ("POST", f"/admin/gateways/{ROW}/edit"), ("POST", f"/admin/gateways/{ROW}/state"), ("POST", f"/admin/gateways/{ROW}/delete"),
    ("POST", "/admin/servers"), ("POST", f"/admin/servers/{ROW}/edit"), ("POST", "/tokens"), ("DELETE", f"/admin/tokens/{ROW}"), ("GET", "/admin/teams/ids"),
]  # fmt: skip


class Gateway:
    """Stands for the gateway's application and its database."""

    def __init__(self) -> None:
        self.got: list = []

    def caller(self, session: str) -> Caller:
        return {"alice": MEMBER, "admin": ADMIN}.get(session, NOBODY)

    def personal_team(self, address: str) -> str:
        return TEAM

    def tools_of(self, address: str) -> set[str]:
        return {ROW}

    def owns(self, kind: str, row: str, address: str) -> bool:
        return row == ROW

    async def app(self, scope: dict, receive: object, send: object) -> None:
        message = await receive()
        self.got.append((scope["path"], dict(scope["headers"]), message["body"], CALLER.get()))


def sent(method: str, path: str, headers: list, body: bytes = b"") -> tuple[dict | None, list]:
    """What is answered to the client by us (None: nothing), and what arrived at the gateway."""
    gateway, told = Gateway(), []

    async def receive() -> dict:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict) -> None:
        told.append(message)

    app = browser.Browsers(gateway.app, gateway, [DEV])
    asyncio.run(app({"type": "http", "method": method, "path": path, "headers": headers}, receive, send))
    answer = {"status": told[0]["status"], **json.loads(told[1]["body"])} if told else None
    return answer, gateway.got


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_doors_that_are_closed_to_members(method: str, path: str) -> None:
    assert not browser.admits(method, path, MEMBER) and not browser.admits(method, path, NOBODY)
    assert browser.admits(method, path, ADMIN)


@pytest.mark.parametrize(("method", "path"), OPEN)
def test_doors_that_are_open_to_members(method: str, path: str) -> None:
    assert browser.admits(method, path, MEMBER)


def test_nobody_gets_further_than_to_the_login() -> None:
    assert {path for method, path in OPEN if browser.admits(method, path, NOBODY)} == {
        "/admin/",
        "/admin",
        "/",
        "/static/js/password-validator.js",
        "/admin/login",
    }
    answer, got = sent("GET", "/admin/gateways/partial", [])
    assert answer["status"] == 401 and "/admin/login" in answer["detail"] and got == []


def test_a_session_is_asked_about_and_a_closed_door_says_so() -> None:
    answer, got = sent("GET", "/admin/users", [SESSION])
    assert answer["status"] == 403 and answer["detail"] == answer["message"] and got == []
    assert sent("GET", "/admin/users", [(b"cookie", b"jwt_token=forged")])[0]["status"] == 401
    assert sent("GET", "/admin/users", [(b"cookie", b"a=b; access_token=admin")])[1]
    assert sent("GET", "/admin/", [SESSION])[1][0][3] == MEMBER


@pytest.mark.parametrize("cookies", [[b"jwt_token=admin; access_token=alice"], [b"jwt_token=alice; jwt_token=admin"], [b"jwt_token=alice", b"jwt_token=admin"]])
def test_two_sessions_are_none(cookies: list) -> None:
    answer, got = sent("GET", "/admin/", [(b"cookie", cookie) for cookie in cookies])
    assert answer["status"] == 403 and got == []


def test_a_registration_goes_on_with_the_fields_that_were_checked() -> None:
    body = urlencode({**FORM, "gateway_mode": "direct_proxy", "csrf_token": "c"}).encode()
    answer, got = sent("POST", "/admin/gateways", [SESSION, URLENCODED, (b"content-length", b"7"), (b"transfer-encoding", b"chunked")], body)
    (_path, headers, passed, caller), *_none = got
    assert answer is None and caller == MEMBER
    assert headers == {b"cookie": SESSION[1], URLENCODED[0]: URLENCODED[1], b"content-length": str(len(passed)).encode()}
    fields = dict(parse_qsl(passed.decode(), keep_blank_values=True))
    assert fields == {**FORM, "csrf_token": "c", "team_id": TEAM, "passthrough_headers": "", "auth_type": ""}


def multipart(fields: dict, boundary: str = "----WebKitFormBoundaryAbc", **file: str) -> tuple[tuple[bytes, bytes], bytes]:
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    parts += [f'--{boundary}\r\nContent-Disposition: form-data; name="ca"; filename="{name}"\r\n\r\n{value}\r\n' for name, value in file.items()]
    return (b"content-type", f"multipart/form-data; boundary={boundary}".encode()), "".join([*parts, f"--{boundary}--\r\n"]).encode()


def test_a_form_as_the_page_sends_it_and_no_file() -> None:
    kind, body = multipart(FORM)
    assert sent("POST", "/admin/gateways", [SESSION, kind], body)[1]
    kind, body = multipart(FORM, ca="pem")
    assert sent("POST", "/admin/gateways", [SESSION, kind], body)[0]["status"] == 422


def test_another_target_does_not_reach_the_gateway() -> None:
    body = urlencode({**FORM, "url": "http://127.0.0.1:1/mcp"}).encode()
    for path in ("/admin/gateways", f"/admin/gateways/{ROW}/edit"):
        answer, got = sent("POST", path, [SESSION, URLENCODED], body)
        assert answer["status"] == 403 and DEV.url in answer["message"] and got == []


@pytest.mark.parametrize(
    "kinds",
    [
        [b"application/json"],
        [b"multipart/form-data; boundary=application/json"],
        [b"multipart/form-data; boundary=a; x=application/json"],
        [b"text/plain"],
        [],
        [URLENCODED[1], b"application/json"],
    ],
)
def test_a_body_that_could_be_read_in_two_ways_is_refused(kinds: list) -> None:
    answer, got = sent("POST", "/admin/gateways", [SESSION, *((b"content-type", kind) for kind in kinds)], json.dumps(FORM).encode())
    assert answer["status"] == 422 and got == []


def test_a_form_without_end_is_refused() -> None:
    answer, got = sent("POST", "/admin/gateways", [SESSION, URLENCODED], b"name=" + b"x" * browser.LARGEST)
    assert answer["status"] == 422 and got == []


@pytest.mark.parametrize("what", ["edit", "state", "delete"])
@pytest.mark.parametrize("kind", ["gateways", "servers"])
def test_what_is_somebody_elses_is_not_changed(kind: str, what: str) -> None:
    answer, got = sent("POST", f"/admin/{kind}/{OTHERS}/{what}", [SESSION, URLENCODED], urlencode(FORM).encode())
    assert answer["status"] == 403 and "not yours" in answer["detail"] and got == []


def test_an_administrators_form_goes_on_untouched() -> None:
    body = urlencode({**FORM, "url": "http://127.0.0.1:1/mcp"}).encode()
    assert sent("POST", "/admin/gateways", [(b"cookie", b"jwt_token=admin"), URLENCODED], body)[1][0][2] == body


def test_a_session_is_read_off_cookies_of_any_shape() -> None:
    assert browser.session_of([(b"Cookie", b" a=b;jwt_token = x=y ;c")]) == "x=y"
    assert browser.session_of([(b"cookie", b"token=x; xjwt_token=y")]) == ""
    with pytest.raises(Refused):
        browser.session_of([(b"cookie", b"jwt_token=x"), (b"cookie", b"access_token=")])
