# SPDX-License-Identifier: GPL-3.0-or-later
"""From the client's host, over TLS through the edge: what clients get, and what attackers do not."""

from __future__ import annotations

import json
import time

import pytest
from behind_edges import DOORS, token_of
from two_teams import administer, forged

ENTRIES = [("team_a", "team-a-dev-alice", "dev"), ("team_a", "team-a-prod", "prod"), ("team_b", "team-b-dev", "dev"), ("team_b", "team-b-prod", "prod")]


@pytest.mark.parametrize(("name", "entry", "environment"), ENTRIES)
def test_the_official_client_gets_rows_of_both_engines_and_environments(client, teams, name, entry, environment):
    host, port = DOORS[name]
    assert teams[name].clients[entry]["url"].startswith(f"https://{host}{'' if port == 443 else f':{port}'}/servers/")
    space, database = f"{name}-{environment}".replace("_", "-"), name if environment == "prod" else f"{name}_dev"
    answer = client.ask(name, entry, f"{space}-postgres-query", sql="SELECT team, environment FROM owner")
    assert not answer["error"] and json.loads(answer["text"]) == [{"team": name, "environment": environment}]
    if (name, environment) != ("team_b", "dev"):  # it has no MongoDB
        found = client.ask(name, entry, f"{space}-mongodb-find", connectionId="preconfigured", database=database, collection="owner")
        assert f'"environment":"{environment}"' in found["text"] and f'"team":"{name}"' in found["text"]


# --- who is refused, and what the refusal says

REFUSED = {401: {"detail": "Authentication required"}, 403: {"detail": "Access denied"}, 404: {"detail": "Not found"}}


def says_nothing(answer, status: int) -> None:
    """The status and a sentence of our own; no header that tells of what stands behind."""
    assert (answer.status, json.loads(answer.body)) == (status, REFUSED[status])
    assert not set(answer.headers) & {"server", "via", "x-powered-by", "x-correlation-id", "set-cookie", "alt-svc"}, answer.headers
    assert answer.headers.get("www-authenticate", "Bearer") == "Bearer"


def test_another_teams_token_is_refused(client, teams):
    for entry in teams["team_b"].clients.values():
        for door in teams["team_a"].clients.values():
            says_nothing(client.call("team_a", door["url"], token_of(entry)), 401)


def test_a_dev_token_at_prod_hears_what_it_would_hear_of_a_server_that_is_not_there(client, teams):
    clients = teams["team_a"].clients
    token, prod = token_of(clients["team-a-dev-bob"]), clients["team-a-prod"]["url"]
    assert client.call("team_a", clients["team-a-dev-bob"]["url"], token).status == 200
    there, absent = client.call("team_a", prod, token), client.call("team_a", prod.replace(prod.split("/")[4], "0" * 32), token)
    says_nothing(there, 403)
    assert (there.status, there.body) == (absent.status, absent.body)
    assert {name for name in there.headers if name != "date"} == {name for name in absent.headers if name != "date"}


FORGERIES = ["unsigned", "signed with another team's key", "signed with a guess", "made an administrator's", "expired", "absent", "no token at all"]


@pytest.mark.parametrize("how", FORGERIES)
def test_a_forged_or_expired_token_is_refused(client, teams, how):
    entry, key = teams["team_a"].clients["team-a-dev-bob"], teams["team_a"].env()["JWT_SECRET_KEY"].encode()
    token = token_of(entry)
    given = {
        "unsigned": forged(token, None),
        "signed with another team's key": forged(token, teams["team_b"].env()["JWT_SECRET_KEY"].encode()),
        "signed with a guess": forged(token, b"my-test-key"),
        "made an administrator's": forged(token, b"x" * 32, user={"email": "bob@team-a.example", "is_admin": True}),
        "expired": forged(token, key, exp=int(time.time()) - 60),
        "absent": "",
        "no token at all": "not-a-token",
    }[how]
    says_nothing(client.call("team_a", entry["url"], given), 401)


def test_a_revoked_token_is_refused(client, teams):
    """bob's token is revoked at the gateway itself; the edge has no memory of it."""
    team = teams["team_a"]
    entry = team.clients["team-a-dev-bob"]
    token = token_of(entry)
    assert client.call("team_a", entry["url"], token).status == 200
    administer(team, "DELETE", f"/v1/tokens/admin/{_token_id(team, 'bob@team-a.example')}")
    deadline = time.monotonic() + 30
    while (answer := client.call("team_a", entry["url"], token)).status == 200 and time.monotonic() < deadline:
        time.sleep(1)  # the gateway remembers for a moment
    says_nothing(answer, 401)


def _token_id(team, email: str) -> str:
    (row,) = [row for row in administer(team, "GET", f"/v1/tokens/admin/all?user_email={email}&limit=50")["tokens"] if not row["is_revoked"]]
    return row["id"]


# --- headers that a client must not send

SESSION = "0f0e0d0c-0b0a-4908-8706-050403020100"
STRIPPED = [
    *(("X-Upstream-Authorization", "Bearer x"), ("X-Forwarded-User", "alice@team-a.example"), ("X-Forwarded-User-Email", "alice@team-a.example")),
    *(("X-Forwarded-User-Admin", "true"), ("X-Forwarded-Internally", "true"), ("X-ContextForge-Auth-Context", "x"), ("X-Database-Identity", "x")),
    *(
        ("Mcp-Session-Id", SESSION),
        ("X-Mcp-Session-Id", SESSION),
        ("X-Edge-Client", "127.0.0.1"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1"),
    ),
    *(("X-Http-Method-Override", "DELETE"), ("X-Original-Url", "/admin/"), ("X_Upstream_Authorization", "Bearer x"), ("Connection", "X-Edge-Client")),
]


@pytest.mark.parametrize(("name", "value"), STRIPPED)
def test_a_forged_header_has_no_effect(client, teams, name, value):
    clients = teams["team_a"].clients
    entry, prod, tool = clients["team-a-dev-alice"], clients["team-a-prod"]["url"], "team-a-dev-postgres-query"
    call = {"method": "tools/call", "name": tool, "arguments": {"sql": "SELECT team, environment FROM owner"}}
    plain, with_it = (client.call("team_a", entry["url"], token_of(entry), *more, **call) for more in ((), ((name, value),)))
    assert plain.status == with_it.status == 200 and json.loads(plain.body) == json.loads(with_it.body)
    says_nothing(client.call("team_a", prod, token_of(entry), (name, value)), 403)
    says_nothing(client.call("team_a", prod, "", (name, value)), 401)


@pytest.mark.parametrize("name", ["Cookie", "X-Upstream-Authorization", "Proxy-Authorization"])
def test_a_token_in_another_place_opens_nothing(client, teams, name):
    prod = teams["team_a"].clients["team-a-prod"]
    token = token_of(prod)
    value = f"jwt_token={token}" if name == "Cookie" else f"Bearer {token}"
    says_nothing(client.call("team_a", prod["url"], "", (name, value)), 401)
    says_nothing(client.call("team_a", f"{prod['url']}?token={token}", ""), 401)


def test_a_stolen_session_id_leads_to_nobodys_session(client, teams):
    """alice opens one, bob's place in dev is asked with its id, and with one that he makes up: his own rows, as always."""
    clients = teams["team_a"].clients
    alice, prod = clients["team-a-dev-alice"], clients["team-a-prod"]
    begin = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    opened = client.call("team_a", prod["url"], token_of(prod), ("Mcp-Session-Id", SESSION), method="initialize", **begin)
    assert opened.status == 200 and "mcp-session-id" not in opened.headers
    call = {"method": "tools/call", "name": "team-a-dev-postgres-query", "arguments": {"sql": "SELECT environment FROM owner"}}
    told = client.call("team_a", alice["url"], token_of(alice), ("Mcp-Session-Id", SESSION), **call)
    assert '"isError":false' in told.body.replace(" ", "") and "dev" in told.body and "prod" not in told.body.replace("reprod", "")


# --- paths

ELSEWHERE = ["/", "/mcp", "/rpc", "/sse", "/tools", "/v1/tools", "/servers", "/gateways", "/admin/", "/docs", "/openapi.json", "/version", "/ready", "/metrics"]


@pytest.mark.parametrize("path", [*ELSEWHERE, "/health/x", "/servers/{id}/sse", "/servers/{id}/mcp/../../../admin/", "/servers/{id}/mcp%2f..%2f..%2fadmin"])
def test_no_other_path_is_there_even_for_an_administrator(client, teams, path):
    team = teams["team_a"]
    entry = team.clients["team-a-dev-alice"]
    token = forged(token_of(entry), team.env()["JWT_SECRET_KEY"].encode(), user={"email": "alice@team-a.example", "is_admin": True})
    given = path.replace("{id}", entry["url"].split("/")[4])
    for method in ("GET", "POST"):
        answer = client.raw("team_a", given, [("Authorization", f"Bearer {token}")], method=method)
        assert answer.status in (403, 404) and answer.body in ('{"detail": "Not found"}', '{"detail": "Access denied"}'), (given, answer)


def test_health_says_no_more_than_that(client, team):
    answer = client.raw(team.name, "/health", [], method="GET")
    assert (answer.status, answer.body) == (200, '{"status":"ok"}')
    wanted = {"strict-transport-security", "x-content-type-options", "x-frame-options", "referrer-policy", "content-security-policy", "cache-control"}
    assert wanted <= set(answer.headers) and "server" not in answer.headers


def test_a_request_that_is_too_large_is_refused(client, teams):
    entry = teams["team_a"].clients["team-a-dev-alice"]
    answer = client.call("team_a", entry["url"], token_of(entry), padding=2_000_000)
    assert answer.status == 413 and json.loads(answer.body) == {"detail": "Request too large"}
    assert client.call("team_a", entry["url"], token_of(entry), padding=1_000_000).status == 200


# --- the Admin UI's name


def test_the_admin_ui_is_there_for_its_own_addresses_only(client, teams):
    team, name = teams["team_b"], "admin.team-b.internal"
    for path in ("/", "/admin/", "/admin/login", "/health"):
        says_nothing(client.raw("team_b", path, [], method="GET", name=name), 404)
    client_name = client.raw("team_b", "/admin/", [], method="GET")
    says_nothing(client_name, 404)
    # From its own host it may be asked; where the gateway has its pages is the gateway's matter.
    ask = f"curl -sSk -H 'Accept: text/html' --resolve {name}:8443:127.0.0.1 https://{name}:8443"
    pages = [team.host.check_output("sh -c %s", f"{ask}{path}") for path in ("/admin/login", "/v1/admin/login")]
    assert any("<form" in page and "password" in page for page in pages), pages
    assert json.loads(team.host.check_output("sh -c %s", f"{ask}/servers/{'0' * 32}/mcp")) == REFUSED[404]
