#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""In the place of a wrapped server: does what it is told, to see what a server that was taken over could reach. Speaks MCP over stdin and stdout."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys


def environment(_given):
    return dict(os.environ)


def processes(_given):
    """What /proc shows, and which of the first 50,000 pids there is somebody to send a signal to."""
    there = []
    for pid in range(1, 50_000):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            continue
        except PermissionError:
            pass
        there.append(pid)
    return {"proc": os.path.exists("/proc/self"), "pids": there, "own": os.getpid()}


def read(path):
    try:
        if os.path.isdir(path):
            return {"entries": sorted(os.listdir(path))}
        with open(path, "rb") as stream:
            return {"content": stream.read(65536).decode(errors="replace")}
    except OSError as error:
        return {"error": error.strerror}


def write(path):
    try:
        with open(path, "a") as stream:
            stream.write("x")
    except OSError as error:
        return {"error": error.strerror}
    return {"written": path}


def connect_unix(path):
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect("\0" + path[1:] if path.startswith("@") else path)
    except OSError as error:
        return {"error": error.strerror}
    return {"connected": path}


def kill(pid):
    try:
        os.kill(int(pid), signal.SIGKILL)
    except OSError as error:
        return {"error": error.strerror}
    return {"killed": pid}


def privileges(_given):
    """Who it is, and whether it can become more."""
    libc = ctypes.CDLL(None, use_errno=True)
    mount = libc.mount(b"proc", b"/tmp", b"proc", 0, None)
    return {"uid": os.getuid(), "mount": mount}


def shared_memory(_given):
    return {"ipcs": subprocess.run(["ipcs", "-a"], capture_output=True, text=True).stdout, "shm": read("/dev/shm")}


def eat_memory(_given):
    held = []
    try:
        while len(held) < 4096:
            held.append(bytearray(1024 * 1024))
    except MemoryError:
        return {"mebibytes": len(held)}
    return {"mebibytes": len(held)}


def fork(_given):
    children = []
    try:
        while len(children) < 5000:
            pid = os.fork()
            if pid == 0:
                signal.pause()
            children.append(pid)
    except OSError as error:
        return {"children": len(children), "error": error.strerror}
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
    return {"children": len(children)}


def spin(_given):
    """Answers, and goes on working."""
    if os.fork() == 0:
        while True:
            pass
    return {}


def end(_given):
    os._exit(3)


TOOLS = {name: value for name, value in list(globals().items()) if callable(value) and getattr(value, "__module__", "") == "__main__"}


def answer(request):
    method = request["method"]
    if method == "initialize":
        return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "hostile", "version": "1"}}
    if method == "tools/list":
        return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]}
    if method != "tools/call":
        return {}
    found = TOOLS[request["params"]["name"]](request["params"]["arguments"].get("given", ""))
    return {"content": [{"type": "text", "text": json.dumps(found)}]}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer(message)}) + "\n")
        sys.stdout.flush()
