# SPDX-License-Identifier: GPL-3.0-or-later
"""A member of an environment registers a gateway of their own in the Admin UI, as a browser sends it, and uses it with the official client.

Nothing leads them elsewhere, and what they store is nowhere in clear (docs/admin-ui.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import jwt
import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _contextforge, _declaration, _password
from demo.people import QUESTION
from demo.table import innermost, opened, text
from tests.integration import admin_ui
from tests.integration.conftest import BRIDGE

ON = ("-e", json.dumps({"mcp_gateway_settings": {"MCPGATEWAY_UI_ENABLED": True, "MCPGATEWAY_ADMIN_API_ENABLED": True}}))
ADMIN, ALICE, MALLORY = "mcp-admin@demo.example", "alice@demo.example", "mallory@demo.example"
TITLES = "On Bread, Winter Orchards"
HEADERS = json.dumps(["X-Database-User", "X-Database-Password"])


@dataclass
class Ui:
    """The gateway with its UI on, an administrator, alice, and mallory, who is in no environment."""

    demo: object
    url: str
    target: str  # where alice may register
    login: dict  # alice's own, in headers
    admin: admin_ui.Browser
    alice: admin_ui.Browser
    mallory: admin_ui.Browser
    found: dict = field(default_factory=dict)

    @property
    def database(self) -> Path:
        return self.demo.home / "team/state/mcp.db"

    def rows(self, sql: str, *values: str) -> list[tuple]:
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            return connection.execute(sql, values).fetchall()

    def in_clear(self, *texts: str) -> list[str]:
        """Files of the gateway's database that have one of these texts in them."""
        files = [path for path in self.database.parent.iterdir() if path.is_file()]
        return [path.name for path in files if any(one.encode() in path.read_bytes() for one in texts)]


def first_password(admin: admin_ui.Browser, url: str, email: str) -> admin_ui.Browser:
    """What an administrator does once for a person, and that person afterwards. Who was given a password has to change it."""
    given, own = _password.draw(24), _password.draw(24)
    done = admin.send("POST", f"/admin/users/{email}/update", data={"full_name": email, "password": given, "confirm_password": given})
    assert done.status_code == 200 and "successfully" in done.text, done.text[:500]
    done = admin.send("POST", f"/admin/users/{email}/force-password-change")
    assert done.status_code == 200, done.text[:500]
    person = admin_ui.Browser(url)
    assert person.log_in(email, given).headers["location"].endswith("/admin/change-password-required")
    changed = person.send("POST", "/admin/change-password-required", data={"current_password": given, "new_password": own, "confirm_password": own})
    assert changed.status_code == 303 and "error" not in changed.headers["location"], changed.headers["location"]
    assert person.log_in(email, own).headers["location"].rstrip("/").endswith("/admin")
    return person


@pytest.fixture(scope="module")
def ui(demo) -> Iterator[Ui]:
    done = demo.deploy(*BRIDGE, *ON)
    assert done.returncode == 0, done.stdout[-3000:]
    state, url = demo.state, f"http://127.0.0.1:{demo.state['ports']['gateway']}"
    admin = admin_ui.Browser(url)
    assert admin.log_in(ADMIN, demo.env.read()["PLATFORM_ADMIN_PASSWORD"]).status_code == 303
    made = admin.send("POST", "/admin/users", data={"email": MALLORY, "password": (given := _password.draw(24)), "confirm_password": given, "full_name": "M"})
    assert made.status_code in (200, 201) or "exists" in made.text, made.text[:500]
    login = json.loads((demo.home / "client-alice.json").read_text())["mcpServers"]["demo-dev-postgres-users"]["headers"]
    login = {name: value for name, value in login.items() if name.startswith("X-Database")}
    target = f"http://localhost:{state['ports']['postgres-dev-users']}/mcp"
    one = Ui(demo, url, target, login, admin, first_password(admin, url, ALICE), first_password(admin, url, MALLORY))
    yield one
    for kind in ("servers", "gateways"):
        for (row,) in one.rows(f"SELECT id FROM {kind} WHERE owner_email = ?", ALICE):
            one.alice.send("POST", f"/admin/{kind}/{row}/delete", data={})
    one.admin.send("DELETE", f"/admin/users/{MALLORY}")
    done = demo.deploy(*BRIDGE)
    assert done.returncode == 0, done.stdout[-3000:]


def register(ui: Ui, name: str, **fields: str) -> str:
    """The id of a gateway that alice registered."""
    answer = ui.alice.form("/admin/gateways", admin_ui.gateway(name, ui.target, **fields))
    assert answer.status_code == 200 and answer.json()["success"], answer.text
    return ui.rows("SELECT id FROM gateways WHERE name = ?", name)[0][0]


def entry(ui: Ui, gateway: str, name: str) -> dict:
    """A client's entry for a gateway of alice's: a virtual server with its tools, and a token, both made in the UI."""
    tools = [tool for (tool,) in ui.rows("SELECT id FROM tools WHERE gateway_id = ?", gateway)]
    answer = ui.alice.form("/admin/servers", {"name": name, "description": "", "tags": "", "visibility": "private", "associatedTools": tools})
    assert answer.status_code == 200 and answer.json()["success"], answer.text
    server = ui.rows("SELECT id FROM servers WHERE name = ?", name)[0][0]
    # A token for the environment's team: one for the personal team, which is the gateway's own choice, may list tools and not call them.
    team = ui.rows("SELECT id FROM email_teams WHERE name = 'demo-dev'")[0][0]
    wanted = {
        "name": f"{name}-{secrets.token_hex(4)}",
        "expires_in_days": 1,
        "team_id": team,
        "scope": {"server_id": server, "permissions": [], "ip_restrictions": []},
    }
    token = ui.alice.send("POST", "/tokens", json=wanted, headers={"Authorization": "Bearer"})
    assert token.status_code == 201, token.text
    return {"url": f"{ui.url}/servers/{server}/mcp", "headers": {"Authorization": f"Bearer {token.json()['access_token']}"}}


def asked(entry: dict) -> dict:
    """One row, by the official client; raises with what the tool said when that is an error."""

    async def ask() -> dict:
        async with opened(entry) as client:
            (query,) = [tool.name for tool in (await client.list_tools()).tools if tool.name.endswith("query")]
            return json.loads(text(await client.call_tool(query, {"sql": QUESTION})))[0]

    return asyncio.run(ask())


def test_a_member_registers_a_gateway_that_hands_on_their_login(ui) -> None:
    gateway = register(ui, "alices own", passthrough_headers=HEADERS)
    ui.found["passed"] = entry(ui, gateway, "alices-own")
    with_login = {**ui.found["passed"], "headers": {**ui.found["passed"]["headers"], **ui.login}}
    assert asked(with_login) == {"login": "alice", "titles": TITLES}
    with pytest.raises(ExceptionGroup) as error:
        asked(ui.found["passed"])
    assert "X-Database-User" in innermost(error.value)


def test_a_member_stores_their_login_and_needs_none_in_the_client(ui) -> None:
    ui.found["gateway"] = register(ui, "alices stored", **admin_ui.stored(**ui.login))
    ui.found["stored"] = entry(ui, ui.found["gateway"], "alices-stored")
    assert asked(ui.found["stored"]) == {"login": "alice", "titles": TITLES}
    assert ui.in_clear(*[ui.login["X-Database-Password"]]) == []


def test_an_edit_keeps_the_login_encrypted_and_working(ui) -> None:
    path = f"/admin/gateways/{ui.found['gateway']}/edit"
    for login in (ui.login, dict.fromkeys(ui.login, "*****")):
        answer = ui.alice.form(path, admin_ui.gateway("alices stored", ui.target, description="edited", **admin_ui.stored(**login)))
        assert answer.status_code == 200 and answer.json()["success"], answer.text
        assert ui.in_clear(ui.login["X-Database-Password"]) == []
        assert asked(ui.found["stored"])["login"] == "alice"
    shown = ui.alice.send("GET", f"/admin/gateways/{ui.found['gateway']}")
    assert shown.status_code == 200 and ui.login["X-Database-Password"] not in shown.text


def test_an_update_by_the_api_does_not_bare_a_bearer(ui) -> None:
    """Upstream's fault with PUT, on a registration of the team's own."""
    env, name = ui.demo.env.read(), "demo-dev-postgres"
    clear = _declaration.bridge_token(env["MCP_BRIDGE_TOKEN"], "postgres-dev")
    with _contextforge.Client(ui.url, ADMIN, env["JWT_SECRET_KEY"]) as client:
        (row,) = [row for row in client.list_gateways() if row["name"] == name]
        client._call("PUT", f"/v1/gateways/{row['id']}", json={"auth_type": "bearer", "auth_token": clear})
    assert ui.in_clear(clear) == [] and not ui.rows("SELECT auth_value FROM gateways WHERE id = ?", row["id"])[0][0].startswith("{")
    assert "mcp_demo_dev" in ui.demo.ask_postgres("dev", "SELECT session_user")


def restarted(ui: Ui) -> None:
    """The gateway is killed, and its supervisor starts it again from what lies on the host now."""
    pid = next(pid for pid, argv in ui.demo.processes().items() if "mcp_gateway_front:app" in argv and os.path.basename(argv[0]).startswith("python"))
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{ui.url}/ready").status_code == 200:
                return
        assert time.monotonic() < deadline, "the gateway does not come back"
        time.sleep(0.3)


def test_who_is_no_longer_a_member_gets_no_further_with_what_they_registered(ui) -> None:
    """As a deploy of a declaration without alice leaves it."""
    path = ui.demo.home / "team/etc/services.json"
    before = path.read_text()
    manifest = json.loads(before)
    settings = manifest["services"]["gateway"]["environment"]
    settings["MCP_TARGETS"] = json.dumps([{**target, "members": []} for target in json.loads(settings["MCP_TARGETS"])])
    try:
        path.write_text(json.dumps(manifest))
        restarted(ui)
        with pytest.raises(ExceptionGroup) as error:
            asked(ui.found["stored"])
        assert "a bearer token is needed" in innermost(error.value)
        assert "no environment" in refused(ui.alice.form("/admin/gateways", admin_ui.gateway("again", ui.target)))
    finally:
        path.write_text(before)  # the next test starts the gateway from it


def test_clear_rows_of_an_earlier_version_are_encrypted_at_start_and_still_work(ui) -> None:
    secret = ui.login["X-Database-Password"]
    with sqlite3.connect(ui.database) as connection:
        connection.execute("UPDATE gateways SET auth_value = ?, auth_type = 'authheaders' WHERE id = ?", [json.dumps(ui.login), ui.found["gateway"]])
    assert ui.in_clear(secret) != []
    restarted(ui)
    assert ui.in_clear(secret) == []
    assert asked(ui.found["stored"])["login"] == "alice"


def refused(answer: httpx.Response, *statuses: int) -> str:
    assert answer.status_code in (statuses or (403,)), (answer.status_code, answer.text[:300])
    return answer.text


def test_other_targets_headers_and_people_are_refused_before_anything_is_contacted(ui) -> None:
    before = ui.rows("SELECT count(*) FROM gateways")
    shared = f"http://localhost:{ui.demo.state['ports']['postgres-prod']}/mcp"
    for url in (shared, "http://127.0.0.1:1/mcp", "http://169.254.169.254/latest", f"{ui.target}?x=1"):
        for path in ("/admin/gateways", f"/admin/gateways/{ui.found['gateway']}/edit"):
            assert "Next: use one of" in refused(ui.alice.form(path, admin_ui.gateway("elsewhere", url)))
    for header in ("Authorization", "X-Database-Identity", "X-Upstream-Authorization"):
        assert "takes no header" in refused(ui.alice.form("/admin/gateways", admin_ui.gateway("h", ui.target, passthrough_headers=json.dumps([header]))))
        assert "takes no header" in refused(ui.alice.form("/admin/gateways", admin_ui.gateway("h", ui.target, **admin_ui.stored(**{header: "x"}))))
    assert "no environment" in refused(ui.mallory.form("/admin/gateways", admin_ui.gateway("m", ui.target)))
    assert "Private" in refused(ui.alice.form("/admin/gateways", admin_ui.gateway("v", ui.target, visibility="team")), 422)
    refused(ui.alice.send("POST", "/admin/gateways", json=admin_ui.gateway("j", ui.target)), 422)
    assert ui.rows("SELECT count(*) FROM gateways") == before


def test_what_others_made_is_not_theirs_to_change_or_to_use(ui) -> None:
    (declared,) = ui.rows("SELECT id FROM gateways WHERE name = 'demo-prod-postgres'")[0]
    for what in ("edit", "state", "delete"):
        assert "not yours" in refused(ui.alice.form(f"/admin/gateways/{declared}/{what}", admin_ui.gateway("x", ui.target)))
    tools = [tool for (tool,) in ui.rows("SELECT id FROM tools WHERE gateway_id = ?", declared)]
    answer = ui.alice.form("/admin/servers", {"name": "borrowed", "visibility": "private", "associatedTools": tools})
    assert "not of a gateway that you registered" in refused(answer)
    for path in (f"/admin/gateways/{declared}", f"/admin/gateways/{ui.found['gateway']}"):
        assert refused(ui.mallory.send("GET", path), 403, 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(
            ("POST", path)
            for path in ("/admin/tools", "/admin/resources", "/admin/a2a", "/admin/gateways/test", "/admin/import/configuration", "/rpc", "/mcp", "/gateways")
        ),
        *(
            ("POST", path)
            for path in ("/v1/gateways", "/v1/tools", "/v1/import", "/v1/a2a", "/v1/mcp-servers/test-handshake", "/admin/mcp-registry/x/register")
        ),
        *(
            ("GET", path)
            for path in (
                "/admin/users",
                "/admin/logs",
                "/v1/gateways",
                "/v1/tools",
                "/export",
                "/version",
                "/admin/export/configuration",
            )
        ),
    ],
)
def test_other_doors_are_closed_to_a_member_by_session_and_by_token(ui, method: str, path: str) -> None:
    assert "for administrators" in refused(ui.alice.send(method, path, **({"json": {}} if method == "POST" else {})))
    for token in (ui.found["stored"]["headers"]["Authorization"], f"Bearer {ui.alice.cookies['jwt_token']}"):
        refused(httpx.request(method, f"{ui.url}{path}", headers={"Authorization": token}))
    refused(httpx.request(method, f"{ui.url}{path}"), 401)


def test_the_page_that_shows_logins_is_closed_to_everybody(ui) -> None:
    """Of the gateway's own database and Redis; an administrator has no use for it either (test_gateway_front.py)."""
    for path in ("/admin/config/settings", "/v1/admin/config/settings/"):
        tokens = (ui.found["stored"]["headers"]["Authorization"], f"Bearer {ui.alice.cookies['jwt_token']}")
        answers = [ui.alice.send("GET", path), httpx.get(f"{ui.url}{path}")]
        answers += [httpx.get(f"{ui.url}{path}", headers={"Authorization": token}) for token in tokens]
        assert [(answer.status_code, answer.json()) for answer in answers] == [(403, {"detail": "Access denied"})] * 4


def test_a_member_makes_tokens_for_themselves_only_and_of_no_administrator(ui) -> None:
    for email in (MALLORY, ADMIN):
        refused(ui.alice.send("POST", "/tokens", json={"name": secrets.token_hex(4), "expires_in_days": 1, "user_email": email}))
    claims = jwt.decode(ui.found["stored"]["headers"]["Authorization"].removeprefix("Bearer "), options={"verify_signature": False})
    assert (claims["user"]["email"], claims["user"]["is_admin"]) == (ALICE, False)


def test_pages_that_a_member_needs_are_open_and_tell_nothing_of_other_environments(ui) -> None:
    for path in ("/admin/", "/admin/gateways/partial", "/admin/servers/partial", "/admin/tools/partial", "/admin/tokens/partial", "/admin/teams/ids"):
        own, foreign = ui.alice.send("GET", path), ui.mallory.send("GET", path)
        assert own.status_code == foreign.status_code == 200, path
        assert "demo-dev" not in foreign.text and "alices" not in foreign.text, path
    assert "alices stored" in ui.alice.send("GET", "/admin/gateways/partial").text
    for form in ('id="add-gateway-form"', 'id="add-server-form"', 'id="create-token-form"'):
        assert form in ui.alice.send("GET", "/admin/").text
    assert 'id="add-gateway-form"' not in ui.mallory.send("GET", "/admin/").text


def test_the_bearer_of_a_bridge_is_nowhere_that_a_person_sees(ui) -> None:
    bearer = _declaration.bridge_token(ui.demo.env.read()["MCP_BRIDGE_TOKEN"], "postgres-dev-users")
    (row,) = ui.rows("SELECT id, auth_value FROM gateways WHERE name = 'alices own'")
    assert row[1] in (None, "null") and ui.in_clear(bearer) == []
    for path in ("/admin/", "/admin/gateways/partial", f"/admin/gateways/{row[0]}"):
        assert bearer not in ui.alice.send("GET", path).text
