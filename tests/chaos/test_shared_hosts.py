# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook on a team of two hosts whose gateways share a PostgreSQL database and a Redis. The second host is a network namespace of this machine.

Under systemd, with an edge in front of each: Molecule, shared.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
import yaml
from psycopg import sql

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string, _supervisor
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_env import TeamEnv
from tests.gateway_alone import free_port
from tests.integration.conftest import REPOSITORY, Demo, environment_of_nobody
from tests.integration.database_tls.authority import Authority
from tests.integration.namespaces import Namespace, namespace
from tests.integration.shared_gateways import DATABASE, ODD, USER, Redis

MEMBER, SERVER, PUBLIC = "alice@shared.example", "shared-dev", "https://mcp.shared.example"
#: What a deploy may change at the gateways, and what of it changes by itself.
TABLES = (
    "email_users",
    "email_teams",
    "email_team_members",
    "gateways",
    "tools",
    "servers",
    "server_tool_association",
    "email_api_tokens",
    "token_revocations",
)
NOTED = {"last_seen", "last_refresh_at", "updated_at", "last_used", "last_login", "reachable"}


@dataclass
class Team:
    """The two hosts and their operator."""

    home: Path
    demo: Demo
    second: Namespace
    ports: dict[str, int]  # of this machine, at which each host's gateway is

    def playbook(self, name: str, *arguments: str, apart: bool = True) -> subprocess.CompletedProcess:
        """``apart``: the second host is in its namespace."""
        shell = ["-e", f"second_shell={self.second.shell}"] if apart else []
        command = [REPOSITORY / ".venv/bin/ansible-playbook", REPOSITORY / name, "-i", self.home / "inventory", *shell, *arguments]
        given = {**environment_of_nobody(), "ANSIBLE_HOME": str(self.home / "ansible"), "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.run([*map(str, command)], cwd=REPOSITORY, env=given, text=True, check=False, timeout=1200, **pipes)

    def done(self, name: str, *arguments: str, apart: bool = True) -> str:
        """What a playbook said that did what it should."""
        run = self.playbook(name, *arguments, apart=apart)
        assert run.returncode == 0, run.stdout[-6000:]
        return run.stdout

    @property
    def entry(self) -> dict:
        return json.loads((self.home / "gw1/client.json").read_text())["mcpServers"][SERVER]

    def status(self, host: str, entry: dict) -> tuple[int, str]:
        """One query at a host's gateway with a client's entry: the status, and as whom the database knows the service."""
        url = entry["url"].replace(PUBLIC, f"http://127.0.0.1:{self.ports[host]}")
        headers = {**entry["headers"], "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
        params = {"name": f"{SERVER}-postgres-query", "arguments": {"sql": "SELECT session_user AS login"}}
        said = httpx.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, headers=headers, timeout=60)
        if said.status_code != 200:
            return said.status_code, ""
        result = said.json()["result"]
        assert not result.get("isError"), said.text
        return 200, json.loads(result["content"][0]["text"])[0]["login"]

    def everywhere(self, entry: dict) -> list[tuple[int, str]]:
        return [self.status(host, entry) for host in ("gw1", "gw2")]

    @contextlib.contextmanager
    def under_load(self) -> Iterator[list]:
        """Two callers at each host until the block ends; what went wrong."""
        stop, wrong, calls, entry = threading.Event(), [], itertools.count(), self.entry

        def caller(host: str) -> None:
            while not stop.is_set():
                try:
                    assert self.status(host, entry)[0] == 200
                except (AssertionError, httpx.HTTPError, LookupError, ValueError) as error:
                    wrong.append(f"{host}: {type(error).__name__} {error}")
                next(calls)
                time.sleep(0.1)

        callers = [threading.Thread(target=caller, args=(host,)) for host in ("gw1", "gw2") * 2]
        for thread in callers:
            thread.start()
        try:
            yield wrong
        finally:
            stop.set()
            for thread in callers:
                thread.join()
            print(f"{next(calls)} calls, {len(wrong)} failed")

    def rows(self) -> dict[str, list]:
        with psycopg.connect(**admin(self.demo), dbname=DATABASE) as connection:
            found = {}
            for table in TABLES:
                cursor = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
                names = [column.name for column in cursor.description]
                found[table] = sorted(repr({name: value for name, value in zip(names, row, strict=True) if name not in NOTED}) for row in cursor)
            return found

    def stop(self) -> None:
        for host in ("gw1", "gw2"):
            layout = _supervisor.Layout(self.home / host / "team/etc", self.run(host), self.home / host / "team/log", "")
            _supervisor.ensure_stopped(layout, check=False, remove=False)

    def run(self, host: str) -> Path:
        return Path(self.demo.state["runtime_directory"]) / f"shared-{host}"


def flat(output: str) -> str:
    """Long messages are shown on several lines."""
    return " ".join(output.split())


def admin(demo: Demo) -> dict:
    return {"host": demo.state["runtime_directory"], "port": demo.state["ports"]["postgres"], "user": "postgres", "autocommit": True}


def recaps(output: str) -> dict[str, int]:
    """Host → how much was changed."""
    return {host: int(changed) for host, changed in re.findall(r"^(gw\d)\s+: ok=\d+\s+changed=(\d+)", output.rpartition("PLAY RECAP")[2], re.MULTILINE)}


def inventory(home: Path, demo: Demo, redis: Redis, gateway_port: int) -> dict:
    place = {"host": "localhost", "port": demo.state["ports"]["postgres"], "ca": f"{demo.home}/databases/tls/ca.pem"}
    return {
        "mcp_team": "shared",
        "mcp_environments": [{"name": "dev", "postgres": {**place, "database": "shop_dev"}, "members": [MEMBER]}],
        "mcp_gateway_database": {**place, "database": DATABASE},
        "mcp_gateway_cache": {"host": "localhost", "port": redis.port, "ca": f"{home}/redis/ca.pem"},
        "mcp_public_url": PUBLIC,
        "mcp_runtime": "supervisor",
        "mcp_wrapper": "bridge",
        "mcp_gateway_port": gateway_port,
        "mcp_root": f"{home}/{{{{ inventory_hostname }}}}/team",
        "mcp_runtime_directory": f"{demo.state['runtime_directory']}/shared-{{{{ inventory_hostname }}}}",
        "mcp_client_config": f"{home}/{{{{ inventory_hostname }}}}/client.json",
        "mcp_env_file": f"{home}/control/.env",
        "mcp_vault_key_file": f"{home}/control/vault.key",
        "mcp_backup_directory": f"{home}/control/backups",
        "mcp_python": "{{ ansible_playbook_python }}",
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "ansible_remote_tmp": f"{home}/ansible/tmp",
    }


@pytest.fixture(scope="module")
def team(demo, tmp_path_factory) -> Iterator[Team]:
    home = tmp_path_factory.mktemp("shared-hosts")
    authority = Authority("of a Redis")
    redis = Redis(home / "redis", authority.server(), authority)
    try:
        with namespace("mcp-shared-gw2", home) as second:
            yield from _team(home, demo, redis, second)
    finally:
        redis.stop()


def _team(home: Path, demo: Demo, redis: Redis, second: Namespace) -> Iterator[Team]:
    with psycopg.connect(**admin(demo), dbname="postgres") as connection:
        verifier = connection.pgconn.encrypt_password(ODD.encode(), USER.encode(), b"scram-sha-256").decode()
        parts = sql.Identifier(DATABASE), sql.Identifier(USER), sql.Literal(verifier)
        for statement in (
            "DROP DATABASE IF EXISTS {0} WITH (FORCE)",  # of a run before
            "DROP ROLE IF EXISTS {1}",
            "CREATE ROLE {1} LOGIN PASSWORD {2}",
            "CREATE DATABASE {0} OWNER {1}",
        ):
            connection.execute(sql.SQL(statement).format(*parts))
    gateway_port = free_port()
    for port in (demo.state["ports"]["postgres"], redis.port):
        second.lead_in(port)
    declared = inventory(home, demo, redis, gateway_port)
    for host in ("gw1", "gw2", "control", "inventory"):
        (home / host).mkdir()
    hosts = {"gw1": {}, "gw2": {"ansible_shell_executable": "{{ second_shell | default('/bin/sh') }}"}}
    (home / "inventory/hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": declared}}))
    env = TeamEnv("shared", str(home / "control/.env"), str(home / "control/vault.key"))
    env.create_key()
    database, cache = declared["mcp_gateway_database"], declared["mcp_gateway_cache"]
    env.write(
        {
            "POSTGRES_DEV_ADMIN_CONNECTION_STRING": demo.env.read()["POSTGRES_DEV_ADMIN_CONNECTION_STRING"],
            "GATEWAY_DATABASE_CONNECTION_STRING": _connection_string.render("postgres", USER, ODD, "localhost", database["port"], DATABASE),
            "GATEWAY_CACHE_CONNECTION_STRING": _connection_string.render("redis", USER, ODD, "localhost", cache["port"], "0"),
        }
    )
    found = Team(home, demo, second, {"gw1": gateway_port, "gw2": second.lead_out(gateway_port)})
    try:
        # Nothing leads from the second host to a registry of packages, so it is installed from this one first; which is also a run without the first host.
        assert "are made by gw1, which is not in this run" in flat(found.done("deploy.yml", "--limit", "gw2", apart=False))
        found.stop()
        found.done("deploy.yml")
        yield found
    finally:
        found.stop()
        for host in ("gw1", "gw2"):
            shutil.rmtree(found.run(host), ignore_errors=True)


def test_a_second_run_changes_nothing_whether_the_hosts_are_deployed_at_once_or_one_after_the_other(team) -> None:
    before = team.rows()
    assert len(before["email_users"]) == 2 and len(before["servers"]) == 1 and len(before["email_api_tokens"]) == 1
    for arguments in ((), ("-e", "mcp_serial=1"), ("--limit", "gw2"), ("--limit", "gw1")):
        changed = recaps(team.done("deploy.yml", *arguments))
        assert changed and set(changed.values()) == {0}, changed
        assert team.rows() == before


def test_one_clients_file_works_at_each_host(team) -> None:
    assert team.entry["url"].startswith(f"{PUBLIC}/servers/") and not (team.home / "gw2/client.json").exists()
    first, second = team.everywhere(team.entry)
    assert first == second and first[0] == 200


def test_rotation_is_seen_through_the_gateway_of_each_host(team) -> None:
    before = team.everywhere(team.entry)
    with team.under_load() as wrong:
        team.done("rotate.yml", "-e", "mcp_rotate=all")
    assert wrong == []
    after = team.everywhere(team.entry)
    assert after[0] == after[1] and after[0][0] == 200 and after[0][1] != before[0][1]
    assert set(recaps(team.done("deploy.yml")).values()) == {0}


def test_a_persons_token_is_made_listed_and_revoked_once_for_all(team) -> None:
    file = team.home / "alice.json"
    same = ("-e", f"mcp_user={MEMBER}", "-e", f"mcp_client_file={file}")
    team.done("client.yml", "-e", "mcp_client_do=add", *same)
    entry = json.loads(file.read_text())["mcpServers"][SERVER]
    assert entry["url"].startswith(PUBLIC) and [status for status, _login in team.everywhere(entry)] == [200, 200]
    listed = team.done("client.yml", "-e", "mcp_client_do=list", "-e", f"mcp_user={MEMBER}", "-e", "mcp_client_format=json")
    assert listed.count(str(file)) == 1, "one row, not one for each host"
    team.done("client.yml", "-e", "mcp_client_do=revoke", *same)
    assert [status for status, _login in team.everywhere(entry)] == [401, 401]


def test_status_tells_of_what_is_shared(team) -> None:
    said = team.done("status.yml")
    assert said.count("gateway-database") == 2 and said.count("gateway-cache") == 2, said[-3000:]


def test_our_own_secrets_are_changed_on_both(team) -> None:
    with team.under_load() as wrong:
        team.done("own_secrets.yml", "-e", "mcp_own_secrets=bearers,admin")
    assert wrong == []
    team.done("own_secrets.yml", "-e", "mcp_own_secrets=encryption")
    assert [status for status, _login in team.everywhere(team.entry)] == [200, 200]
    refused = team.playbook("own_secrets.yml", "-e", "mcp_own_secrets=encryption", "-e", "mcp_serial=1")
    assert refused.returncode and "run without mcp_serial" in flat(refused.stdout)
    assert set(recaps(team.done("deploy.yml")).values()) == {0}


def test_another_vault_key_changes_nothing_that_is_shared(team) -> None:
    team.done("rekey.yml")
    assert [status for status, _login in team.everywhere(team.entry)] == [200, 200]
    assert set(recaps(team.done("deploy.yml")).values()) == {0}


def test_another_installation_of_the_gateway_waits_for_a_word(team) -> None:
    other = team.home / "gw1/team/lib/gateway-000000000000"
    other.mkdir()
    (other / ".complete").touch()
    refused = team.playbook("deploy.yml")
    assert refused.returncode and "have its DBA make a backup, then run this for all hosts at once with -e mcp_upgrade=yes" in flat(refused.stdout)
    assert [status for status, _login in team.everywhere(team.entry)] == [200, 200]
    team.done("deploy.yml", "-e", "mcp_upgrade=yes")
    assert not other.exists() and [status for status, _login in team.everywhere(team.entry)] == [200, 200]


def test_a_backup_says_what_is_not_in_it_and_is_put_back_without_it(team) -> None:
    assert "registrations, members and tokens are not in the backup" in flat(team.done("backup.yml"))
    before = team.rows()
    team.done("restore.yml")
    assert team.rows() == before and [status for status, _login in team.everywhere(team.entry)] == [200, 200]


def test_mistakes_are_told_before_anything_is_touched(team) -> None:
    for given, says in (
        ({"mcp_gateway_cache": None}, "declare mcp_gateway_cache"),
        ({"mcp_gateway_database": {"host": "localhost", "database": DATABASE, "sslmode": "disable", "ca": "x.pem"}}, "tls_floor: disable"),
        ({"mcp_public_url": None}, "no one name for the gateways"),
    ):
        refused = team.playbook("deploy.yml", "-e", json.dumps(given))
        assert refused.returncode and says in flat(refused.stdout) and "nothing was touched" in refused.stdout, refused.stdout[-3000:]


def test_a_removed_team_leaves_what_is_shared_alone_and_says_so(team) -> None:
    before = team.rows()
    said = flat(team.done("remove.yml", "-e", "mcp_remove=shared", "-e", "mcp_remove_logins=yes"))
    assert "What its gateways share stays as it is" in said and "gateway-database at localhost, gateway-cache at localhost" in said
    assert team.rows() == before and not (team.home / "gw1/team").exists() and not (team.home / "gw2/team").exists()
