# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's Admin UI as a browser uses it: pages, cookies and forms over HTTP, without the browser."""

from __future__ import annotations

import json

import httpx

CSRF = "mcpgateway_csrf_token"


class Browser:
    """Keeps cookies whatever their ``Secure`` says, as browsers do for loopback, and sends the page's token with each form."""

    def __init__(self, url: str) -> None:
        self.url, self.cookies = url, {}
        self.http = httpx.Client(base_url=url, timeout=60, follow_redirects=False)

    def send(self, method: str, path: str, **keywords: object) -> httpx.Response:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), "Origin": self.url, "Accept": "text/html, application/json"}
        if method != "GET":
            headers["X-CSRF-Token"] = self.cookies.get(CSRF, "")
        answer = self.http.request(method, path, headers={**headers, **keywords.pop("headers", {})}, **keywords)
        for line in answer.headers.get_list("set-cookie"):
            name, _equals, value = line.partition(";")[0].partition("=")
            self.cookies[name.strip()] = value.strip().strip('"')
        return answer

    def form(self, path: str, fields: dict) -> httpx.Response:
        """A form as the page's script sends it: multipart, values once each or as a list."""
        parts = [(name, (None, one)) for name, value in fields.items() for one in (value if isinstance(value, list) else [value])]
        return self.send("POST", path, files=parts)

    def log_in(self, email: str, password: str) -> httpx.Response:
        """Where the login leads. The page is asked for first, since it gives the form's token."""
        self.cookies.clear()
        self.send("GET", "/admin/login")
        return self.send("POST", "/admin/login", data={"email": email, "password": password, "csrf_token": self.cookies.get(CSRF, "")})


def gateway(name: str, url: str, **fields: str) -> dict:
    """The fields of the page's form for a new gateway, those included that it sends empty."""
    empty = ["description", "tags", "auth_username", "auth_password", "auth_token", "oauth_grant_type", "oauth_issuer", "oauth_client_id", "oauth_token_url"]
    same = {"name": name, "url": url, "transport": "STREAMABLEHTTP", "visibility": "private", "auth_type": "", "auth_headers": "[]"}
    return {**dict.fromkeys(empty, ""), **same, "is_inactive_checked": "false", "passthrough_headers": "", **fields}


def stored(**login: str) -> dict:
    """Custom headers with a login, as the page's script writes them."""
    return {"auth_type": "authheaders", "auth_headers": json.dumps([{"key": name.replace("_", "-"), "value": value} for name, value in login.items()])}
