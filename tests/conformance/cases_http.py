# SPDX-License-Identifier: GPL-3.0-or-later
"""The door: who may come in, and what is said to those who speak badly. Nothing may hang and nothing may be half accepted."""

from __future__ import annotations

import asyncio
import json

from tests.conformance.client import UNSET, Client, Reply
from tests.conformance.target import Target, is_echo
from tests.conformance.verdict import Size, Verdict, case, failed, judged, not_applicable

PATIENCE = 5


def refused(reply: Reply) -> bool:
    return 400 <= reply.status < 500


async def knock(target: Target, headers: dict[str, str], *, credentials: dict[str, str] | None = None) -> Reply:
    """initialize, from somebody who says these things of himself."""
    async with Client(target.url, target.headers if credentials is None else credentials, patience=PATIENCE) as client:
        hello = client.message("initialize", {"protocolVersion": client.era, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}})
        return await client.post(hello, headers=headers)


async def raw(target: Target, body: bytes, *, wanted: object = UNSET) -> tuple[Reply, bool, str]:
    """A body as it is, in a session; then whether the wrapper still works."""
    async with await target.started(patience=12) as client:
        message = {"method": "tools/call", "params": {"name": "echo"}} | ({} if wanted is UNSET else {"id": wanted})
        reply = await client.post(message, body=body)
        await client.end()
    works, how = await target.works()
    return reply, works, "" if works else f", then {how}"


@case("a foreign Host is refused (DNS rebinding)")
async def case_foreign_host(target: Target, size: Size) -> Verdict:
    seen = {
        host: await knock(target, {"Host": host})
        for host in ("attacker.example", "attacker.example:80", "127.0.0.1.attacker.example", "localhost@attacker.example")
    }
    let_in = [host for host, reply in seen.items() if not refused(reply)]
    return judged(not let_in, f"{let_in[0]} gets {seen[let_in[0]].what}" if let_in else f"HTTP {next(iter(seen.values())).status}")


@case("a foreign Origin is refused")
async def case_foreign_origin(target: Target, size: Size) -> Verdict:
    seen = {origin: await knock(target, {"Origin": origin}) for origin in ("https://attacker.example", "http://127.0.0.1.attacker.example", "null")}
    let_in = [origin for origin, reply in seen.items() if not refused(reply)]
    return judged(not let_in, f"{let_in[0]} gets {seen[let_in[0]].what}" if let_in else f"HTTP {next(iter(seen.values())).status}")


@case("no token, a wrong token, another scheme: refused")
async def case_token(target: Target, size: Size) -> Verdict:
    if not (target.running.has_door if target.running else target.headers):
        return not_applicable("asks for none: who reaches the port may call")
    token = target.headers["Authorization"].removeprefix("Bearer ")
    tries = ["", "Bearer", "Bearer ", "Bearer x", f"Bearer {token}x", f"Bearer {token[:-1]}", f"Basic {token}", token, f"Bearer {token[:-1]}\u00e9"]
    problems = []
    for tried in tries:
        reply = await knock(target, {}, credentials={"Authorization": tried} if tried else {})
        if reply.status != 401:
            problems.append(f"{tried.replace(token, 'TOKEN')!r:.20}: {reply.what}")
        if token in str(reply.raw):
            problems.append("the answer tells the token")
    if not is_initialized(await knock(target, {})):
        problems.append("the right one is refused")
    return judged(not problems, "; ".join(problems[:2]) or "HTTP 401")


def is_initialized(reply: Reply) -> bool:
    return bool(reply.message and "result" in reply.message)


@case("a pretty-printed request is answered")
async def case_pretty_printed(target: Target, size: Size) -> Verdict:
    message = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": "pretty\nprinted"}}}
    reply, works, after = await raw(target, json.dumps(message, indent=2).encode(), wanted=5)
    return judged(is_echo(reply, "pretty\nprinted") and works, reply.what + after)


@case("a body that is no JSON is refused")
async def case_invalid_json(target: Target, size: Size) -> Verdict:
    problems, said = [], ""
    for body in (b"", b"{", b"no json", b"\xff\xfe{}", b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n{"jsonrpc":"2.0","id":2,"method":"ping"}'):
        reply, works, after = await raw(target, body)
        said = said or reply.what
        if not works or not reply.error or reply.status >= 500:
            problems.append(f"{body[:10]!r}: {reply.what}{after}")
    return judged(not problems, "; ".join(problems[:2]) or said)


@case("JSON that is no request is refused")
async def case_no_request(target: Target, size: Size) -> Verdict:
    problems, said = [], ""
    for body in (b"1", b"null", b'"x"', b"{}", b'{"id":1}', b'{"jsonrpc":"2.0","id":1,"method":5}', b'{"jsonrpc":"1.0","id":1,"method":7,"params":3}'):
        reply, works, after = await raw(target, body, wanted=1)
        said = said or reply.what
        if not works or not reply.error or reply.status >= 500:
            problems.append(f"{body[:20]!r}: {reply.what}{after}")
    return judged(not problems, "; ".join(problems[:2]) or said)


@case("JSON nested 100,000 deep is refused as the client's mistake")
async def case_deep_json(target: Target, size: Size) -> Verdict:
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":' + b"[" * 100_000 + b"]" * 100_000 + b"}}}"
    reply, works, after = await raw(target, body, wanted=1)
    return judged(works and bool(reply.error) and reply.status < 500, reply.what + after)


@case("a batch gets a clear answer")
async def case_batch(target: Target, size: Size) -> Verdict:
    """Protocol 2025-06-18 has taken batches out: an error is right; an answer to each of its messages is fine, too."""
    calls = [{"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": str(number)}}} for number in (1, 2)]
    reply, works, after = await raw(target, json.dumps(calls).encode(), wanted=1)
    answered = is_echo(reply, "1") and reply.foreign == 1
    return judged(works and (answered or bool(reply.error)) and reply.status < 500, ("both answered" if answered else reply.what) + after)


@case("an unknown method gets a JSON-RPC error")
async def case_unknown_method(target: Target, size: Size) -> Verdict:
    async with await target.started() as client:
        reply = await client.request("no/such/method")
        await client.end()
    good = bool(reply.message and "error" in reply.message)
    return judged(good and reply.seconds < PATIENCE, f"{reply.what} after {reply.seconds:.1f} s" if not good else reply.error)


async def other_method(target: Target, method: str, headers: dict[str, str]) -> str:
    """What the head of the answer says; empty if there was none in time."""
    async with await target.started() as client, client.sibling() as other:
        try:
            async with asyncio.timeout(PATIENCE):
                head = await other.connection.send(method, other.path, {**other._headers(None), **headers})
        except (TimeoutError, OSError):
            return ""
        return f"{head.status} {head.type}".strip()


@case("GET /mcp is a stream or is refused, at once")
async def case_get(target: Target, size: Size) -> Verdict:
    streaming, plain = await other_method(target, "GET", {"Accept": "text/event-stream"}), await other_method(target, "GET", {"Accept": "text/html"})
    good = streaming.startswith("405") or streaming == "200 text/event-stream"
    works, how = await target.works()
    return judged(good and plain[:1] in ("2", "4") and works, f"{streaming or 'nothing in 5 s'}{'' if works else ', ' + how}")


@case("DELETE /mcp ends the session or is refused, at once")
async def case_delete(target: Target, size: Size) -> Verdict:
    said = await other_method(target, "DELETE", {})
    works, how = await target.works()
    return judged(said[:3] in ("200", "202", "204", "404", "405") and works, f"{said or 'nothing in 5 s'}{'' if works else ', ' + how}")


@case("a notification gets 202")
async def case_notification(target: Target, size: Size) -> Verdict:
    async with await target.started() as client:
        reply = await client.post({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}, patience=PATIENCE)
        await client.end()
    if reply.problem:
        return failed(reply.problem)
    return judged(reply.status == 202 and reply.seconds < 2, f"{reply.status} after {reply.seconds:.1f} s")


@case("two lengths, or a length and chunks: no second meaning gets through")
async def case_smuggling(target: Target, size: Size) -> Verdict:
    """RFC 9112, 6.3: different lengths are an error; a length beside chunks is one, or does not count and the connection ends."""
    body = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    problems = []
    async with await target.started(patience=PATIENCE) as client:
        async with client.sibling() as other:
            reply = await other.post({"method": "ping", "id": 1}, headers={"content-length": str(len(body) + 5)}, body=body, patience=PATIENCE)
            if not refused(reply) and "connection lost" not in reply.problem:
                problems.append(f"two lengths: {reply.what}")
        async with client.sibling() as other:
            chunks = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
            reply = await other.post({"method": "ping", "id": 1}, headers={"Transfer-Encoding": "chunked"}, body=chunks, patience=PATIENCE)
            if not refused(reply) and "connection lost" not in reply.problem and not await ends(other):
                problems.append(f"length and chunks: {reply.what}, and the connection stays")
        await client.end()
    return judged(not problems, "; ".join(problems))


async def ends(client: Client) -> bool:
    """Whether the server closes this connection, without another request."""
    if not client.connection.reader:
        return True
    try:
        async with asyncio.timeout(1):
            return await client.connection.reader.read(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
