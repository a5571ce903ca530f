# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts by name, each team's secrets as its operator has them, and an MCP client on the client's host."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import os
import shlex
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

import testinfra
from ansible.parsing.vault import VaultLib, VaultSecret
from dotenv import dotenv_values

CONTROL = Path(__file__).resolve().parents[3] / ".cache" / "molecule-default"
TEAMS = ("team_a", "team_b")

#: The official MCP client; token and URL come from a file, never from argv.
ASK = """
import asyncio, json, sys
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

async def ask(entry, tool, arguments):
    async with httpx2.AsyncClient(headers=entry["headers"], timeout=90) as http, Client(streamable_http_client(entry["url"], http_client=http)) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        if not tool:
            return {"tools": tools}
        result = await client.call_tool(tool, arguments)
        return {"tools": tools, "error": result.is_error, "text": "\\n".join(block.text for block in result.content)}

entry = json.load(open(sys.argv[1]))["mcpServers"][sys.argv[2]]
print(json.dumps(asyncio.run(ask(entry, sys.argv[3], json.loads(sys.argv[4])))))
"""


@dataclass(frozen=True)
class Login:
    engine: str
    user: str
    password: str = field(repr=False)
    host: str
    port: int
    database: str


@dataclass
class Team:
    """One team: its gateway's host, its folders there, and what its operator knows."""

    name: str
    host: object

    @property
    def root(self) -> str:
        return f"/srv/mcp-tenancy/{self.name}"

    @property
    def run(self) -> str:
        return f"/run/mcp-tenancy/{self.name}"

    @property
    def manifest(self) -> dict:
        return json.loads(self.host.file(f"{self.root}/etc/services.json").content_string)

    @property
    def services(self) -> list[str]:
        return sorted(self.manifest["services"])

    @property
    def clients(self) -> dict[str, dict]:
        return json.loads(self.host.file(f"{self.root}/etc/client.json").content_string)["mcpServers"]

    def unit(self, service: str) -> str:
        return f"mcp-tenancy-{self.name}-{service}.service"

    def user(self, service: str) -> str:
        return self.manifest["services"][service]["user"]

    def pid(self, service: str) -> str:
        return self.host.check_output("systemctl show --property MainPID --value %s", self.unit(service))

    def by(self, service: str, command: str, *arguments: str) -> object:
        """What a command does when the service's user runs it, outside its sandbox: with its uid alone."""
        user = self.user(service)
        return self.host.run(f"setpriv --reuid {user} --regid {user} --init-groups sh -c %s", command % tuple(map(shlex.quote, arguments)))

    @property
    def _vault(self) -> VaultLib:
        return VaultLib([(self.name, VaultSecret((CONTROL / self.name / "vault.key").read_bytes().strip()))])

    def env(self) -> dict[str, str]:
        """The operator's .env, decrypted with nothing but ansible-core and python-dotenv."""
        text = self._vault.decrypt((CONTROL / self.name / ".env").read_bytes()).decode()
        return {name: value or "" for name, value in dotenv_values(stream=io.StringIO(text), interpolate=False).items()}

    def credential(self, service: str) -> dict:
        """The entry of the credentials' document that lies on the gateway's host."""
        held = json.loads(self.host.file(f"{self.root}/etc/credentials.json").content_string)
        return json.loads(self._vault.decrypt(held["document"].encode()))["credentials"][service]

    def given(self, engine: str, environment: str, what: str = "") -> Login:
        """A login as the operator's .env has it; ``what`` is ``ADMIN_`` for the admin of a managed credential."""
        url = urllib.parse.urlsplit(self.env()[f"{engine.upper()}_{environment.upper()}_{what}CONNECTION_STRING"])
        default = {"postgres": 5432, "mongodb": 27017}[engine]
        return Login(engine, url.username, urllib.parse.unquote(url.password), url.hostname, url.port or default, url.path.lstrip("/"))

    def login(self, engine: str, environment: str) -> Login:
        """The login that the service uses."""
        entry = self.credential(f"{engine}-{environment}")
        place = self.given(engine, environment, "ADMIN_" if entry["kind"] == "managed" else "")
        slot = entry["slots"][entry["active"]]
        return Login(engine, slot["login"], slot["password"], place.host, place.port, place.database)


class Client:
    """Somebody on another host, with the client configurations of both teams."""

    def __init__(self, host: object, teams: dict[str, Team]) -> None:
        self.host = host
        self.python = host.check_output("ls -d /opt/client-*/bin/python")
        for name, team in teams.items():
            self.place(f"/root/{name}.json", json.dumps({"mcpServers": team.clients}))

    def place(self, path: str, content: str) -> None:
        self.host.check_output("sh -c %s", f"umask 077; echo {base64.b64encode(content.encode()).decode()} | base64 -d >{shlex.quote(path)}")

    def ask(self, team: str, entry: str, tool: str = "", **arguments: object) -> dict:
        """One conversation of the official client: the tools it sees, and what a tool said."""
        return json.loads(self.host.check_output("%s -c %s %s %s %s %s", self.python, ASK, f"/root/{team}.json", entry, tool, json.dumps(arguments)))

    def status(self, url: str, token: str = "", method: str = "tools/list", **headers: str) -> int:
        """The status of one raw request; 0 when there is no connection."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}})
        given = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **headers}
        if token:
            given["Authorization"] = f"Bearer {token}"
        self.place("/root/headers", "".join(f"{name}: {value}\n" for name, value in given.items()))
        command = "curl --silent --max-time 20 --output /dev/null --write-out %%{http_code} --header @/root/headers --data %s %s"
        return int(self.host.run(command, body, url).stdout or 0)


def host_of(name: str) -> object:
    """A host of the scenario that runs; its tests may borrow this file from another."""
    inventory = Path(os.environ.get("MOLECULE_SCENARIO_DIRECTORY") or Path(__file__).resolve().parents[1]) / "inventory"
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={inventory}")


def forged(token: str, secret: bytes | None, **claims: object) -> str:
    """The token with other claims, signed with ``secret`` or not at all."""

    def part(value: dict) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    payload = token.split(".")[1]
    given = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    head = f"{part({'alg': 'HS256' if secret else 'none', 'typ': 'JWT'})}.{part({**given, **claims})}"
    signature = hmac.new(secret, head.encode(), hashlib.sha256).digest() if secret else b""
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


#: On the gateway's host, as its administrator: one request to its API.
ADMINISTER = """
import json, sys, time, urllib.request, jwt
given = json.load(sys.stdin)
now = int(time.time())
claims = {"sub": given["admin"], "jti": "test", "iat": now, "exp": now + 300, "iss": "mcpgateway", "aud": "mcpgateway-api", "token_use": "api", "teams": None}
claims["user"] = {"email": given["admin"], "full_name": "CLI User", "is_admin": True, "auth_provider": "cli"}
bearer = jwt.encode({**claims, **given["claims"]}, given["key"], algorithm="HS256")
request = urllib.request.Request(given["url"] + given["path"], method=given["method"], headers={"Authorization": "Bearer " + bearer})
print(urllib.request.urlopen(request, timeout=30).read().decode() or "{}")
"""


def administer(team: Team, method: str, path: str) -> dict:
    """What the gateway's API answers an administrator, asked on its host."""
    environment = team.manifest["services"]["gateway"]["environment"]
    given = {"admin": environment["PLATFORM_ADMIN_EMAIL"], "key": team.env()["JWT_SECRET_KEY"], "url": f"http://127.0.0.1:{environment['PORT']}"}
    given |= {"method": method, "path": path, "claims": {"env": environment["ENVIRONMENT"]}}
    python = team.host.check_output(f"ls -d {team.root}/lib/gateway-*/bin/python")
    text = base64.b64encode(json.dumps(given).encode()).decode()
    return json.loads(team.host.check_output("sh -c %s", f"echo {text} | base64 -d | {python} -c '{ADMINISTER}'"))
