# SPDX-License-Identifier: GPL-3.0-or-later
"""Two real gateways of one team over one real PostgreSQL and one real Redis, both with verified TLS and logins full of odd characters. No root, no demo.

The gateways are what a deploy starts, filters in front included; their settings and URLs are the collection's own. The upstreams are a stub.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from ansible.module_utils.testing import patch_module_args
from psycopg import sql

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string, _declaration, _sharing
from ansible_collections.mcp.tenancy.plugins.modules import gateway_registry
from tests.gateway_alone import ADMIN, REPOSITORY, Gateway, Upstreams, end, free_port, python_of_gateway, wait_until_ready
from tests.integration.database_tls.authority import Authority, Pair
from tests.integration.database_tls.servers import Postgres, wait_for

#: In both: what URLs, dotenv files, shells and percent-encoding trip over.
ODD = "@ : / % ? # ' \" \\ $ + & = %41 é ü 漢 {x} [y];"
DATABASE, USER = "team gateway é".replace(" ", "_"), "gateway@team/a:1"
MEMBER, TEAM, SERVER = "alice@team-a.example", "shared-dev", "shared-dev"


class Redis:
    """Debian's redis-server over TLS, with one user; nobody else gets in."""

    def __init__(self, folder: Path, pair: Pair, authority: Authority) -> None:
        self.program = shutil.which("redis-server") or shutil.which("valkey-server")
        if not self.program:
            pytest.skip("there is no redis-server here (Debian: apt-get install redis-server)")
        folder.mkdir()
        self.folder, self.port, self._process = folder, free_port(), None
        pair.written(folder / "server.pem", folder / "server.key")
        (folder / "ca.pem").write_text(authority.pem)
        rights = "~* &* +@all -@dangerous +info"  # as docs/shared-gateways.md has it
        acl = f"user default off\nuser {USER} on #{hashlib.sha256(ODD.encode()).hexdigest()} {rights}\n"
        (folder / "users.acl").write_text(acl)
        self.start()

    def start(self) -> None:
        options = {"port": "0", "tls-port": self.port, "bind": "127.0.0.1", "tls-auth-clients": "no", "save": "", "appendonly": "no", "dir": self.folder}
        options |= {"tls-cert-file": self.folder / "server.pem", "tls-key-file": self.folder / "server.key", "tls-ca-cert-file": self.folder / "ca.pem"}
        options |= {"aclfile": self.folder / "users.acl"}
        command = [self.program, *(part for name, value in options.items() for part in (f"--{name}", str(value)))]
        self.stop()  # of a test that failed before it did
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: "Ready to accept connections" in (self.folder / "log").read_text(), (self.folder / "log").read_text)

    def stop(self) -> None:
        (self.folder / "log").write_text("")
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)


@dataclass
class Shared:
    """The two, and what a test does with them."""

    gateways: list[Gateway]
    processes: list[subprocess.Popen]
    postgres: Postgres
    redis: Redis
    upstreams: Upstreams
    home: Path
    environment: dict[str, str] = field(repr=False)

    def start(self, number: int) -> None:
        own = self.gateways[number]
        given = {**self.environment, "PORT": str(own.port), "TMPDIR": str(own.home / "cwd"), "HOME": str(own.home), "RECORD": str(own.home / "requests.log")}
        command = [str(own.python.parent / "mcpgateway"), "gateway_recorded:app", "--app-dir", str(REPOSITORY / "tests"), "--host", "127.0.0.1"]
        command += ["--port", str(own.port), "--workers", "1", "--no-access-log", "--no-proxy-headers", "--no-server-header"]
        with (own.home / "output.log").open("ab") as output:
            options = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, "start_new_session": True}
            self.processes[number] = subprocess.Popen(command, cwd=own.home / "cwd", env=given, **options)

    def ready(self, number: int) -> None:
        wait_until_ready(self.gateways[number], self.processes[number])

    def kill(self, number: int) -> None:
        os.killpg(self.processes[number].pid, 9)
        self.processes[number].wait()

    def register(self, number: int, file: str, upstream: str = "one", bearer: str = "") -> dict:
        """What a deploy tells a gateway, told to one of the two; what the module answers."""
        wanted = {
            "teams": [{"name": TEAM, "members": [{"email": MEMBER, "role": "member"}]}],
            "gateways": [{"name": "shared-dev-stub", "url": self.upstreams.url(upstream), "transport": "STREAMABLEHTTP", "team": TEAM, "visibility": "team"}],
            "servers": [{"name": SERVER, "team": TEAM, "gateways": ["shared-dev-stub"], "visibility": "team"}],
            "clients": [{"name": SERVER, "user": MEMBER, "team": TEAM, "server": SERVER, "expires_in_days": 30, "renew_within_days": 10}],
        }
        if bearer:
            wanted["gateways"][0] |= {"auth_token": bearer, "auth_version": "1"}
        given = {**self.gateways[number].connection, "owner": "shared", "encrypts_updates": True, "client_config": str(self.home / file), **wanted}
        given["public_url"] = self.gateways[0].url  # clients know one name
        said = io.StringIO()
        with patch_module_args({**given, "_ansible_remote_tmp": "/tmp"}), contextlib.redirect_stdout(said), pytest.raises(SystemExit):
            gateway_registry.main()
        return {"failed": False, **json.loads(said.getvalue())}

    def entry(self, file: str) -> dict:
        return json.loads((self.home / file).read_text())["mcpServers"][SERVER]

    def call(self, number: int, entry: dict) -> httpx.Response:
        """One tools/call at one of the two with a client's entry, whichever of them made it."""
        url = entry["url"].replace(self.gateways[0].url, self.gateways[number].url)
        headers = {**entry["headers"], "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "shared-dev-stub-query", "arguments": {"sql": "SELECT 1"}}}
        return httpx.post(url, json=body, headers=headers, timeout=60)

    def answer(self, number: int, entry: dict) -> str:
        """The stub's text, which is the name under which it was called."""
        said = self.call(number, entry)
        assert said.status_code == 200, (said.status_code, said.text)
        result = said.json().get("result") or {}
        assert result.get("content") and not result.get("isError"), said.text
        return result["content"][0]["text"]

    def until(self, condition: Callable[[], bool], seconds: float) -> float:
        """How long it took until it was so."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < seconds, "it never was so"
            time.sleep(0.02)
        return time.monotonic() - began


def declared(home: Path, postgres: Postgres, redis: Redis) -> dict:
    """A team's declaration of what its gateways share."""
    same = {"mcp_team": "shared", "mcp_root": str(home), "mcp_runtime_directory": str(home / "run"), "mcp_gateway_admin_email": ADMIN, "mcp_environments": []}
    database = {"host": "localhost", "port": postgres.port, "database": DATABASE, "ca": "ca.pem"}
    return {**same, "mcp_gateway_database": database, "mcp_gateway_cache": {"host": "localhost", "port": redis.port, "ca": "ca.pem"}}


def make_database(postgres: Postgres) -> None:
    """What docs/shared-gateways.md asks of a DBA."""
    with postgres.superuser("postgres") as connection:
        verifier = connection.pgconn.encrypt_password(ODD.encode(), USER.encode(), b"scram-sha-256").decode()
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(USER), sql.Literal(verifier)))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(USER)))


@contextlib.contextmanager
def shared_gateways(home: Path) -> Iterator[Shared]:
    """Both begin at the same time with an empty database."""
    authority = Authority("of what is shared")
    postgres, upstreams, redis = None, Upstreams(), None
    try:
        redis = Redis(home / "redis", authority.server(), authority)
        (home / "postgres").mkdir()
        postgres = Postgres(home / "postgres", authority.server())
        make_database(postgres)
        declaration = declared(home, postgres, redis)
        values = {
            one["login"]: _connection_string.render(one["engine"], USER, ODD, "localhost", one["database"]["port"], one["database"]["database"])
            for one in _sharing.connections(declaration)
        }
        found = _sharing.urls(declaration, values)
        for one in _sharing.connections(declaration):
            path = Path(_sharing.ca_path(declaration, one))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(authority.pem)
        key = secrets.token_urlsafe(48)
        environment = {name: secrets.token_urlsafe(36) for name in _declaration.OWN_SECRETS} | {"JWT_SECRET_KEY": key, "PATH": os.environ["PATH"]}
        environment |= _sharing.settings(declaration, _declaration.gateway(declaration)["settings"])
        environment |= {name: found[source["key"]] for name, source in _sharing.secrets(declaration).items()}
        environment |= {
            "PYTHONPATH": str(REPOSITORY / "roles/gateway/files"),
            "RECORD_OF": "mcp_gateway_front",
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        gateways = []
        for name in ("gw1", "gw2"):
            (home / name / "cwd").mkdir(parents=True)
            gateways.append(Gateway(python_of_gateway(), home / name, free_port(), key))
        world = Shared(gateways, [None, None], postgres, redis, upstreams, home, environment)
        try:
            for number in (0, 1):
                world.start(number)
            for number in (0, 1):
                world.ready(number)
            yield world
        finally:
            for process in world.processes:
                if process is not None:
                    end(process)
    finally:
        upstreams.close()
        for server in (postgres, redis):
            if server is not None:
                server.stop()
