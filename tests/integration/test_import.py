# SPDX-License-Identifier: GPL-3.0-or-later
"""import.yml: what a user of the guide has becomes a team whose agents get answers. The databases are the demo's."""

from __future__ import annotations

import json
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string, _gateways_txt, _supervisor
from demo import state as demo_state
from tests.integration.conftest import REPOSITORY, Demo, recap, run
from tests.integration.rotating import login

PASSWORD = "hunter2-canary"
COMPOSE = """\
x-translate: &translate
  image: mcp-gateway-translate:latest
  restart: unless-stopped

services:
  gateway:
    image: gateway
    env_file: .env
{services}"""
SERVICE = """\
  {name}:
    <<: *translate
    env_file: .env
    command:
      - sh
      - -c
      - 'python3 -m mcpgateway.translate --stdio "npx -y {package} ${{{variable}}}" --expose-sse --port {port} --host 0.0.0.0'
    ports:
      - "{port}:{port}"
"""
PACKAGES = {"postgres": "@modelcontextprotocol/server-postgres", "mongodb": "mongodb-mcp-server"}


def guide(folder: Path, logins: dict[str, str], ca: Path) -> dict[Path, tuple[bytes, int]]:
    """The three files of the guide for these logins, ``postgres-dev`` → connection string; what they hold and when they were written."""
    folder.mkdir()
    names = {name: f"{name.replace('-', '_').upper()}_CONNECTION_STRING" for name in logins}
    env = "HOST=0.0.0.0\nPORT=4444\nPLATFORM_ADMIN_EMAIL=ops@team-g.example\nREGISTER_WAIT_SECONDS=30\n"
    (folder / ".env").write_text(env + "".join(f"{names[name]}='{text}'\n" for name, text in logins.items()))
    services = [
        SERVICE.format(name=name, package=PACKAGES[name.partition("-")[0]], variable=names[name], port=8031 + index) for index, name in enumerate(logins)
    ]
    (folder / "docker-compose.yml").write_text(COMPOSE.format(services="".join(services)))
    (folder / "gateways.txt").write_text("".join(f"{name}|http://{name}:{8031 + index}/sse|SSE\n" for index, name in enumerate(logins)))
    shutil.copyfile(ca, folder / "ca.pem")
    return contents(folder)


def contents(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def import_(tmp_path: Path, folder: Path, *more: str) -> subprocess.CompletedProcess:
    places = ("-e", f"import_inventories={tmp_path}/inventories", "-e", f"import_key_file={tmp_path}/keys/team_g.key")
    given = ("-e", f"from={folder}", "-e", "team=team_g", "-e", "import_hosts=localhost", "-e", "import_runtime=supervisor", *places, *more)
    return run([str(REPOSITORY / ".venv/bin/ansible-playbook"), "import.yml", *given], timeout=120)


@pytest.fixture
def ca(tmp_path) -> Path:
    path = tmp_path / "some-ca.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return path


def test_nothing_is_written_without_consent_and_the_sources_are_only_read(tmp_path, ca) -> None:
    before = guide(tmp_path / "from", {"postgres-dev": f"postgresql://u:{PASSWORD}@db.internal:5432/shop?sslmode=require"}, ca)
    for more in ((), ("--check", "-e", "import_consent=yes"), ("-e", "import_consent=no")):
        shown = import_(tmp_path, tmp_path / "from", "-vvvv", "--diff", *more)
        assert shown.returncode == 0 and "Nothing was written." in shown.stdout, shown.stdout
        assert "postgres-dev at db.internal:5432/shop; TLS is verified now" in shown.stdout and PASSWORD not in shown.stdout
        assert not (tmp_path / "inventories").exists() and not (tmp_path / "keys").exists()
    written = import_(tmp_path, tmp_path / "from", "-vvvv", "--diff", "-e", "import_consent=yes")
    assert written.returncode == 0 and recap(written.stdout)["changed"] == 1 and PASSWORD not in written.stdout, written.stdout
    inventory = tmp_path / "inventories/team_g"
    assert {stat.S_IMODE(path.stat().st_mode) for path in (inventory / ".env", tmp_path / "keys/team_g.key")} == {0o600}
    assert not any(PASSWORD.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and "from" not in path.parts)
    again = import_(tmp_path, tmp_path / "from", "-e", "import_consent=yes")
    assert again.returncode != 0 and "is there already" in again.stdout
    assert contents(tmp_path / "from") == before


@pytest.mark.parametrize(("answer", "written"), [("yes", True), ("y", False)])
def test_consent_is_asked_for(tmp_path, ca, answer: str, written: bool) -> None:
    """At a terminal, as a person sees it."""
    guide(tmp_path / "from", {"postgres-dev": f"postgresql://u:{PASSWORD}@db.internal:5432/shop"}, ca)
    given = [f"from={tmp_path}/from", "team=team_g", f"import_inventories={tmp_path}/inventories", f"import_key_file={tmp_path}/key"]
    command = ["import.yml", *(part for one in given for part in ("-e", one))]
    with pexpect.spawn(str(REPOSITORY / ".venv/bin/ansible-playbook"), command, cwd=REPOSITORY, timeout=60, encoding="utf-8") as terminal:
        terminal.expect("Hosts of the team's gateway")
        terminal.sendline("gw1.team-g.internal")
        terminal.expect("Write .*team_g")
        assert not (tmp_path / "inventories").exists()
        terminal.sendline(answer)
        terminal.expect("PLAY RECAP")
    assert (tmp_path / "inventories/team_g/.env").exists() == written


def test_mistakes_are_told_at_once_after_the_table(tmp_path, ca) -> None:
    guide(tmp_path / "from", {"postgres-dev": f"postgresql://u:{PASSWORD}@@db.internal:5432/shop"}, ca)
    (tmp_path / "from/ca.pem").unlink()
    done = import_(tmp_path, tmp_path / "from", "-e", "team=Team-G", "-e", "import_hosts=-x", "-e", "import_consent=yes")
    assert done.returncode != 0 and PASSWORD not in done.stdout
    for place in ("team:", "import_hosts:", "import_ca:", "from:"):
        assert f"  - {place}" in done.stdout, done.stdout
    assert "docker-compose.yml:9" in done.stdout and not (tmp_path / "inventories").exists()


def test_what_a_gateway_that_runs_has_registered_is_shown_and_nothing_secret_of_it(demo, tmp_path, ca) -> None:
    """The demo's own gateway. demo-dev-postgres is taken for the new team's by its name; the others want a credential, so they stay behind."""
    guide(tmp_path / "from", {"postgres-demodev": f"postgresql://u:{PASSWORD}@db.internal:5432/shop"}, ca)
    (tmp_path / "from/gateways.txt").unlink()
    key, admin = demo.env.read()["JWT_SECRET_KEY"], "mcp-admin@demo.example"
    address = f"http://127.0.0.1:{demo.state['ports']['gateway']}"
    with (tmp_path / "from/.env").open("a") as stream:
        stream.write(f"JWT_SECRET_KEY={key}\n")
    refused = import_(tmp_path, tmp_path / "from", "-vvvv", "-e", f"import_gateway={address}")
    assert refused.returncode != 0 and "import_gateway: " in refused.stdout and key not in refused.stdout, "that administrator is nobody there"
    env = (tmp_path / "from/.env").read_text().replace("ops@team-g.example", admin)
    (tmp_path / "from/.env").write_text(env)
    shown = import_(tmp_path, tmp_path / "from", "-vvvv", "-e", f"import_gateway={address}")
    assert shown.returncode == 0 and key not in shown.stdout and "eyJ" not in shown.stdout, shown.stdout
    rows = [" ".join(line.split()) for line in shown.stdout.splitlines() if line.strip().startswith(address)]
    assert any("gateway demo-dev-postgres taken as postgres-demodev" in row for row in rows), rows
    assert any("needs a credential (bearer)" in row for row in rows) and any("virtual servers left" in row for row in rows), rows


class Imported:
    """The team that was imported, in a folder of its own beside the demo's."""

    def __init__(self, demo: Demo) -> None:
        self.demo, self.root = demo, demo.home / "imported"
        self.run_directory = Path(demo.state["runtime_directory"]) / "imported"
        self.gateway = demo_state.free_ports()["gateway"]

    def deploy(self, inventory: Path) -> subprocess.CompletedProcess:
        variables = {
            "mcp_root": str(self.root), "mcp_runtime_directory": str(self.run_directory), "mcp_gateway_port": self.gateway, "mcp_python": sys.executable,
            "mcp_wrapper": "bridge", "ansible_remote_tmp": f"{self.demo.home}/ansible/tmp",
        }  # fmt: skip
        return self.demo.deploy("-e", json.dumps(variables), inventory=str(inventory))

    def ask(self, environment: str, tool: str, arguments: dict) -> str:
        entry = json.loads((self.root / "etc/client.json").read_text())["mcpServers"][f"team-g-{environment}"]
        answer = Demo.rpc(entry["url"], entry["headers"], "tools/call", {"name": f"team-g-{environment}-{tool}", "arguments": arguments}).json()
        assert not answer.get("error") and not answer["result"].get("isError"), answer
        return "\n".join(block["text"] for block in answer["result"]["content"])


@pytest.fixture
def imported(demo) -> Iterator[Imported]:
    team = Imported(demo)
    (team.root / "lib").mkdir(parents=True)
    for installed in (demo.home / "team/lib").iterdir():  # the same locks: nothing is installed a second time
        (team.root / "lib" / installed.name).symlink_to(installed)
    yield team
    _supervisor.ensure_stopped(_supervisor.Layout(team.root / "etc", team.run_directory, team.root / "log", ""), check=False, remove=False)
    shutil.rmtree(team.run_directory, ignore_errors=True)
    shutil.rmtree(team.root)


@pytest.fixture
def wiki() -> Iterator[str]:
    """Somebody's MCP server, by the official SDK. Its URL."""
    program = (
        "import sys\nfrom mcp.server.mcpserver import MCPServer\nserver = MCPServer('wiki')\n"
        "@server.tool()\ndef lookup(word: str) -> str:\n    'Look a word up.'\n    return f'{word} is a word'\n"
        "server.run('streamable-http', host='127.0.0.1', port=int(sys.argv[1]))\n"
    )
    port = demo_state.free_ports()["gateway"]
    process = subprocess.Popen([sys.executable, "-c", program, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


def test_the_guides_files_deploy_and_answer(demo, imported, wiki, tmp_path) -> None:
    """One command from the guide's three files to an inventory, one to answers; a second deploy changes nothing."""
    ports, logins = demo.state["ports"], {}
    for name in sorted(set(demo.credentials) - {"mongodb-prod"}):
        engine, environment = name.split("-")
        query = {"postgres": {"sslmode": "require"}, "mongodb": {"authSource": "admin", "tls": "true"}}[engine]
        logins[name] = _connection_string.render(engine, *login(demo, name), "localhost", ports[engine], f"shop_{environment}", query)
    guide(tmp_path / "from", logins, demo.home / "databases/tls/ca.pem")
    with (tmp_path / "from/gateways.txt").open("a") as stream:
        stream.write(f"wiki|{wiki}|STREAMABLEHTTP\n")
    before = contents(tmp_path / "from")
    written = import_(tmp_path, tmp_path / "from", "-e", "import_consent=yes", "-e", "import_upstreams=dev")
    assert written.returncode == 0, written.stdout
    done = imported.deploy(tmp_path / "inventories/team_g")
    assert done.returncode == 0, done.stdout[-6000:]
    for environment in ("dev", "prod"):
        assert f"shop_{environment}" in imported.ask(environment, "postgres-query", {"sql": "SELECT current_database()"})
        if f"mongodb-{environment}" in logins:
            assert "Found 2 collections" in imported.ask(
                environment, "mongodb-list-collections", {"connectionId": "preconfigured", "database": f"shop_{environment}"}
            )
    assert imported.ask("dev", "wiki-lookup", {"word": "tenancy"}) == "tenancy is a word"
    again = imported.deploy(tmp_path / "inventories/team_g")
    assert again.returncode == 0 and recap(again.stdout)["changed"] == 0, again.stdout[-6000:]
    assert contents(tmp_path / "from") == before


def test_the_teams_virtual_servers_as_gateways_txt(demo, tmp_path) -> None:
    """Four calls, then each line is asked with the token that the clients' file has for it."""
    path = tmp_path / "gateways.txt"
    order = ("client.yml", "-e", "mcp_client_do=gateways", "-e", f"mcp_client_file={path}", "--diff")
    for more, changed, there in ((("--check",), 1, False), ((), 1, True), (("--check",), 0, True), ((), 0, True)):
        done = demo.playbook(*order, *more)
        assert done.returncode == 0 and recap(done.stdout)["changed"] == changed, done.stdout
        assert path.exists() == there
    found, wrong = _gateways_txt.parse(path.read_text())
    assert wrong == [] and {one.name: one.url for one in found} == {
        name: entry["url"] for name, entry in demo.clients.items() if entry["url"] in path.read_text()
    }
    assert {"demo-dev", "demo-prod"} <= {one.name for one in found} and "eyJ" not in done.stdout + path.read_text()
    for one in found:
        assert Demo.rpc(one.url, demo.clients[one.name]["headers"], "tools/list").json()["result"]["tools"]
