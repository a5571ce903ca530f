# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's application behind a filter for what a client must not send and the doors that are not for it.

ContextForge 1.1.0 lets a client's ``X-Upstream-Authorization`` replace the credential that is stored for an upstream (CVE-2026-110279), lets a
client-chosen session id select another user's upstream session, and has no reason to believe a client about who it is. A token that is bound to
one virtual server still gets answers at ``/mcp``, ``/rpc`` and ``/sse``, which span servers. Until a fixed version is pinned this closes the
holes in the gateway's own process, whatever stands in front of it (docs/upstream.md).

A token is only *read* here to choose a door; whether it is genuine is for the gateway to say, at whichever door. A token that lies about
itself is therefore no way in.

With the Admin UI on, what comes without a bearer is a browser's, and ``mcp_gateway_browser.py`` says which of its doors are open.

The gateway also forks workers that hold each other's pipes open, so that none of them notices when a killed gateway leaves them behind.
They are made to follow it. And it does not speak to systemd, which this does in its place.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import select
import socket
import threading
from collections.abc import Callable

Headers = list[tuple[bytes, bytes]]
#: Request headers that are dropped, lower-case as ASGI has them.
DROPPED = {b"x-upstream-authorization", b"mcp-session-id", b"x-mcp-session-id", b"x-forwarded-internally", b"x-edge-client"}
DROPPED_PREFIXES = (b"x-forwarded-user", b"x-contextforge-")

OPEN_DOORS = {"/health", "/ready"}
CLIENT_DOOR = re.compile(r"/servers/[0-9a-f-]{32,36}/mcp/?")
#: Shows the URLs of database and Redis with their passwords (docs/upstream.md), also to administrators, who need neither.
NOBODYS_DOOR = re.compile(r"(/v1)?/admin/config/settings/?", re.IGNORECASE)
#: With the Admin UI on, browsers come with a session cookie instead of a bearer and need its pages.
UI = os.environ.get("MCPGATEWAY_UI_ENABLED", "false").lower() == "true"


def passing(headers: Headers, cookies: bool = False) -> Headers:
    """The request headers that may reach the gateway. A cookie may carry a token too: it passes for browsers of the Admin UI only, never beside a bearer."""

    def passes(name: bytes) -> bool:
        return name not in DROPPED and not name.startswith(DROPPED_PREFIXES) and (cookies or name != b"cookie")

    return [(name, value) for name, value in headers if passes(name.lower())]


def of_a_browser(headers: Headers) -> Headers:
    """The same for a request without a bearer. The UI's scripts send ``Bearer`` with nothing after it: their token is in a cookie that they cannot read."""
    return [(name, value) for name, value in passing(headers, cookies=True) if name.lower() != b"authorization"]


def has_bearer(headers: Headers) -> bool:
    """Whether the request says of itself, in its headers, who sends it."""
    return any(name.lower() == b"authorization" and value.strip().lower() not in (b"", b"bearer") for name, value in headers)


def claims_of(headers: list[tuple[bytes, bytes]]) -> dict | None:
    """What the bearer says of itself, unverified; ``{}`` when it cannot be read, None when there is none."""
    given = [value for name, value in headers if name.lower() == b"authorization"]
    if not given:
        return None
    if len(given) > 1:  # which of them the gateway would read is not ours to guess
        return {}
    try:
        payload = given[0].split(b".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        return claims if isinstance(claims, dict) else {}
    except (IndexError, ValueError):
        return {}


def refusal(path: str, headers: list[tuple[bytes, bytes]]) -> int | None:
    """The status with which a request is turned away, or None: administrators everywhere, clients at a virtual server's door only."""
    if path in OPEN_DOORS or CLIENT_DOOR.fullmatch(path):
        return None
    if NOBODYS_DOOR.fullmatch(path):
        return 403
    claims = claims_of(headers)
    if claims is None:
        return 401
    user = claims.get("user")
    return None if isinstance(user, dict) and user.get("is_admin") is True else 403


DETAILS = {401: b'{"detail":"Authentication required"}', 403: b'{"detail":"Access denied"}', 429: b'{"detail":"Too many requests"}'}


async def turn_away(status: int, send: object, retry_after: int = 0) -> None:
    """An answer that tells nothing about what is there. ``retry_after``: seconds."""
    body = DETAILS[status]
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if retry_after:
        headers.append((b"retry-after", str(retry_after).encode()))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def behind_filter(
    gateway: Callable,
    stamp: Callable[[Headers], Headers] = list,
    browsers: Callable | None = None,
    wait: Callable[[dict], int] = lambda scope: 0,
) -> Callable:
    """The ASGI application that the server runs, around the gateway's own.

    ``stamp`` says to the upstreams who calls; ``browsers``: with the Admin UI on; ``wait``: how many seconds a client has to, since it calls too often.
    """

    async def app(scope: dict, receive: object, send: object) -> None:
        if scope["type"] in ("http", "websocket"):
            path = scope["path"]
            if scope["type"] == "http" and (seconds := wait(scope)):
                await turn_away(429, send, seconds)
                return
            elsewhere = path in OPEN_DOORS or CLIENT_DOOR.fullmatch(path) or NOBODYS_DOOR.fullmatch(path)
            if browsers and not has_bearer(scope["headers"]) and not elsewhere:
                await browsers({**scope, "headers": stamp(of_a_browser(scope["headers"]))}, receive, send)
                return
            status = refusal(scope["path"], scope["headers"])
            if status and scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            if status:
                await turn_away(status, send)
                return
            scope = {**scope, "headers": stamp(passing(scope["headers"]))}
        elif scope["type"] == "lifespan":
            send = telling_systemd(send)
        await gateway(scope, receive, send)

    return app


def notify(state: str) -> None:
    """Tell systemd (sd_notify(3)); nothing happens where there is none."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.sendall(state.encode())


async def healthy() -> bool:
    """Whether this very process answers on its own port, asked as a client would."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(os.environ["PORT"]))
        writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answered = (await reader.readline()).split()[1:2] == [b"200"]
        writer.close()
        return answered
    except OSError:
        return False


async def beat() -> None:
    """Feed systemd's watchdog for as long as the gateway is healthy; one that is not is restarted."""
    interval = int(os.environ.get("WATCHDOG_USEC") or 0) / 3e6
    while interval:
        try:
            async with asyncio.timeout(interval):
                well = await healthy()
        except TimeoutError:
            well = False
        if well:
            notify("WATCHDOG=1")
        await asyncio.sleep(interval)


def telling_systemd(send: object) -> object:
    """The lifespan's ``send``, which also says when the application is ready and when it ends."""
    tasks: list[asyncio.Task] = []

    async def told(message: dict) -> None:
        await send(message)
        if message["type"] == "lifespan.startup.complete":
            import mcp_gateway_drain

            mcp_gateway_drain.install()
            notify("READY=1")
            tasks.append(asyncio.get_running_loop().create_task(beat()))
        elif message["type"] == "lifespan.shutdown.complete":
            notify("STOPPING=1")
            for task in tasks:
                task.cancel()

    return told


def follow(parent: int) -> None:
    """End this process when ``parent`` ends. A pidfd, since PR_SET_PDEATHSIG would follow the thread that forked and not its process."""
    try:
        ended = os.pidfd_open(parent)
    except ProcessLookupError:
        os._exit(1)

    def wait() -> None:
        select.select([ended], [], [])
        os._exit(1)

    threading.Thread(target=wait, name="follow-parent", daemon=True).start()


def follow_after_forks() -> None:
    """Each process that this one forks from now on, and each that those fork, ends with the one that forked it."""
    forking = [os.getpid()]

    def in_child() -> None:
        parent, forking[0] = forking[0], os.getpid()
        follow(parent)

    os.register_at_fork(after_in_child=in_child)


def __getattr__(name: str) -> object:
    """``app`` is made when the server asks for it, so that the rules can be tested without the gateway."""
    if name != "app":
        raise AttributeError(name)
    follow_after_forks()
    globals()["app"] = assembled()
    return globals()["app"]


def assembled() -> Callable:
    """The gateway's application with all that stands in front of it and around it."""
    import httpx2
    import mcp_gateway_outgoing
    import mcp_gateway_rate
    import mcp_gateway_storage
    from mcp_gateway_database import remove_half_made
    from mcp_gateway_identity import caller, person, stamped
    from mcp_gateway_levels import without_levels
    from mcp_gateway_targets import targets

    remove_half_made(os.environ.get("DATABASE_URL", ""))
    mcp_gateway_storage.install()
    known = targets(os.environ)
    mcp_gateway_outgoing.install(httpx2.AsyncHTTPTransport, known)
    from mcpgateway.main import app as gateway

    def told(headers: Headers) -> Headers:
        mcp_gateway_outgoing.CALLER.set(mcp_gateway_outgoing.Caller(*caller(headers)))
        return stamped(headers)

    rate, key = mcp_gateway_rate.of_environment(), os.environ.get("JWT_SECRET_KEY", "")

    def wait(scope: dict) -> int:
        return mcp_gateway_rate.seconds_to_wait(rate, scope, lambda bearer: person(bearer, key)[0])

    if not UI:
        return behind_filter(without_levels(gateway), told, wait=wait)
    from mcp_gateway_browser import Browsers
    from mcp_gateway_people import GatewaysPeople, show_own_forms

    show_own_forms(known)
    return behind_filter(without_levels(gateway), told, Browsers(gateway, GatewaysPeople(), known), wait)
