# SPDX-License-Identifier: GPL-3.0-or-later
"""A stdio MCP server that misbehaves on request.

A wrapper is judged by what it makes of a bad server, so this one can be as slow, as large, as dead and as rude as a case wants, and
says who it is (its pid) in each answer. Standard library only, because it is started by whatever Python is at hand, in many copies.

Environment: STUB_AFTER_EOF=SECONDS stays that long after its input has ended, as database servers with open connections do.
A copy ends by itself after fifteen minutes, whatever it was told, so that nothing stays on the machine of a developer.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time

LIFETIME = 900
TEXT = {"type": "string"}
NUMBER = {"type": "number"}
TOOLS = {
    "echo": ({"text": TEXT}, "answers at once"),
    "sleep": ({"seconds": NUMBER, "text": TEXT}, "answers later; other calls overtake it"),
    "big": ({"megabytes": NUMBER}, "answers with so many megabytes"),
    "die": ({}, "ends the process without an answer"),
    "hang": ({"kind": TEXT}, "kind 'reading': reads its input no more; kind 'answering': reads on and answers nothing any more"),
    "garbage": ({"kind": TEXT, "megabytes": NUMBER}, "writes something odd, then a proper answer"),
    "environment": ({}, "names of the environment variables"),
    "cancelled": ({}, "ids of the cancellations that arrived, and texts of the sleeping calls that they cut short"),
    "count": ({}, "number of tool calls that arrived, and texts of the calls that sleep"),
}

_output = threading.Lock()
_muted = threading.Event()
_read_no_more = threading.Event()
_sleeping: dict[str, tuple[threading.Event, str]] = {}
_cancelled: list[object] = []
_cut: list[str] = []
_calls = 0


def write(data: bytes) -> None:
    """One piece of output, never mixed with that of another thread."""
    with _output:
        write_unlocked(data)


def write_unlocked(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def line(message: dict) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def result(identifier: object, value: dict) -> bytes:
    return line({"jsonrpc": "2.0", "id": identifier, "result": value})


def answer_line(identifier: object, **fields: object) -> bytes:
    text = json.dumps({**fields, "pid": os.getpid()}, separators=(",", ":"))
    return result(identifier, {"content": [{"type": "text", "text": text}]})


def answer(identifier: object, **fields: object) -> None:
    if not _muted.is_set():
        write(answer_line(identifier, **fields))


def error(identifier: object, code: int, message: str) -> None:
    if not _muted.is_set():
        write(line({"jsonrpc": "2.0", "id": identifier, "error": {"code": code, "message": message}}))


def sleep(identifier: object, seconds: float, text: str) -> None:
    key, cut = json.dumps(identifier), threading.Event()
    _sleeping[key] = (cut, text)
    if cut.wait(seconds):
        _cut.append(text)
    else:
        answer(identifier, text=text)
    if _sleeping.get(key, (None, ""))[0] is cut:
        del _sleeping[key]


def cancel(params: dict) -> None:
    identifier = params.get("requestId")
    _cancelled.append(identifier)
    call = _sleeping.get(json.dumps(identifier))
    if call:
        call[0].set()


def garbage(identifier: object, kind: str, megabytes: float) -> None:
    """Something odd, then the proper answer; `megabytes` is the length of the kind 'long'."""
    good = answer_line(identifier, text=kind)
    if kind == "half":
        with _output:  # a pause in the middle of a line is a pause for all answers
            write_unlocked(good[: len(good) // 2])
            time.sleep(0.4)
            write_unlocked(good[len(good) // 2 :])
        return
    if kind == "crlf":
        write(good[:-1] + b"\r\n")
        return
    if kind == "stderr":
        for _ in range(64):
            os.write(2, b"x" * 65535 + b"\n")
    elif kind == "flood":
        for number in range(5000):
            write(line({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": f"noise {number}"}}))
    elif kind == "long":
        write(b"x" * int(megabytes * 1024 * 1024) + b"\n")
    else:
        write(rude_lines(identifier)[kind])
    write(good)
    if kind == "twice":
        write(answer_line(identifier, text="the second answer"))


def rude_lines(identifier: object) -> dict[str, bytes]:
    nobody = {"content": [{"type": "text", "text": '{"text":"an answer to nobody"}'}]}
    return {
        "text": b"Warning: this is no JSON\n\n   \n",
        "torn": answer_line(identifier, text="torn")[:30] + b"\n",
        "no_object": b'42\nnull\n"text"\n[]\n[1,2]\n{}\n',
        "unknown_id": result(987654321, nobody) + result("nobody", nobody) + line({"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "?"}}),
        "odd_id": result({"a": 1}, nobody) + result([identifier], nobody) + result(True, nobody),
        "twice": b"",
        "utf8": b'\xff\xfe\x80 \xc3\n{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"\xc3\x28\xff"}}\n',
        "deep": b"[" * 100_000 + b"]" * 100_000 + b"\n",
        "request": line({"jsonrpc": "2.0", "id": identifier, "method": "roots/list"}) + line({"jsonrpc": "2.0", "id": 1, "method": "ping"}),
    }


def call(identifier: object, name: str, arguments: dict) -> None:
    global _calls
    _calls += 1
    text = str(arguments.get("text", ""))
    if name == "echo":
        answer(identifier, text=text)
    elif name == "sleep":
        threading.Thread(target=sleep, args=(identifier, float(arguments.get("seconds", 1)), text), daemon=True).start()
    elif name == "big":
        body = "x" * int(float(arguments.get("megabytes", 1)) * 1024 * 1024)
        threading.Thread(target=answer, args=(identifier,), kwargs={"text": body}, daemon=True).start()
    elif name == "die":
        os._exit(1)
    elif name == "hang":
        answer(identifier, text="hanging")
        (_read_no_more if arguments.get("kind") == "reading" else _muted).set()
    elif name == "garbage":
        kind, megabytes = str(arguments.get("kind", "text")), float(arguments.get("megabytes", 40))
        threading.Thread(target=garbage, args=(identifier, kind, megabytes), daemon=True).start()
    elif name == "environment":
        answer(identifier, names=sorted(os.environ))
    elif name == "cancelled":
        answer(identifier, ids=list(_cancelled), cut=list(_cut))
    elif name == "count":
        answer(identifier, count=_calls, sleeping=[text for _, text in list(_sleeping.values())])
    else:
        error(identifier, -32602, f"Unknown tool: {name}")


def receive(message: object) -> None:
    if not isinstance(message, dict) or "method" not in message:
        return  # an answer to a request of ours: nobody waits for it
    method, identifier, params = message["method"], message.get("id"), message.get("params") or {}
    if "id" not in message:
        if method == "notifications/cancelled":
            cancel(params)
    elif method == "initialize":
        version = params.get("protocolVersion", "2025-06-18")
        write(result(identifier, {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "stub", "version": "1"}}))
    elif method == "ping":
        write(result(identifier, {}))
    elif method == "tools/list":
        tools = [{"name": name, "description": text, "inputSchema": {"type": "object", "properties": properties}} for name, (properties, text) in TOOLS.items()]
        write(result(identifier, {"tools": tools}))
    elif method == "tools/call":
        call(identifier, params.get("name", ""), params.get("arguments") or {})
    else:
        error(identifier, -32601, f"Method not found: {method}")


def main() -> None:
    signal.alarm(LIFETIME)
    for raw in sys.stdin.buffer:
        try:
            message = json.loads(raw)
        except (ValueError, RecursionError):
            error(None, -32700, "Parse error")
            continue
        for one in message if isinstance(message, list) else [message]:
            receive(one)
        if _read_no_more.is_set():
            while True:
                signal.pause()
    time.sleep(float(os.environ.get("STUB_AFTER_EOF", "0")))


if __name__ == "__main__":
    main()
