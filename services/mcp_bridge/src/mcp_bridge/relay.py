# SPDX-License-Identifier: GPL-3.0-or-later
"""What `translate` starts as its stdio server: keeps the real one alive behind it.

    python -m mcp_bridge.relay (--config FILE | --manifest FILE SERVICE) --alive FIFO

`translate` never notices that its child is dead, and its pump ends at a line of 16 MB (docs/upstream.md). So its child must not die: when the
wrapped server ends, each call that it had in flight is answered with a JSON-RPC error and another one is started at once, with a growing
pause when it keeps dying; an answer that is too long becomes an error. Should the relay itself die, the bridge sees the other end of FIFO.
The wrapped server gets its own variables only, never what `translate` was started with. Standard library only: every byte counts here.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from mcp_bridge import config as configuration
from mcp_bridge.errors import SERVER_ENDED, TOO_LARGE
from mcp_bridge.process import die_with_parent, spawn

LINE_LIMIT = 15 * 1024 * 1024  # `translate` reads no longer ones
LONGEST_PAUSE = 5.0  # seconds between two starts of a server that keeps dying
HEALTHY_AFTER = 10.0  # seconds that a server must live for the pause to be forgotten


class Relay:
    """Lines from stdin to the wrapped server of the moment, lines from it to stdout."""

    def __init__(self, config: configuration.Config) -> None:
        self._config = config
        self._changed = threading.Condition()  # guards what follows
        self._server: subprocess.Popen | None = None
        self._in_flight: set[int] = set()
        self._closing = False
        self._out = threading.Lock()

    def keep_alive(self) -> None:
        """Start the wrapped server again and again, until stdin closes. In the main thread, since PR_SET_PDEATHSIG follows the thread."""
        pause = 0.0
        while not self._closing:
            began = time.monotonic()
            server = spawn(self._config.command, self._config.variables(), self._config.directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            with self._changed:
                self._server = server
                self._changed.notify_all()
            self._pump(server)
            server.kill()
            status = server.wait()
            with self._changed:
                self._server = None
                lost, self._in_flight = self._in_flight, set()
            for identity in lost:
                self._refuse(identity, SERVER_ENDED, f"the database server ended ({status}) during this call and was replaced; try again")
            if self._closing:
                return
            pause = 0.0 if time.monotonic() - began > HEALTHY_AFTER else min(LONGEST_PAUSE, pause * 2 or 0.05)
            sys.stderr.write(f"relay: the wrapped server ended ({status}); starting another in {pause:.2f} s\n")
            time.sleep(pause)

    def _pump(self, server: subprocess.Popen) -> None:
        for line in server.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if not isinstance(message, dict) or "id" not in message:
                continue  # notifications end at the bridge in any case; a flood of them would only hold translate up
            identity = message["id"]
            if "method" not in message:
                with self._changed:
                    self._in_flight.discard(identity if isinstance(identity, int) else None)
                if len(line) > LINE_LIMIT:
                    self._refuse(identity, TOO_LARGE, f"the answer has {len(line)} bytes; ask for fewer rows or columns")
                    continue
            self._emit(line)

    def _refuse(self, identity: object, code: int, message: str) -> None:
        self._emit(json.dumps({"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": message}}).encode() + b"\n")

    def _emit(self, line: bytes) -> None:
        with self._out:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()

    def forward(self) -> None:
        """Hand each line of stdin to the server of the moment; wait for one while there is none."""
        for line in sys.stdin.buffer:
            try:
                message = json.loads(line)
                identity = message.get("id") if "method" in message else None
            except (ValueError, AttributeError):
                continue
            with self._changed:
                self._changed.wait_for(lambda: self._server is not None)
                server = self._server
                if isinstance(identity, int):
                    self._in_flight.add(identity)
            try:
                server.stdin.write(line)
                server.stdin.flush()
            except OSError:
                pass  # it is dying: the call is answered with what was in flight
        self._closing = True
        with self._changed:
            if self._server is not None:
                self._server.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mcp_bridge.relay")
    configuration.add_arguments(parser)
    parser.add_argument("--alive", type=Path, required=True)
    arguments = parser.parse_args()
    die_with_parent()
    alive = os.open(arguments.alive, os.O_WRONLY | os.O_CLOEXEC)
    os.write(alive, b"1")  # from now on its end is my end
    relay = Relay(configuration.from_arguments(arguments))
    threading.Thread(target=relay.forward, daemon=True).start()
    relay.keep_alive()


if __name__ == "__main__":
    main()
