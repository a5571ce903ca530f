# SPDX-License-Identifier: GPL-3.0-or-later
"""client.yml on the demo: a file that unmodified clients read, renewed under load, taken back; and who is refused."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import jwt
import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _clients, _contextforge, _registry
from ansible_collections.mcp.tenancy.plugins.module_utils import _clients_plan as rules
from tests.integration import npm_client
from tests.integration.conftest import Demo, recap
from tests.integration.load import under_load

ALICE, BOB = "alice@demo.example", "bob@demo.example"
SERVERS = ("demo-dev", "demo-prod")
QUERY = {"sql": "SELECT max(title) AS title FROM products"}
DOCS = Path(__file__).resolve().parents[2] / "docs/clients.md"


@dataclass
class Laptop(Demo):
    """The demo as somebody sees it who has a file of their own."""

    file: Path = Path()

    @property
    def clients(self) -> dict:
        return json.loads(self.file.read_text())["mcpServers"]

    def tokens(self) -> dict[str, str]:
        return {name: entry["headers"]["Authorization"].removeprefix("Bearer ") for name, entry in self.clients.items()}

    def order(self, do: str, *more: str, user: str = ALICE, **environment: str) -> subprocess.CompletedProcess:
        wanted = ("-e", f"mcp_client_do={do}", "-e", f"mcp_user={user}", "-e", f"mcp_client_file={self.file}")
        return self.playbook("client.yml", *wanted, *more, **environment)

    def status(self, server: str, token: str) -> int:
        """What a gateway answers that is asked for a virtual server's tools."""
        url = self.clients[server]["url"] if server in self.clients else self.everybody[server]["url"]
        return self.rpc(url, {"Authorization": f"Bearer {token}"}, "tools/list").status_code

    @property
    def everybody(self) -> dict:
        return json.loads((self.home / "client.json").read_text())["mcpServers"]


@dataclass
class Fleet(Laptop):
    """Many clients: every other call is one's that read the file at its start only, all others read it for each call."""

    kept: dict = field(default_factory=dict)
    calls: int = 0

    @property
    def clients(self) -> dict:
        self.calls += 1
        return self.kept if self.calls % 2 else super().clients


@pytest.fixture(scope="module")
def laptop(demo) -> Iterator[Laptop]:
    """Alice's file; everything of it is taken back afterwards.

    ANSIBLE_DEBUG prints what modules answer, as some connections do at -vvv. (It prints what they are given as well, and there is no help against that.)
    """
    own = Laptop(demo.home, demo.first, demo.home / "laptop" / "alice.json")
    shutil.rmtree(own.file.parent, ignore_errors=True)  # of a session that was killed
    done = own.order("add", "-vvvv", "--diff", ANSIBLE_DEBUG="1")
    assert done.returncode == 0 and "changed=1 " in done.stdout, "see client.yml"
    assert "sealed" in done.stdout, "what the module answered is in the output"
    assert_no_token(done.stdout, own.tokens().values())
    yield own
    with admin(demo) as gateway:
        tokens = gateway.list_tokens()
        places = {token["name"].removeprefix(rules.PREFIX).rpartition("#")[0] for token in tokens if token["name"].startswith(rules.PREFIX)}
        for token in rules.to_revoke(ALICE, places, None, tokens):
            gateway.revoke_token(token["id"])
    shutil.rmtree(own.file.parent)


def assert_no_token(said: str, tokens: object) -> None:
    """Neither whole nor its signature. A test that fails must not print one either."""
    __tracebackhide__ = True
    if any(token.rpartition(".")[2] in said for token in tokens):
        pytest.fail("a token stands in the output")


def admin(demo) -> _contextforge.Client:
    return _contextforge.Client(f"http://127.0.0.1:{demo.state['ports']['gateway']}", "mcp-admin@demo.example", demo.env.read()["JWT_SECRET_KEY"])


def test_the_file_is_private_and_each_token_is_for_one_person_one_team_and_one_server(laptop) -> None:
    assert stat.S_IMODE(laptop.file.stat().st_mode) == 0o600 and stat.S_IMODE(laptop.file.parent.stat().st_mode) == 0o700
    assert set(SERVERS) <= set(laptop.clients) and len(list(laptop.file.parent.iterdir())) == 1
    for name, token in laptop.tokens().items():
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims["user"]["email"] == ALICE and claims["user"]["is_admin"] is False and len(claims["teams"]) == 1
        assert claims["scopes"]["server_id"] in laptop.clients[name]["url"] and 29 * 86400 < claims["exp"] - time.time() < 31 * 86400
    assert laptop.status("demo-dev", laptop.tokens()["demo-prod"]) == 403 and laptop.status("demo-prod", laptop.tokens()["demo-prod"]) == 200


def test_a_second_run_changes_nothing(laptop) -> None:
    before = laptop.file.read_bytes(), laptop.file.stat().st_ino
    done = laptop.order("add")
    assert done.returncode == 0 and recap(done.stdout)["changed"] == 0, done.stdout[-3000:]
    assert (laptop.file.read_bytes(), laptop.file.stat().st_ino) == before and "as it was" in done.stdout


def test_the_official_client_has_a_row_with_the_program_of_the_docs_and_nothing_but_the_file(laptop, tmp_path) -> None:
    program = tmp_path / "ask.py"
    program.write_text(re.search(r"```python\n(.+?)```", DOCS.read_text(), re.DOTALL).group(1))
    command = [sys.executable, program, laptop.file, "demo-dev", "demo-dev-postgres-query", json.dumps(QUERY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 and "Winter Orchards" in done.stdout, done.stdout + done.stderr


def test_a_client_from_npm_has_a_row_with_nothing_but_the_file(laptop) -> None:
    done = npm_client.run(laptop, "call", "demo-dev.demo-dev-postgres-query", "--args", json.dumps(QUERY))
    assert done.returncode == 0 and "Winter Orchards" in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]
    assert "demo-prod-postgres-query" in npm_client.run(laptop, "list", "demo-prod").stdout


def test_a_client_that_asks_for_a_log_level_is_answered_and_needs_a_good_token_for_it(laptop) -> None:
    """VS Code and the MCP Inspector do so when they connect."""
    entry = laptop.clients["demo-dev"]
    answer = laptop.rpc(entry["url"], entry["headers"], "logging/setLevel", {"level": "debug"})
    assert (answer.status_code, answer.json()) == (200, {"jsonrpc": "2.0", "id": 1, "result": {}})
    assert laptop.rpc(entry["url"], {"Authorization": "Bearer x.y.z"}, "logging/setLevel", {"level": "debug"}).status_code == 401
    assert laptop.rpc(entry["url"], laptop.clients["demo-prod"]["headers"], "logging/setLevel", {"level": "debug"}).status_code == 403


def test_no_call_fails_while_tokens_are_renewed_under_load(laptop) -> None:
    before = laptop.tokens()
    with under_load(Fleet(laptop.home, "", laptop.file, laptop.clients)) as load:
        done = laptop.order("renew", "-vvvv", "--diff")
        renewed = time.monotonic()
        time.sleep(2)  # calls with the new tokens, and with those before them
    assert done.returncode == 0, done.stdout[-4000:]
    assert load.wrong == [] and len(load.seconds) > 50 and sum(began > renewed for began, _took in load.seconds) > 5
    after = laptop.tokens()
    assert not set(before.values()) & set(after.values()) and before.keys() == after.keys()
    assert_no_token(done.stdout, [*before.values(), *after.values()])
    assert "the one before works until" in done.stdout
    for server in SERVERS:
        assert laptop.status(server, before[server]) == laptop.status(server, after[server]) == 200


def test_without_an_overlap_those_before_are_refused_as_soon_as_the_file_is_written(laptop) -> None:
    before = laptop.tokens()
    done = laptop.order("renew", "-e", "mcp_environment=dev", "-e", "mcp_client_overlap=0", "-e", "mcp_client_days=1")
    assert done.returncode == 0, done.stdout[-4000:]
    after = laptop.tokens()
    assert after["demo-prod"] == before["demo-prod"], "another environment's stays"
    assert (laptop.status("demo-dev", before["demo-dev"]), laptop.status("demo-dev", after["demo-dev"])) == (401, 200)
    assert jwt.decode(after["demo-dev"], options={"verify_signature": False})["exp"] - time.time() < 1.1 * 86400


def test_a_token_that_a_killed_run_made_and_never_wrote_is_found_and_ended(demo, laptop) -> None:
    """By the gateway's own stamps, which are all that says which of its rows is the token in the file."""
    with admin(demo) as gateway:
        file = next(rules.told(one)["file"] for one in gateway.list_tokens() if rules.told(one).get("file", "").endswith(str(laptop.file)))
        entry = {"name": "demo-prod", "user": ALICE, "team": "demo-prod", "server": "demo-prod", "expires_in_days": 1, "renew_within_days": 0}
        killed = _clients.Clients(gateway, check_mode=False)
        killed.issue([entry], laptop.tokens(), file, renew=True, overlap=3600)
        next_ = _clients.Clients(gateway, check_mode=False)
        (row,) = next_.issue([entry], laptop.tokens(), file, renew=False, overlap=3600)
        assert row["reason"] is None and len(next_.end(row["over"])) == 1 and next_.made == {}
    assert laptop.status("demo-prod", killed.made["demo-prod"]) == 401
    assert laptop.status("demo-prod", laptop.tokens()["demo-prod"]) == 200


def test_the_list_is_for_people_and_programs_and_has_no_token(laptop) -> None:
    done = laptop.playbook("client.yml", "-e", "mcp_client_do=list", "-e", "mcp_client_format=json", "-vvvv")
    assert done.returncode == 0 and recap(done.stdout)["changed"] == 0, done.stdout[-3000:]
    assert_no_token(done.stdout, [*laptop.tokens().values(), *demo_tokens(laptop)])
    found = json.loads(re.search(r"^\{\n  \"tokens\".+?^\}", done.stdout, re.DOTALL | re.MULTILINE).group())["tokens"]
    own = [row for row in found if row["file"].endswith(str(laptop.file)) and row["server"] in SERVERS]
    states = {(row["environment"], row["state"].partition(" until")[0]) for row in own}
    assert states >= {("dev", "valid"), ("dev", "revoked"), ("prod", "valid"), ("prod", "replaced, valid")}
    assert all(row["last used"] for row in own) and {row["user"] for row in own} == {ALICE}
    assert {"dev", "prod"} == {row["environment"] for row in found if row["file"] == "the deploy's client.json" and row["state"] == "valid"}


def demo_tokens(laptop: Laptop) -> list[str]:
    return [entry["headers"]["Authorization"].removeprefix("Bearer ") for entry in laptop.everybody.values()]


def test_forged_and_expired_tokens_are_refused(laptop) -> None:
    good, key = laptop.tokens()["demo-dev"], laptop.env.read()["JWT_SECRET_KEY"]
    claims = jwt.decode(good, options={"verify_signature": False})
    again = jwt.encode({**claims, "jti": str(uuid.uuid4())}, key, algorithm="HS256")
    assert laptop.status("demo-dev", again) == 200, "the way in which this test makes tokens makes good ones"
    server = laptop.clients["demo-prod"]["url"].split("/servers/")[1].split("/")[0]
    for name, token in {
        "expired": jwt.encode({**claims, "jti": str(uuid.uuid4()), "iat": claims["iat"] - 10**7, "exp": int(time.time()) - 60}, key, algorithm="HS256"),
        "signed by another": jwt.encode(claims, key[::-1], algorithm="HS256"),
        "not signed": jwt.encode(claims, None, algorithm="none"),
        "for another server": jwt.encode({**claims, "scopes": {**claims["scopes"], "server_id": server}}, key[1:], algorithm="HS256"),
        "with another's signature": ".".join([*good.split(".")[:2], laptop.tokens()["demo-prod"].split(".")[2]]),
        "without expiry": jwt.encode({key_: value for key_, value in claims.items() if key_ != "exp"}, key, algorithm="HS256"),
        "nonsense": "x.y.z",
    }.items():
        assert laptop.status("demo-dev", token) == 401, name
    assert laptop.status("demo-dev", good) == 200


def test_who_is_no_member_is_refused_with_all_mistakes_and_nothing_is_written(laptop) -> None:
    done = laptop.order("add", "-e", f"mcp_client_file={laptop.home}/nobody.json", "-e", "mcp_environment=dev", user=BOB)
    assert done.returncode != 0 and f"{BOB} is no member of dev. Next: add them to its members in the inventory" in " ".join(done.stdout.split())
    assert not (laptop.home / "nobody.json").exists()


def test_who_is_taken_out_of_members_is_refused_at_once_and_comes_back_with_new_tokens_only(demo, laptop) -> None:
    """The registry's own code, asked for one team: what a deploy does when ``members`` change."""
    with admin(demo) as gateway:
        team = next(one for one in gateway.list_teams() if one["name"] == "demo-prod")

        def converge(*members: str) -> dict:
            wanted = {"name": team["name"], "description": team["description"], "members": [{"email": one, "role": "member"} for one in members]}
            params = {"teams": [wanted], "gateways": [], "servers": [], "clients": [], "client_config": None, "url": "", "public_url": "", "wait": 0}
            registry = _registry.Registry(gateway, _registry.desired_of(params), check_mode=False)
            _registry.run(registry, params, lambda _token: None)
            assert registry.failures == []
            return _registry.report(registry)

        def make(file: str) -> str:
            clients = _clients.Clients(gateway, check_mode=False)
            entry = {"name": "demo-prod", "user": BOB, "team": "demo-prod", "server": "demo-prod", "expires_in_days": 1, "renew_within_days": 0}
            (row,) = clients.issue([entry], {}, file, renew=False, overlap=0)
            assert (row["reason"], clients.failures) == ("missing", [])
            return clients.made["demo-prod"]

        converge(ALICE)
        assert converge(ALICE, BOB)["changed"]
        try:
            tokens = [make("test:one"), make("test:two")]
            assert [laptop.status("demo-prod", token) for token in tokens] == [200, 200]
            assert converge(ALICE, BOB)["changed"] is False, "members who stay keep their tokens"
            assert [laptop.status("demo-prod", token) for token in tokens] == [200, 200]
            actions = [(action["kind"], action["name"], action["action"]) for action in converge(ALICE)["actions"]]
            assert ("member", f"demo-prod/{BOB}", "delete") in actions and actions.count(("client", f"{BOB} in demo-prod", "revoke")) == 2
            assert {laptop.status("demo-prod", token) for token in tokens} <= {401, 403}
            converge(ALICE, BOB)
            assert {laptop.status("demo-prod", token) for token in tokens} == {401}, "back in the team, but not with the tokens of before"
            assert laptop.status("demo-prod", make("test:one")) == 200
        finally:
            converge(ALICE)
        assert laptop.status("demo-prod", laptop.tokens()["demo-prod"]) == 200, "nobody else noticed"


def test_revoked_tokens_are_refused_at_once_and_leave_the_file(laptop) -> None:
    before = laptop.tokens()
    done = laptop.order("revoke", "-e", "mcp_environment=dev")
    assert done.returncode == 0 and recap(done.stdout)["changed"] == 1, done.stdout[-3000:]
    assert laptop.status("demo-dev", before["demo-dev"]) == 401 and laptop.status("demo-prod", before["demo-prod"]) == 200
    assert [name for name in laptop.clients if name.startswith("demo-dev")] == [] and laptop.clients["demo-prod"]
    assert laptop.status("demo-dev", laptop.everybody["demo-dev"]["headers"]["Authorization"].removeprefix("Bearer ")) == 200, "the deploy's own stays"
