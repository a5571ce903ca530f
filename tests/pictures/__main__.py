# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures in docs/admin-ui.md, from a real browser at a running demo with its Admin UI on: ``python -m tests.pictures``.

On stdin is what ``described.py`` says of the demo. It goes the way that the document describes, to the end: what was registered is called with the token that
was made. Nothing secret is in a picture.
"""

from __future__ import annotations

import json
import secrets
import string
import sys
import urllib.request
from pathlib import Path

from playwright.sync_api import Locator, Page, Playwright, Response, sync_playwright

from tests.pictures.pages import log_in, opened, page_of

PICTURES = Path(__file__).resolve().parents[2] / "docs/pictures"
ALICE, TEAM, NAME = "alice@demo.example", "demo-dev", "alices-own"


def password() -> str:
    """Random text by the gateway's rules: letters and digits take turns."""
    pairs = (secrets.choice(string.ascii_letters) + secrets.choice(string.digits) for _pair in range(12))
    return "".join(pairs) + "-k_W+"


def picture(page: Page, name: str) -> None:
    page.wait_for_timeout(700)  # until what moves has come to rest
    page.screenshot(path=PICTURES / f"admin-ui-{name}.png")


def give_password(page: Page, word: str) -> None:
    """An administrator: Users, Edit, Force Password Change."""
    page.click("#tab-users")
    card = page.locator(".user-card", has_text=ALICE)
    card.locator(".edit-user-btn").click()
    page.fill("#password-field", word)
    page.fill("#confirm-password-field", word)
    picture(page, "first-password")
    with page.expect_response(lambda answer: answer.url.endswith("/update")) as answer:
        page.click("#user-edit-modal-content button[type=submit]")
    assert answer.value.ok, answer.value.text()
    page.locator("#user-edit-modal").wait_for(state="hidden")
    required = card.get_by_text("Password Change Required").first
    force = card.get_by_text("Force Password Change")
    required.or_(force).first.wait_for()
    if not required.is_visible():  # after a run that was cut off it is required already
        force.click()
    required.wait_for()


def choose_password(page: Page, word: str, own: str) -> None:
    for name, value in (("current_password", word), ("new_password", own), ("confirm_password", own)):
        page.fill(f"input[name={name}]", value)
    page.click("button[type=submit]")
    page.wait_for_url(lambda there: "change-password" not in there)


def register(page: Page, target: str) -> None:
    """A gateway that hands on the login; first to a wrong address."""
    page.click("#tab-gateways")
    form = page.locator("#add-gateway-form")
    form.locator("[name=name]").fill(NAME)
    form.locator("[name=transport]").select_option("STREAMABLEHTTP")
    form.locator("[name=visibility][value=private]").check()
    form.locator("[name=passthrough_headers]").fill("X-Database-User, X-Database-Password")
    form.locator("[name=url]").fill(target)
    form.locator("[name=transport]").evaluate("field => field.scrollIntoView({block: 'center'})")
    picture(page, "register")
    form.locator("[name=url]").fill(target.replace("localhost", "somewhere.example"))
    submit(page, form, "/admin/gateways", 403)
    picture(page, "refused")
    form.locator("[name=url]").fill(target)
    with page.expect_navigation():
        submit(page, form, "/admin/gateways", 200)
    page.get_by_role("cell", name=NAME, exact=True).wait_for()


def submit(page: Page, form: Locator, path: str, status: int) -> Response:
    with page.expect_response(lambda answer: answer.url.endswith(path) and answer.request.method == "POST") as answer:
        form.locator("button[type=submit]").last.click()
    assert answer.value.status == status, answer.value.text()
    return answer.value


#: Ids of a kind's rows that are alice's own: those that the list offers her to delete.
OWN = """async kind => {
  const list = await (await fetch(`/admin/${kind}/partial?per_page=100`)).text();
  return [...list.matchAll(new RegExp(`/admin/${kind}/([0-9a-f-]{32,36})/delete`, "g"))].map(found => found[1]);
}"""
#: As the page's own menu does; its scripts add the form's token to what is fetched.
DELETE = """([kind, id]) => fetch(`/admin/${kind}/${id}/delete`, {method: "POST", body: new FormData()})"""


def servers(page: Page) -> set[str]:
    return set(page.evaluate(OWN, "servers"))


def clear(page: Page) -> None:
    """Nothing of an earlier run is in the pictures, and nothing of this one stays."""
    for kind in ("servers", "gateways"):
        for row in set(page.evaluate(OWN, kind)):
            page.evaluate(DELETE, [kind, row])


def make_server(page: Page) -> str:
    """The id of a virtual server with the tool of alice's gateway, which the list shows."""
    page.click("#tab-catalog")
    before = servers(page)
    form = page.locator("#add-server-form")
    form.locator("[name=name]").fill(NAME)
    form.locator("[name=visibility][value=private]").check()
    form.locator("#associatedGateways label", has_text=NAME).locator("input").check()  # which leaves that gateway's tools in the list beside it
    tool = form.locator(f"[data-tool-name={NAME}-query]")
    form.locator("#associatedTools .tool-item").nth(1).wait_for(state="detached")
    tool.check()
    tool.scroll_into_view_if_needed()
    picture(page, "server")
    with page.expect_navigation():
        submit(page, form, "/admin/servers", 200)
    (made,) = servers(page) - before
    return made


def make_token(page: Page, server: str) -> dict:
    """For the environment's team, and the server that was just made."""
    page.click("#team-selector-button")
    page.locator(f".team-selector-item[data-team-name={TEAM}]").click()
    page.wait_for_url(lambda there: "team_id=" in there)
    page.click("#tab-tokens")
    form = page.locator("#create-token-form")
    form.locator("[name=name]").fill(f"{NAME}-{secrets.token_hex(2)}")  # a name stays taken
    form.locator("[name=server_id]").fill(server)
    picture(page, "token")
    return submit(page, form, "/tokens", 201).json()


def call(url: str, token: dict, login: dict) -> str:
    """What the registered gateway answers to alice."""
    server = token["token"]["server_id"]
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": f"{NAME}-query", "arguments": {"sql": "SELECT session_user AS login"}}}
    headers = {"Authorization": f"Bearer {token['access_token']}", "Content-Type": "application/json", "Accept": "application/json, text/event-stream", **login}
    request = urllib.request.Request(f"{url}/servers/{server}/mcp", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def run(playwright: Playwright, given: dict) -> None:
    browser = opened(playwright, given["chromium"])
    PICTURES.mkdir(exist_ok=True)
    word, own = password(), password()
    admin, alice = page_of(browser), page_of(browser)
    log_in(admin, given["url"], given["admin"], given["password"])
    give_password(admin, word)
    log_in(alice, given["url"], ALICE, word)
    choose_password(alice, word, own)
    clear(alice)
    register(alice, given["target"])
    token = make_token(alice, make_server(alice))
    answer = call(given["url"], token, given["login"])
    assert '\\"login\\": \\"alice\\"' in answer or '"alice"' in answer.replace("\\", ""), answer
    clear(alice)
    print(f"{len(list(PICTURES.glob('admin-ui-*.png')))} pictures in docs/pictures; alice's own gateway answered as alice.")


def main() -> None:
    given = json.load(sys.stdin)
    with sync_playwright() as playwright:
        run(playwright, given)


if __name__ == "__main__":
    main()
