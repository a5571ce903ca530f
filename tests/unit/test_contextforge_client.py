# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's paging, and that no error holds a secret. What the gateway really does is for the integration tests."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

httpx = pytest.importorskip("httpx")
pytest.importorskip("jwt")

from ansible_collections.mcp.tenancy.plugins.module_utils import _contextforge as contextforge

KEY = "key-canary-" + "k" * 40


def client(handler: object) -> contextforge.Client:
    return contextforge.Client("http://gateway", "admin@demo.example", KEY, transport=httpx.MockTransport(handler))


def team(number: int) -> dict:
    return {"id": str(number), "name": f"team-{number}", "description": None, "is_personal": False}


def test_every_page_is_read_and_no_row_twice() -> None:
    pages = {None: ([1, 2], "a"), "a": ([2, 3], "b"), "b": ([4], None)}

    def handler(request: httpx.Request) -> httpx.Response:
        rows, cursor = pages[request.url.params.get("cursor")]
        return httpx.Response(200, json={"teams": [team(number) for number in rows], "nextCursor": cursor})

    assert [row["name"] for row in client(handler).list_teams()] == ["team-1", "team-2", "team-3", "team-4"]


def test_pages_that_go_round_end() -> None:
    with pytest.raises(contextforge.GatewayError, match="circle"):
        client(lambda _request: httpx.Response(200, json={"teams": [team(1)], "nextCursor": "same"})).list_teams()


@pytest.mark.parametrize("bound", [10**6, 40])
def test_tokens_are_paged_by_offset(bound: int) -> None:
    """``bound``: the gateway's own for a page; it cuts what is asked for without a word."""

    def handler(request: httpx.Request) -> httpx.Response:
        size = min(int(request.url.params["limit"]), bound)
        offset = int(request.url.params["offset"])
        same = {"name": "n", "description": None, "user_email": "A@b", "team_id": "t", "server_id": "s", "created_at": "2026-01-01T00:00:00.5"}
        same |= {"expires_at": None, "revoked_at": None, "last_used": None, "is_active": True}
        rows = [{**same, "id": str(n), "is_revoked": n == 149} for n in range(offset, min(offset + size, 150))]
        return httpx.Response(200, json={"tokens": rows, "total": 150})

    tokens = client(handler).list_tokens()
    assert len(tokens) == 150
    assert [token["live"] for token in tokens[-2:]] == [True, False]
    assert (tokens[0]["created_at"], tokens[0]["user"]) == (1767225600, "a@b")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, {"detail": [{"loc": ["body", "auth_token"], "msg": "bad", "input": "bearer-canary"}]}),
        (400, {"detail": f"you sent {KEY} and bearer-canary"}),
        (502, {"message": "Failed with bearer-canary"}),
        (500, {"error": {"message": "bearer-canary"}}),
    ],
)
def test_an_error_holds_no_secret(status: int, body: dict) -> None:
    sent = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["Authorization"].removeprefix("Bearer "))
        return httpx.Response(status, json=body)

    with pytest.raises(contextforge.GatewayError) as caught:
        client(handler).create_gateway({"name": "pg"}, "bearer-canary")
    assert (caught.value.method, caught.value.path, caught.value.status) == ("POST", "/v1/gateways", status)
    for secret in (KEY, "bearer-canary", sent[0]):
        assert secret not in str(caught.value) + repr(caught.value.args)


def test_no_answer_is_an_error_of_ours() -> None:
    def handler(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"refused {KEY}")

    with pytest.raises(contextforge.GatewayError) as caught:
        client(handler).ready()
    assert caught.value.status == 0
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(("stored", "sent"), [("bearer", {"auth_type": "bearer", "auth_token": "*****"}), ("", {})])
def test_an_update_never_erases_a_credential(stored: str, sent: dict) -> None:
    bodies = []
    row = {"id": "g", "name": "g", "url": "u", "transport": "SSE", "visibility": "team", "enabled": True, "reachable": True, "teamId": "t", "tags": []}
    row |= {"description": None, "authType": None, "authValue": None, "lastSeen": None}

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(200, json=row)

    client(handler).update_gateway({"id": "g", "auth_type": stored}, {"description": "x"})
    assert bodies == [{"description": "x", **sent}]


@pytest.mark.parametrize(("status", "asked"), [(200, ["DELETE"]), (409, ["DELETE", "PATCH"])])
def test_a_user_who_cannot_be_deleted_is_deactivated(status: int, asked: list) -> None:
    sent = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append((request.method, json.loads(request.content) if request.content else None))
        return httpx.Response(status if request.method == "DELETE" else 200, json={})

    client(handler).remove_user("al@x.example", "Al [purged-by:me]")
    assert [method for method, _body in sent] == asked and all(body == {"full_name": "Al [purged-by:me]", "is_active": False} for _method, body in sent[1:])


def test_every_module_that_reaches_a_gateway_is_in_the_action_group() -> None:
    repository = Path(__file__).resolve().parents[2]
    group = yaml.safe_load((repository / "meta/runtime.yml").read_text())["action_groups"]["gateway"]
    modules = (repository / "plugins/modules").glob("*.py")
    reach = [path.stem for path in modules if re.search(r"^(extends_documentation_fragment:|  -) mcp\.tenancy\.gateway$", path.read_text(), re.MULTILINE)]
    assert sorted(group) == sorted(reach) and len(reach) >= 4


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("http://127.0.0.1:8/mcp", "http://localhost:8/mcp"),
        ("http://127.0.0.1/mcp?a=b", "http://localhost/mcp?a=b"),
        ("http://localhost:8/mcp", "http://localhost:8/mcp"),
        ("https://db.internal/mcp/", "https://db.internal/mcp/"),
    ],
)
def test_stored_url(url: str, stored: str) -> None:
    assert contextforge.stored_url(url) == stored


@pytest.mark.parametrize(("status", "body", "accepted"), [(200, {"result": {}}, True), (401, {}, False), (403, {"detail": "no"}, False)])
def test_a_token_is_judged_by_use(status: int, body: dict, accepted: bool) -> None:
    assert client(lambda _request: httpx.Response(status, json=body)).accepts("s", "t") is accepted


def test_a_failing_gateway_says_nothing_about_a_token() -> None:
    with pytest.raises(contextforge.GatewayError):
        client(lambda _request: httpx.Response(503, text="busy")).accepts("s", "t")
