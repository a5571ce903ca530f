# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who logs in at the Admin UI behind an edge, with a real browser: ``python -m tests.pictures.at_an_edge``.

On stdin: ``chromium``, ``url``, ``address`` (where the name of the URL is), ``key`` (SHA-256 of the certificate's public key, base64: no other is taken),
``admin``, ``password``, ``server`` (a name that the list of virtual servers has). On stdout what was seen, as JSON.
"""

from __future__ import annotations

import json
import sys
from urllib.parse import urlsplit

from playwright.sync_api import Page, Playwright, sync_playwright

from tests.pictures.pages import log_in, opened, page_of


def refused(page: Page, given: dict) -> str:
    """Where a wrong password leads."""
    page.goto(f"{given['url']}/admin/")
    page.fill("input[name=email]", given["admin"])
    page.fill("input[name=password]", "not the password-1")
    with page.expect_navigation():
        page.click("button[type=submit]")
    return page.url


def seen(playwright: Playwright, given: dict) -> dict:
    name = urlsplit(given["url"]).hostname
    browser = opened(
        playwright, given["chromium"], f"--host-resolver-rules=MAP {name} {given['address']}", f"--ignore-certificate-errors-spki-list={given['key']}"
    )
    page, blocked = page_of(browser), []
    page.on("console", lambda told: blocked.append(told.text) if "Content Security Policy" in told.text else None)
    wrong = refused(page, given)
    log_in(page, given["url"], given["admin"], given["password"])
    page.click("#tab-catalog")
    page.get_by_text(given["server"], exact=True).first.wait_for()
    cookies = [cookie for cookie in page.context.cookies() if cookie["name"] in ("jwt_token", "access_token")]
    stranger = page_of(browser)
    stranger.goto(f"{given['url']}/admin/")
    return {
        "wrong password": wrong,
        "right password": page.url,
        "cookies": [{key: cookie[key] for key in ("httpOnly", "secure", "sameSite", "domain")} for cookie in cookies],
        "stranger": stranger.url,
        "blocked": blocked,
    }


def main() -> None:
    given = json.load(sys.stdin)
    with sync_playwright() as playwright:
        json.dump(seen(playwright, given), sys.stdout)


if __name__ == "__main__":
    main()
