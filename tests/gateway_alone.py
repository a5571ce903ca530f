# SPDX-License-Identifier: GPL-3.0-or-later
"""A real gateway of its own, and upstreams for it, for tests and benchmarks of the registry. No database, no wrapped server, no root.

The gateway is upstream's own application without our filters in front, which is harder on ``gateway_registry``: nothing puts right what it sends. It writes
down what it is asked (gateway_recorded.py). The upstreams are a stub: one process that speaks as much MCP as a registration needs, under any path.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from ansible_collections.mcp.tenancy.plugins.module_utils import _contextforge, _declaration

ADMIN = "mcp-admin@registry.example"
REPOSITORY = Path(__file__).resolve().parents[1]
TOOLS = [{"name": name, "description": name, "inputSchema": {"type": "object", "properties": {"sql": {"type": "string"}}}} for name in ("query", "list-tables")]

#: Columns that the gateway's own watch over upstreams writes, without anybody having asked. ``version`` counts what was asked.
NOTED = {"last_seen", "last_refresh_at", "updated_at", "last_used"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Upstreams:
    """MCP servers at ``url(NAME)``, as many as are asked for, each with :data:`TOOLS`. One in ``down`` answers 503, one in ``bearers`` wants that bearer."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.bearers: dict[str, str] = {}
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # who has left needs no answer
                    super().handle()

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                name = self.path.split("/")[1]
                wanted = owner.bearers.get(name)
                if name in owner.down:
                    return self._answer(503, {})
                if wanted and self.headers.get("Authorization") != f"Bearer {wanted}":
                    return self._answer(401, {})
                if "id" not in body:
                    return self._answer(202, None)
                given = {
                    "initialize": {
                        "protocolVersion": (body.get("params") or {}).get("protocolVersion"),
                        "capabilities": {"tools": {}},
                        "serverInfo": {"name": name, "version": "1"},
                    },
                    "tools/list": {"tools": TOOLS},
                    "tools/call": {"content": [{"type": "text", "text": name}], "isError": False},
                    "ping": {},
                }.get(body["method"])
                if given is None:
                    return self._answer(200, {"jsonrpc": "2.0", "id": body["id"], "error": {"code": -32601, "message": "Method not found"}})
                return self._answer(200, {"jsonrpc": "2.0", "id": body["id"], "result": given})

            def do_GET(self) -> None:
                self._answer(405, {})

            do_DELETE = do_GET

            def _answer(self, status: int, value: dict | None) -> None:
                data = b"" if value is None else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_arguments: object) -> None:
                """Not a word: the gateway's log is what tests read."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{name}/mcp"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Gateway:
    """A running gateway."""

    python: Path
    home: Path
    port: int
    key: str = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def connection(self) -> dict[str, str]:
        """The options by which modules reach it."""
        return {"url": self.url, "admin_email": ADMIN, "jwt_secret_key": self.key}

    def client(self) -> _contextforge.Client:
        return _contextforge.Client(self.url, ADMIN, self.key)

    def requests(self) -> list[tuple[str, str, int]]:
        """What it was asked since its start, as its own process wrote it down: method, path, status."""
        lines = (line.split(" ") for line in (self.home / "requests.log").read_text().splitlines())
        return [(method, path, int(status)) for method, path, status in lines]

    @contextlib.contextmanager
    def asked(self) -> Iterator[list[tuple[str, str, int]]]:
        """The requests of a block, there when it is over."""
        before, seen = len(self.requests()), []
        yield seen
        seen += self.requests()[before:]

    def rows(self, table: str) -> dict[str, dict]:
        """Every row of a table by its first column, from the database itself, without :data:`NOTED`."""
        with contextlib.closing(sqlite3.connect(f"file:{self.home / 'mcp.db'}?mode=ro", uri=True)) as connection:
            cursor = connection.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description]
            return {row[0]: {name: value for name, value in zip(names, row, strict=True) if name not in NOTED} for row in cursor}

    def files_hold(self, text: str) -> list[str]:
        """Names of the database's files in which these bytes stand."""
        return [path.name for path in sorted(self.home.glob("mcp.db*")) if text.encode() in path.read_bytes()]


def python_of_gateway() -> Path:
    """A virtual environment with the gateway: one that a demo has installed, else one of our own."""
    for found in sorted((REPOSITORY / ".cache/integration/team/lib").glob("gateway-*/.complete")):
        return found.parent / "bin/python"
    own = REPOSITORY / ".cache/gateway"
    subprocess.run([REPOSITORY / "scripts/venv", own, REPOSITORY / "roles/gateway/files/requirements.txt"], check=True)
    return own / "bin/python"


@contextlib.contextmanager
def gateway(home: Path, **settings: str) -> Iterator[Gateway]:
    """A gateway with an empty database under ``home``, for the length of a block."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    (home / "cwd").mkdir()
    own = Gateway(python_of_gateway(), home, free_port(), secrets.token_urlsafe(48))
    given = {name: secrets.token_urlsafe(32) for name in _declaration.OWN_SECRETS}
    given |= {**_declaration.GATEWAY_SETTINGS, "ALLOW_PUBLIC_VISIBILITY": "true", "JWT_SECRET_KEY": own.key, "PORT": str(own.port), "APP_DOMAIN": own.url}
    given |= {"DATABASE_URL": f"sqlite:///{home / 'mcp.db'}", "PLATFORM_ADMIN_EMAIL": ADMIN, "LOG_LEVEL": "ERROR", **settings}
    given |= {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home / "cwd"), "RECORD": str(home / "requests.log")}
    application = ["gateway_recorded:app", "--app-dir", str(Path(__file__).parent)]
    command = [str(own.python.parent / "mcpgateway"), *application, "--host", "127.0.0.1", "--port", str(own.port)]
    with (home / "output.log").open("w") as output:
        process = subprocess.Popen(command, cwd=home / "cwd", env=given, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        try:
            wait_until_ready(own, process)
            yield own
        finally:
            end(process)


def wait_until_ready(own: Gateway, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{own.url}/ready", timeout=5).status_code == 200:
                return
        time.sleep(0.2)
    raise RuntimeError(f"the gateway did not start:\n{(own.home / 'output.log').read_text()[-3000:]}")


def end(process: subprocess.Popen) -> None:
    """The gateway and its helper processes, which are in its session."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()
