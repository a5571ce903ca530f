# SPDX-License-Identifier: GPL-3.0-or-later
"""``gateway_registry`` and ``gateway_registry_info`` against a real gateway: check, do, check, do for each kind of object, and what the gateway says that it
was asked. The modules run in the test's own process, which is what makes so many runs affordable; one test runs them as a playbook does.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.mcp.tenancy.plugins.module_utils import _contextforge
from ansible_collections.mcp.tenancy.plugins.modules import gateway_registry, gateway_registry_info
from tests.gateway_alone import ADMIN, REPOSITORY, Gateway, Upstreams, gateway

#: Tables with what the registry takes care of.
TABLES = (
    "email_users",
    "email_teams",
    "email_team_members",
    "roles",
    "user_roles",
    "gateways",
    "tools",
    "servers",
    "server_tool_association",
    "email_api_tokens",
)
MUTATING = {"POST", "PUT", "PATCH", "DELETE"}
LABELS = itertools.count(1)


@dataclass
class World:
    """A gateway, upstreams, and an owner of a test's own, so that tests do not meet."""

    gateway: Gateway
    upstreams: Upstreams
    owner: str
    client_config: str

    def run(self, check: bool = False, module: object = gateway_registry, **options: object) -> dict:
        """What the module answers, ``failed`` among it."""
        given = {**self.gateway.connection, "_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": "/tmp", **options}
        said = io.StringIO()
        with patch_module_args(given), contextlib.redirect_stdout(said), pytest.raises(SystemExit):
            module.main()
        return {"failed": False, **json.loads(said.getvalue())}

    def facts(self) -> dict[str, dict]:
        """Everything in the database, a row by its first column, but for what the gateway itself notes: that an upstream was seen, that a token was used."""
        return {table: self.gateway.rows(table) for table in TABLES}

    def four(self, wanted: dict, *expected: tuple[str, str, str]) -> dict:
        """Check, do, check, do. The first two say the same, ``expected`` among it; the last two say and send nothing that changes anything."""
        options = {"owner": self.owner, **wanted}
        with self.asked_nothing():
            planned = self.run(check=True, **options)
        done = self.run(**options)
        assert (planned["failed"], done["failed"]) == (False, False), (planned.get("msg"), done.get("msg"))
        assert told(planned) == told(done) and planned["changed"] and done["changed"]
        assert set(expected) <= set(told(done)), told(done)
        assert planned["diff"]["after"].keys() == done["diff"]["after"].keys()
        with self.asked_nothing():
            again = [self.run(check=True, **options), self.run(**options)]
        assert [(one["failed"], one["changed"], one["actions"]) for one in again] == [(False, False, [])] * 2, again
        return done

    @contextlib.contextmanager
    def asked_nothing(self) -> Iterator[None]:
        """Nothing in the block may be a request that changes anything. A token is tried by a POST that lists tools, which is told from others by its place."""
        before = self.facts()
        with self.gateway.asked() as asked:
            yield
        assert asked, "the gateway was asked something"
        assert [one for one in asked if one[0] in MUTATING and not one[1].rstrip("/").endswith("/mcp")] == []
        assert {table: rows for table, rows in self.facts().items() if rows != before[table]} == {}

    def rows(self, kind: str) -> list[dict]:
        """What the gateway has of a kind."""
        return self.run(module=gateway_registry_info, gather=[kind])[kind]

    def entries(self) -> dict:
        """The clients' file."""
        return json.loads(Path(self.client_config).read_text())["mcpServers"]

    def row(self, kind: str, name: str) -> dict:
        (found,) = [row for row in self.rows(kind) if name in (row.get("name"), row.get("email"))]
        return found


def told(result: dict) -> list[tuple[str, str, str]]:
    return [(action["kind"], action["name"], action["action"]) for action in result["actions"]]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[tuple[Gateway, Upstreams]]:
    upstreams = Upstreams()
    try:
        with gateway(tmp_path_factory.mktemp("registry") / "gateway") as own:
            yield own, upstreams
    finally:
        upstreams.close()


@pytest.fixture
def world(place, tmp_path) -> World:
    return World(*place, f"t{next(LABELS)}", str(tmp_path / "clients.json"))


def wishes(world: World) -> dict:
    """A team with everything."""
    name = world.owner
    gateways = [{"name": f"{name}-{one}", "url": world.upstreams.url(f"{name}-{one}"), "team": name, "tags": ["sql"]} for one in ("a", "b")]
    gateways.append({**gateways[0], "name": f"{name}-c", "url": world.upstreams.url(f"{name}-c"), "auth_token": f"canary-{name}-one", "auth_version": "1"})
    alice = {"email": f"alice.{name}@registry.example", "role": "member", "roles": [f"{name}-analyst"]}
    return {
        "roles": [{"name": f"{name}-analyst", "permissions": ["tools.read", "tools.execute"]}],
        "users": [{"email": f"carol.{name}@registry.example", "full_name": "Carol", "roles": []}],
        "teams": [{"name": name, "description": "d", "members": [alice]}],
        "gateways": gateways,
        "servers": [
            {"name": name, "team": name, "gateways": [f"{name}-a", f"{name}-b", f"{name}-c"]},
            {"name": f"{name}-reading", "team": name, "gateways": [f"{name}-a"], "tools": ["list-*"], "tags": ["reading"]},
        ],
        "clients": [{"name": f"{name}-alice", "user": alice["email"], "team": name, "server": name}],
        "client_config": world.client_config,
    }


def names_of_tools(world: World, server: str) -> list[str]:
    tools = {tool["id"]: tool["name"] for tool in world.rows("tools")}
    return sorted(tools[tool] for tool in world.row("servers", server)["tool_ids"])


def bare(world: World, wanted: dict) -> dict:
    """The same wishes for one upstream alone, without a token: what most tests need."""
    return {"teams": wanted["teams"], "gateways": wanted["gateways"][:1], "servers": wanted["servers"][1:], "roles": wanted["roles"]}


def test_everything_is_made_in_one_call_and_the_second_sends_nothing(world) -> None:
    name = world.owner
    world.upstreams.bearers[f"{name}-c"] = f"canary-{name}-one"
    done = world.four(
        wishes(world),
        ("role", f"{name}-analyst", "create"),
        ("user", f"carol.{name}@registry.example", "create"),
        ("user", f"alice.{name}@registry.example", "create"),
        ("team", name, "create"),
        ("member", f"{name}/alice.{name}@registry.example", "create"),
        ("grant", f"{name}/alice.{name}@registry.example/{name}-analyst", "create"),
        *(("gateway", f"{name}-{one}", "create") for one in "abc"),
        ("server", name, "create"),
        ("server", f"{name}-reading", "create"),
        ("client", f"{name}-alice", "create"),
    )
    assert len(names_of_tools(world, name)) == 6 and names_of_tools(world, f"{name}-reading") == [f"{name}-a-list-tables"]
    assert {world.row("gateways", f"{name}-a")["owner"], world.row("servers", name)["owner"], world.row("teams", name)["owner"]} == {name}
    assert {world.row("users", f"{one}.{name}@registry.example")["owner"] for one in ("alice", "carol")} | {world.row("roles", f"{name}-analyst")["owner"]} == {
        name
    }
    entry = world.entries()[f"{name}-alice"]
    with world.gateway.client() as client:
        assert client.accepts(done["servers"][name], entry["headers"]["Authorization"].removeprefix("Bearer "))
    assert world.gateway.files_hold(f"canary-{name}-one") == []


CHANGES = {
    "role": (lambda w, n: w["roles"][0].update(permissions=["tools.read"]), ("role", "{0}-analyst", "update")),
    "team": (lambda w, n: w["teams"][0].update(description="other"), ("team", "{0}", "update")),
    "member": (lambda w, n: w["teams"][0]["members"][0].update(role="owner"), ("member", "{0}/alice.{0}@registry.example", "update")),
    "grant": (lambda w, n: w["teams"][0]["members"][0].update(roles=["developer"]), ("grant", "{0}/alice.{0}@registry.example/{0}-analyst", "delete")),
    "address": (lambda w, n: w["gateways"][0].update(url=w["gateways"][0]["url"].replace("-a/", "-d/")), ("gateway", "{0}-a", "update")),
    "visibility": (lambda w, n: [item.update(visibility="public") for item in (w["gateways"][0], w["servers"][0])], ("gateway", "{0}-a", "update")),
    "headers": (lambda w, n: w["gateways"][0].update(passthrough_headers=["X-Api-Key"]), ("gateway", "{0}-a", "update")),
    "tags": (lambda w, n: w["gateways"][0].update(tags=["other"]), ("gateway", "{0}-a", "update")),
    "tools": (lambda w, n: w["servers"][0].update(tools=["query"]), ("server", "{0}-reading", "update")),
    "server's tags": (lambda w, n: w["servers"][0].update(tags=[]), ("server", "{0}-reading", "update")),
}


def test_each_change_of_each_kind(world) -> None:
    """One after the other on the same team: what one leaves behind must not disturb the next."""
    wanted = bare(world, wishes(world))
    world.run(owner=world.owner, **wanted)
    for change, expected in CHANGES.values():
        change(wanted, world.owner)
        world.four(wanted, tuple(part.format(world.owner) for part in expected))
    name = world.owner
    assert names_of_tools(world, f"{name}-reading") == [f"{name}-a-query"]
    row = world.row("gateways", f"{name}-a")
    assert (row["visibility"], row["passthrough_headers"], row["tags"]) == ("public", ["X-Api-Key"], ["other", f"owned-by:{name}"])
    assert row["url"] == _contextforge.stored_url(world.upstreams.url(f"{name}-d")) and {
        tool["visibility"] for tool in world.rows("tools") if tool["gateway_id"] == row["id"]
    } == {"public"}
    with world.gateway.client() as client:
        held = {grant["role_id"] for grant in client.list_grants(f"alice.{name}@registry.example")}
        assert {role["name"] for role in client.list_roles() if role["id"] in held} >= {"developer", "team_admin"}


def test_a_user_is_renamed_deactivated_and_activated_again(world) -> None:
    dora = {"email": f"dora.{world.owner}@registry.example", "full_name": "Dora", "roles": []}
    for change in ({}, {"full_name": "Dora D."}, {"active": False}, {"active": True}, {"roles": ["platform_viewer"]}):
        wanted = {"users": [dora := {**dora, **change}]}
        if change != {"roles": ["platform_viewer"]}:
            world.four(wanted, ("user", dora["email"], "update" if change else "create"))
    assert world.run(owner=world.owner, **wanted)["changed"] is False, "the gateway itself gives that role to everybody"
    row = world.row("users", dora["email"])
    assert (row["full_name"], row["is_active"], row["owner"]) == (f"Dora D. [owned-by:{world.owner}]", True, world.owner)


def test_a_changed_credential_never_lies_bare_in_the_database(world) -> None:
    name, wanted = world.owner, wishes(world)
    wanted = {**bare(world, wanted), "gateways": wanted["gateways"][2:], "servers": [{"name": name, "team": name, "gateways": [f"{name}-c"]}]}
    for number, steps in (("one", [("server", name, "create")]), ("two", [("gateway", f"{name}-c", "replace"), ("server", name, "update")])):
        world.upstreams.bearers[f"{name}-c"] = f"canary-{name}-{number}"
        wanted["gateways"][0] |= {"auth_token": f"canary-{name}-{number}", "auth_version": number}
        if number == "one":
            world.four(wanted, *steps)
        else:  # the server's tools are new ones, which only the gateway can tell, so that a check cannot name the server
            assert set(steps) <= set(told(world.run(owner=name, **wanted)))
            with world.asked_nothing():
                assert world.run(owner=name, **wanted)["changed"] is False
        assert world.gateway.files_hold(f"canary-{name}") == []
        wanted["gateways"][0]["description"] = f"after {number}"
        world.four(wanted, ("gateway", f"{name}-c", "update"))
        assert world.gateway.files_hold(f"canary-{name}") == [], "an update in place leaves it encrypted too"
    assert world.row("gateways", f"{name}-c")["auth_version"] == "two" and len(names_of_tools(world, name)) == 2
    (row,) = [row for row in world.gateway.rows("gateways").values() if row["name"] == f"{name}-c"]
    assert len(row["auth_value"]) > 60, "and it is there, encrypted"


def test_a_token_is_replaced_with_an_overlap_after_which_the_old_one_ends(world) -> None:
    name, wanted = world.owner, wishes(world)
    wanted = {**wanted, "gateways": wanted["gateways"][:1], "servers": [{"name": name, "team": name, "gateways": [f"{name}-a"]}]}
    server = world.run(owner=name, **wanted)["servers"][name]

    def token() -> str:
        return world.entries()[f"{name}-alice"]["headers"]["Authorization"].removeprefix("Bearer ")

    first = token()
    wanted["clients"][0] |= {"version": "2", "overlap": 3600}
    made = _contextforge.claims_of(first)["issued_at"]
    while time.time() <= made + 3:  # two tokens of the same moment cannot be told apart
        time.sleep(0.1)
    world.four(wanted, ("client", f"{name}-alice", "update"))
    with world.gateway.client() as client:
        assert first != token() and [client.accepts(server, one) for one in (first, token())] == [True, True]
    wanted["clients"][0]["overlap"] = 0
    world.four(wanted, ("client", f"{name}-alice", "revoke"))
    with world.gateway.client() as client:
        assert [client.accepts(server, one) for one in (first, token())] == [False, True]


def test_what_is_no_longer_wanted_goes_and_nothing_else(world) -> None:
    name, wanted = world.owner, wishes(world)
    keep = {"name": f"{name}-keep", "description": "", "members": [{"email": f"erin.{name}@registry.example", "roles": None}]}
    gateways = [
        {**wanted["gateways"][0], "name": f"{name}-k{number}", "url": world.upstreams.url(f"{name}-k{number}"), "team": keep["name"]} for number in range(3)
    ]
    servers = [{"name": f"{name}-k{number}", "team": keep["name"], "gateways": [f"{name}-k{number}"]} for number in range(3)]
    roles = [{"name": f"{name}-keep", "permissions": ["tools.read"]}]
    clients = [{"name": f"{name}-erin", "user": keep["members"][0]["email"], "team": keep["name"], "server": f"{name}-k0"}]
    kept = {"teams": [keep], "gateways": gateways, "servers": servers, "roles": roles, "users": [], "clients": clients, "client_config": world.client_config}
    world.upstreams.bearers[f"{name}-c"] = f"canary-{name}-one"
    both = {key: wanted[key] + value if isinstance(value, list) else value for key, value in kept.items()}
    # A user who was never in a team can be deleted; Carol was not, Alice was.
    assert world.run(owner=name, **both)["failed"] is False
    stranger = f"{name}-stranger"
    assert world.run(teams=[{"name": stranger}], gateways=[{"name": stranger, "url": world.upstreams.url(stranger), "team": stranger}])["failed"] is False
    token = world.entries()[f"{name}-alice"]["headers"]["Authorization"].removeprefix("Bearer ")
    everything = ["users", "roles", "teams", "gateways", "servers", "clients"]
    done = world.four(
        {**kept, "purge": everything, "purge_limit": 70},
        *(("client", f"{name}-alice", "delete"), ("server", name, "delete"), ("server", f"{name}-reading", "delete"), ("team", name, "delete")),
        *(("gateway", f"{name}-{one}", "delete") for one in "abc"),
        ("role", f"{name}-analyst", "delete"),
        *(("user", f"{one}.{name}@registry.example", "delete") for one in ("alice", "carol")),
    )
    assert {action["action"] for action in done["actions"]} == {"delete"}
    assert list(world.entries()) == [f"{name}-erin"]
    users = {row["email"]: row for row in world.rows("users") if name in row["email"]}
    assert f"carol.{name}@registry.example" not in users
    alice = users[f"alice.{name}@registry.example"]
    assert (alice["is_active"], alice["full_name"]) == (False, f"[purged-by:{name}]")
    assert world.row("gateways", stranger) and world.row("teams", stranger) and len([row for row in world.rows("gateways") if row["owner"] == name]) == 3
    assert [row["live"] for row in world.rows("tokens") if row["name"].startswith(f"{name}/{name}-alice#")] == [False]
    # Back again: the same team at the gateway, but nobody who held something of it has anything.
    back = world.run(owner=name, **both)
    assert back["failed"] is False and ("user", alice["email"], "update") in told(back), back.get("msg")
    with world.gateway.client() as client:
        assert client.accepts(back["servers"][name], token) is False


def test_a_list_that_came_out_empty_empties_nothing(world) -> None:
    name, wanted = world.owner, bare(world, wishes(world))
    world.run(owner=name, **wanted)
    nothing = {"owner": name, "teams": wanted["teams"], "roles": wanted["roles"], "purge": ["servers", "gateways"]}
    with world.asked_nothing():
        refused = world.run(**nothing)
    assert refused["failed"] and f"1 of 1 servers would go ({name}-reading)" in refused["msg"] and f"1 of 1 gateways would go ({name}-a)" in refused["msg"]
    assert refused["changed"] is False and "purge_limit: 100" in refused["msg"]
    world.four({**nothing, "purge_limit": 100}, ("server", f"{name}-reading", "delete"), ("gateway", f"{name}-a", "delete"))
    assert "owner is missing" in world.run(purge=["teams"])["msg"]


def test_what_others_hang_on_is_not_pulled_away(world) -> None:
    name, wanted = world.owner, bare(world, wishes(world))
    world.run(owner=name, **wanted)
    theirs = {"name": f"{name}-theirs", "url": world.upstreams.url(f"{name}-theirs"), "team": name}
    world.run(teams=[{**wanted["teams"][0], "description": f"d [owned-by:{name}]"}], gateways=[theirs], roles=[])
    with world.gateway.client() as client:
        tools = [tool["id"] for tool in client.list_tools() if tool["name"].startswith(f"{name}-a-")]
        team = world.row("teams", name)["id"]
        client.create_server(f"{int(name[1:]):032x}", {"name": f"{name}-borrows", "description": "", "visibility": "team", "tags": []}, team, tools)
    with world.asked_nothing():
        refused = world.run(owner=name, purge=["teams", "gateways", "servers"], purge_limit=100)
    assert (
        refused["failed"]
        and f"team {name} still has gateway {name}-theirs" in refused["msg"]
        and f"team {name} still has server {name}-borrows" in refused["msg"]
    )
    assert f"server {name}-borrows, which is not ours, has tools of {name}-a" in refused["msg"]


def by_hand(world: World) -> dict:
    """What a person made: everything that :func:`bare` wants and a user, without a mark, some of it otherwise, the gateway under another name."""
    name, wanted = world.owner, bare(world, wishes(world))
    wanted["users"] = [{"email": f"carol.{name}@registry.example", "full_name": "Carol"}]
    theirs = {**wanted, "gateways": [{**wanted["gateways"][0], "name": f"{name}-other", "tags": []}], "servers": [], "users": []}
    assert world.run(**theirs)["failed"] is False
    with world.gateway.client() as client:
        client.create_user(wanted["users"][0]["email"], "Carol the Person")
        fields = {"name": f"{name}-reading", "description": "made by hand", "visibility": "team", "tags": []}
        client.create_server(f"{int(name[1:]):032x}", fields, world.row("teams", name)["id"], [])
    return wanted


def test_what_people_made_by_hand_is_reported_and_adopted_on_request(world) -> None:
    name, wanted = world.owner, by_hand(world)
    ids = {kind: world.row(kind, row)["id"] for kind, row in (("teams", name), ("gateways", f"{name}-other"), ("servers", f"{name}-reading"))}
    for check in (True, False):
        with world.asked_nothing():
            refused = world.run(check=check, owner=name, **wanted)
        assert refused["failed"] and {one["kind"] for one in refused["conflicts"]} == {"team", "role", "user", "gateway", "server"}
        assert refused["msg"].count("was made by hand (id ") == 5 and refused["msg"].count("adopt: by_hand") == 5 and refused["actions"] == []
    world.four(
        {**wanted, "adopt": "by_hand"},
        *(("team", name, "adopt"), ("gateway", f"{name}-a", "adopt"), ("server", f"{name}-reading", "adopt"), ("role", f"{name}-analyst", "adopt")),
        ("user", f"carol.{name}@registry.example", "adopt"),
    )
    assert {kind: world.row(kind, row)["id"] for kind, row in (("teams", name), ("gateways", f"{name}-a"), ("servers", f"{name}-reading"))} == ids
    assert {
        row["owner"] for kind in ("teams", "gateways", "servers", "roles", "users") for row in world.rows(kind) if name in row.get("name", row.get("email", ""))
    } <= {name, ""}
    assert names_of_tools(world, f"{name}-reading") == [f"{name}-a-list-tables"]


def test_rows_of_another_owner_are_taken_over_only_when_that_is_said(world) -> None:
    name, wanted = world.owner, bare(world, wishes(world))
    world.run(owner=f"{name}x", **wanted)
    for adopt in ("never", "by_hand"):
        with world.asked_nothing():
            refused = world.run(owner=name, adopt=adopt, **wanted)
        assert refused["failed"] and refused["msg"].count(f"belongs to {name}x") == 4 == refused["msg"].count("adopt: any"), refused["msg"]
    world.four({**wanted, "adopt": "any"}, ("team", name, "adopt"), ("gateway", f"{name}-a", "adopt"))


def test_rows_from_before_there_were_marks_are_ours(world) -> None:
    """What a deploy made before it had an owner: its team has a server with our id, its gateways have a bearer of ours."""
    name, wanted = world.owner, wishes(world)
    wanted = {"teams": wanted["teams"], "roles": [], "gateways": wanted["gateways"][2:], "servers": [{"name": name, "team": name, "gateways": [f"{name}-c"]}]}
    wanted["teams"][0]["members"] = []
    world.upstreams.bearers[f"{name}-c"] = f"canary-{name}-one"
    assert world.run(**wanted)["failed"] is False
    world.four(wanted, ("team", name, "update"), ("gateway", f"{name}-c", "update"), ("server", name, "update"))


def test_all_mistakes_are_told_at_once_and_nothing_is_done(world) -> None:
    name, wanted = world.owner, bare(world, wishes(world))
    wanted["roles"] = [{"name": f"{name}-x", "permissions": ["tools.reed"]}, {"name": "viewer", "permissions": []}]
    wanted["teams"][0]["members"][0]["roles"] = ["nobody"]
    wanted["users"] = [{"email": ADMIN, "roles": ["nobody"]}]
    with world.asked_nothing():
        refused = world.run(owner=name, **wanted)
    assert refused["failed"] and "did you mean tools.read?" in refused["msg"] and "viewer is the gateway's own" in refused["msg"]
    assert refused["msg"].count("there is no role nobody") == 2 and f"{ADMIN} is an admin" in refused["msg"]
    mistakes = world.run(owner="Ä", purge=["teams"], teams=[{"name": "x"}], gateways=[{"name": "g", "url": "u", "team": "x", "tags": ["owned-by:y"]}])
    assert "owner: 'ä' is no label" in mistakes["msg"] and "the tag owned-by:y is set by owner" in mistakes["msg"]


def test_an_upstream_that_is_down_and_a_tool_that_is_missing_stop_nothing_else(world) -> None:
    name, wanted = world.owner, bare(world, wishes(world))
    wanted["gateways"] = wishes(world)["gateways"][:2]
    wanted["servers"] = [{"name": name, "team": name, "gateways": [f"{name}-a", f"{name}-b"]}]
    world.upstreams.down.add(f"{name}-b")
    first = world.run(owner=name, **wanted)
    assert first["failed"] and f"gateway {name}-b" in first["msg"] and ("server", name, "create") in told(first) and len(names_of_tools(world, name)) == 2
    world.upstreams.down.clear()
    world.four(wanted, ("gateway", f"{name}-b", "create"), ("server", name, "update"))
    assert len(names_of_tools(world, name)) == 4
    wanted["servers"][0]["tools"] = ["query", "nothing-*"]
    missing = world.run(owner=name, **wanted)
    assert (
        missing["failed"] and "its gateways have no tool nothing-*. They have: list-tables, query." in missing["msg"] and len(names_of_tools(world, name)) == 2
    )


def test_a_run_that_is_cut_short_anywhere_is_finished_by_the_next(world, monkeypatch) -> None:
    """Each run is cut short after one or two requests that change something: first while everything is made, then while everything goes."""
    send, name, wanted = _contextforge.Client._send, world.owner, wishes(world)
    wanted = {**wanted, "gateways": wanted["gateways"][:1], "servers": wanted["servers"][1:], "clients": []}
    gone = {"purge": ["clients", "servers", "gateways", "teams", "roles", "users"], "purge_limit": 100}

    def cut_after(number: int, **options: object) -> bool:
        left = itertools.count(number, -1)

        def counted(client: _contextforge.Client, method: str, path: str, **keywords: object) -> object:
            if method in MUTATING and not path.endswith("/mcp") and next(left) == 0:
                raise KeyboardInterrupt
            return send(client, method, path, **keywords)

        with monkeypatch.context() as patch:
            patch.setattr(_contextforge.Client, "_send", counted)
            try:
                return world.run(owner=name, **options)["failed"]
            except KeyboardInterrupt:
                return True

    for options in (wanted, gone):
        # Every other one is let do two: a user who cannot be deleted is deactivated by a second request, which would never be reached.
        runs = next(number for number in range(60) if not cut_after(1 + number % 2, **options))
        assert runs >= 4, "each of them got no further than that"
        assert world.run(owner=name, **options)["changed"] is False
    assert [row for kind in ("gateways", "servers", "teams", "roles") for row in world.rows(kind) if row["owner"] == name] == []


def test_lists_longer_than_a_page_are_read_to_their_end(world, monkeypatch) -> None:
    """With small pages; with the largest ones ``make bench-registry`` reads 1,000."""
    monkeypatch.setattr(_contextforge, "PAGE", 20)
    name = world.owner
    servers = [{"name": f"{name}-{number}", "team": name, "gateways": []} for number in range(45)]
    wanted = {"owner": name, "teams": [{"name": name}], "servers": servers}
    assert len(world.run(**wanted)["actions"]) == len(servers) + 1
    with world.asked_nothing(), world.gateway.asked() as asked:
        assert world.run(**wanted)["changed"] is False
    assert [path for _method, path, _status in asked].count("/v1/servers") >= 3
    assert len([row for row in world.rows("servers") if row["owner"] == name]) == len(servers)
    assert world.run(**{**wanted, "servers": servers[:23], "purge": ["servers"]})["failed"] is False


def test_a_playbook_says_the_connection_once_and_no_secret_is_in_what_it_says(world, tmp_path) -> None:
    name, wanted = world.owner, wishes(world)
    world.upstreams.bearers[f"{name}-c"] = f"canary-{name}-one"
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "module_defaults": {"group/mcp.tenancy.gateway": world.gateway.connection},
        "tasks": [
            {"name": "Registry", "mcp.tenancy.gateway_registry": {"owner": name, **wanted}, "register": "first"},
            {"name": "Again", "mcp.tenancy.gateway_registry": {"owner": name, **wanted}, "register": "second"},
            {"name": "Info", "mcp.tenancy.gateway_registry_info": {"owner": name}, "register": "info"},
            {"name": "Seen", "ansible.builtin.assert": {"that": ["first is changed", "second is not changed", "info.gateways | length == 3"]}},
        ],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    environment = {**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_LOCALHOST_WARNING": "false"}
    command = [REPOSITORY / ".venv/bin/ansible-playbook", tmp_path / "play.yml", "-vvv", "--diff"]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    for secret in (
        world.gateway.key,
        f"canary-{name}-one",
        world.entries()[f"{name}-alice"]["headers"]["Authorization"][7:],
    ):
        assert secret not in done.stdout + done.stderr
