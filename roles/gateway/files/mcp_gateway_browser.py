# SPDX-License-Identifier: GPL-3.0-or-later
"""The doors of the Admin UI: which of its pages and forms are for whom. What is not listed here is closed to everybody but administrators.

A browser comes with a session's cookie. Who that is, is asked of the gateway's own database and not of the cookie's word; whether the session still
holds is for the gateway to say, as everywhere. Forms that make or change a registration are checked, and written anew, before the gateway sees them.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from urllib.parse import urlencode

import mcp_gateway_targets as rules
from mcp_gateway_outgoing import CALLER, Caller
from mcp_gateway_targets import Form, Refused, Target

Headers = list[tuple[bytes, bytes]]
#: Cookies that are a session, in the order in which the gateway looks for them.
SESSIONS = ("jwt_token", "access_token")
#: A form's bytes at most. The page's longest is a server with all of its tools.
LARGEST = 512 * 1024

_ID = r"(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
#: What a browser needs before anybody has logged in.
ANYBODY = [
    ("GET", re.compile(r"/|/favicon\.ico|/admin/?|/admin/login|/static(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+")),
    ("POST", re.compile(r"/admin/login")),
]
#: What somebody who is no administrator may open and send. None of these makes the gateway connect to a place that a person can choose, but for FORMS.
MEMBERS = [
    *ANYBODY,
    ("GET", re.compile(r"/admin/(?:overview|gateways|servers|tools|resources|prompts|tokens|teams)/partial")),
    ("GET", re.compile(r"/admin/(?:gateways|servers|tools|teams)/ids")),
    ("GET", re.compile(rf"/admin/(?:gateways|servers|tools)/{_ID}")),
    ("GET", re.compile(r"/admin/(?:change-password-required|logout)")),
    ("POST", re.compile(r"/admin/(?:change-password-required|logout)")),
    ("POST", re.compile(rf"/admin/(?:gateways|servers)/{_ID}/(?:state|delete)")),
    ("POST", re.compile(r"/tokens")),
    ("DELETE", re.compile(rf"/admin/tokens/{_ID}")),
]
#: What changes one row: its owner's alone.
CHANGES = re.compile(rf"/admin/(gateway|server)s/({_ID})/(?:state|delete|edit)")
#: Forms that are checked field by field before they go on.
FORMS = [
    (re.compile(rf"/admin/gateways(?:/{_ID}/edit)?"), "gateway"),
    (re.compile(rf"/admin/servers(?:/{_ID}/edit)?"), "server"),
]
#: One kind of body with one boundary, of characters that mean nothing else. Whatever else a request may claim to be, the gateway does not get to see.
MULTIPART = re.compile(r"multipart/form-data; ?boundary=[A-Za-z0-9_-]{1,100}")
URLENCODED = re.compile(r"application/x-www-form-urlencoded(; ?charset=utf-8)?", re.IGNORECASE)

NOT_FOR_YOU = "This part of the gateway is for administrators. Next: what members may do here is in docs/admin-ui.md."


class People(Protocol):
    """What the gateway's database says."""

    def caller(self, session: str) -> Caller: ...
    def personal_team(self, address: str) -> str: ...
    def tools_of(self, address: str) -> set[str]: ...
    def owns(self, kind: str, row: str, address: str) -> bool: ...


def session_of(headers: Headers) -> str:
    """The session's token; "" when there is none. Raises Refused when there is more than one: which the gateway would take is not ours to guess."""
    pairs = [pair.strip().partition(b"=") for name, value in headers if name.lower() == b"cookie" for pair in value.split(b";")]
    found = [value.strip().decode("latin-1") for name, _equals, value in pairs if name.strip().decode("latin-1") in SESSIONS]
    if len(found) > 1:
        raise Refused(403, "The request has more than one session. Next: log out, delete this site's cookies, and log in again.")
    return found[0] if found else ""


def checked_form(method: str, path: str) -> str:
    """Which rules a form has to keep: "gateway", "server" or ""."""
    return next((kind for pattern, kind in FORMS if method == "POST" and pattern.fullmatch(path)), "")


def admits(method: str, path: str, caller: Caller) -> bool:
    """Whether this caller may come in here at all. HEAD is as GET."""
    if caller.admin:
        return True
    doors = MEMBERS if caller.address else ANYBODY
    method = "GET" if method == "HEAD" else method
    return any(method == allowed and pattern.fullmatch(path) for allowed, pattern in doors) or bool(caller.address and checked_form(method, path))


def content_type(headers: Headers) -> str:
    """The one content type of a form. Raises Refused for any other."""
    given = [value.decode("latin-1").strip() for name, value in headers if name.lower() == b"content-type"]
    if len(given) == 1 and (MULTIPART.fullmatch(given[0]) or URLENCODED.fullmatch(given[0])):
        return given[0]
    raise Refused(422, "Registrations come from the page's own form. Next: open /admin/ in a browser.")


async def body_of(receive: Callable[[], Awaitable[dict]]) -> bytes:
    """The request's whole body. Raises Refused when it is too large."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ConnectionResetError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST:
            raise Refused(422, "The form is larger than any of the page's own.")
        more = message.get("more_body", False)
    return b"".join(parts)


async def form_of(kind: str, body: bytes) -> Form:
    """The fields of a form. A file that is empty is what a browser sends for one that was not chosen; any other is refused."""
    from starlette.requests import Request  # the gateway's own parser, so that there is one reading

    async def receive() -> dict:
        return {"type": "http.request", "body": body, "more_body": False}

    request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode("latin-1"))]}, receive)
    fields: Form = []
    async with request.form(max_fields=2000) as form:
        for name, value in form.multi_items():
            if not isinstance(value, str) and (value.size or value.filename):
                raise Refused(422, "The form has a file in it. Next: leave certificates out; services for people are on this host.")
            fields += [(name, value)] if isinstance(value, str) else []
    return fields


class Browsers:
    """The ASGI application for requests without a bearer, around the gateway's own."""

    def __init__(self, gateway: Callable, people: People, targets: Sequence[Target]) -> None:
        self.gateway, self.people, self.targets = gateway, people, targets

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        try:
            scope, receive, caller = await self._admitted(scope, receive)
        except Refused as error:
            await refuse(scope, send, error)
            return
        except ConnectionResetError:
            return
        CALLER.set(caller)
        await self.gateway(scope, receive, send)

    async def _admitted(self, scope: dict, receive: Callable) -> tuple[dict, Callable, Caller]:
        headers = scope["headers"]
        session = session_of(headers)
        caller = await asyncio.to_thread(self.people.caller, session) if session else Caller()
        method, path = scope.get("method", "WEBSOCKET"), scope["path"]
        if not admits(method, path, caller):
            raise Refused(403 if caller.address else 401, NOT_FOR_YOU if caller.address else "Nobody is logged in. Next: open /admin/login.")
        change = None if caller.admin else CHANGES.fullmatch(path)
        if change and not await asyncio.to_thread(self.people.owns, change[1], change[2], caller.address):
            raise Refused(403, "That is not yours to change. Next: change what you registered yourself, or ask whoever runs the team.")
        kind = "" if caller.admin else checked_form(method, path)
        if kind:
            headers, receive = await self._checked(kind, headers, receive, caller.address)
        return {**scope, "headers": headers}, receive, caller

    async def _checked(self, kind: str, headers: Headers, receive: Callable, person: str) -> tuple[Headers, Callable]:
        """The same form with the fields that may pass, as the gateway gets to read it."""
        form = await form_of(content_type(headers), await body_of(receive))
        team = await asyncio.to_thread(self.people.personal_team, person)
        if kind == "gateway":
            allowed = rules.gateway(form, person, team, self.targets)
        else:
            allowed = rules.server(form, team, await asyncio.to_thread(self.people.tools_of, person))
        body = urlencode(allowed).encode()
        kept = [(name, value) for name, value in headers if name.lower() not in (b"content-type", b"content-length", b"transfer-encoding")]
        kept += [(b"content-type", b"application/x-www-form-urlencoded"), (b"content-length", str(len(body)).encode())]
        told = False

        async def replay() -> dict:
            nonlocal told
            if told:
                return await receive()
            told = True
            return {"type": "http.request", "body": body, "more_body": False}

        return kept, replay


async def refuse(scope: dict, send: Callable, error: Refused) -> None:
    """Said in the words that the page shows (``message``) and that programs read (``detail``)."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body = json.dumps({"detail": str(error), "message": str(error), "success": False}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
