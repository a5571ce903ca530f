# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser, and how somebody logs in at the gateway's Admin UI."""

from __future__ import annotations

import os

from playwright.sync_api import Browser, Dialog, Page, Playwright

SIZE = {"width": 1100, "height": 760}


def opened(playwright: Playwright, chromium: str, *arguments: str) -> Browser:
    alone = [] if os.geteuid() else ["--no-sandbox"]  # which Chromium asks of root; it opens pages of ours only
    return playwright.chromium.launch(executable_path=chromium, args=[*alone, *arguments])


def page_of(browser: Browser) -> Page:
    page = browser.new_context(viewport=SIZE, locale="en-US").new_page()
    page.on("dialog", Dialog.accept)
    return page


def log_in(page: Page, url: str, email: str, word: str) -> None:
    page.goto(f"{url}/admin/")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", word)
    page.click("button[type=submit]")
    page.wait_for_url(lambda there: "/admin/login" not in there)
