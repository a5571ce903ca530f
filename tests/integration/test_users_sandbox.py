# SPDX-License-Identifier: GPL-3.0-or-later
"""U2: what a person's wrapped server could reach if it were hostile. One that is runs in its place, in the sandbox that it is given."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.users_bridge import Databases, Person, UsersBridge, running, wait_for

SERVER = Path(__file__).with_name("hostile_server.py")
PEOPLE = [Person("hostile_alice"), Person("hostile_bob")]


@pytest.fixture(scope="module")
def bridge(demo, tmp_path_factory) -> Iterator[UsersBridge]:
    Databases(demo).add_postgres(*PEOPLE)
    command = ["/usr/bin/python3", "-I", str(SERVER)]
    folder = tmp_path_factory.mktemp("hostile")
    with running(demo, "postgres", folder, {"visible": [str(SERVER)], "memory_bytes": 200 * 1024 * 1024}, command=command, guard=False) as bridge:
        yield bridge


def probe(bridge: UsersBridge, person: Person, what: str, given: object = "") -> dict:
    answer = bridge.rpc("tools/call", person.headers, name=what, arguments={"given": given})
    assert "result" in answer, answer
    return json.loads(answer["result"]["content"][0]["text"])


@pytest.fixture(scope="module", autouse=True)
def both_are_there(bridge) -> None:
    for person in PEOPLE:
        probe(bridge, person, "environment")


def test_its_environment_has_its_own_login_and_nobody_elses_nor_the_bridges(bridge) -> None:
    alice, bob = PEOPLE
    found = probe(bridge, alice, "environment")
    assert found["PGUSER"] == alice.login and found["PGPASSWORD"] == alice.password
    assert bob.password not in json.dumps(found) and "MCP_BRIDGE_TOKEN" not in found


def test_it_sees_no_process_but_its_own(bridge) -> None:
    found = probe(bridge, PEOPLE[0], "processes")
    assert found["proc"] is False and set(found["pids"]) <= {1, found["own"]} and found["own"] < 10


def test_it_can_send_a_signal_to_nobody_outside(bridge) -> None:
    others = [*bridge.descendants(), bridge.process.pid, os.getpid()]
    for pid in others:
        if pid > 10:
            assert "error" in probe(bridge, PEOPLE[0], "kill", pid)
    assert bridge.process.poll() is None


@pytest.mark.parametrize("path", ["/root", "/home", "/run", "/var", "/srv", "/etc/passwd", "/etc/shadow", "/proc", "/sys", "/proc/1/environ", "/boot"])
def test_folders_of_the_host_are_not_there(bridge, path) -> None:
    assert probe(bridge, PEOPLE[0], "read", path).get("error") == "No such file or directory"


def test_the_teams_files_are_not_there(demo, bridge) -> None:
    alice = PEOPLE[0]
    for path in (demo.home / "control/.env", demo.home / "team/etc/.env", demo.home / "team/etc/services.json", demo.home / "client.json"):
        assert path.exists() and probe(bridge, alice, "read", str(path)).get("error") == "No such file or directory"
    for path in (bridge.folder, demo.home / "team/etc", Path(demo.state["runtime_directory"])):
        assert probe(bridge, alice, "read", str(path)).get("error") == "No such file or directory"
    assert probe(bridge, alice, "read", str(demo.home / "databases/tls"))["entries"] == ["ca.pem"], "of its folder only what was named"


@pytest.mark.parametrize("path", ["/usr/bin/x", "/x", "/etc/hosts", str(SERVER), "/dev/x"])
def test_it_can_write_nowhere_but_in_its_own_tmp(bridge, path) -> None:
    assert "error" in probe(bridge, PEOPLE[0], "write", path)


def test_tmp_and_shared_memory_are_its_own(bridge) -> None:
    alice, bob = PEOPLE
    name = f"/tmp/{secrets.token_hex(8)}"
    assert probe(bridge, alice, "write", name) == {"written": name}
    assert "error" in probe(bridge, bob, "read", name) and not Path(name).exists()
    outside = Path("/dev/shm") / secrets.token_hex(8)
    outside.write_text("x")
    try:
        assert outside.name not in json.dumps(probe(bridge, alice, "shared_memory"))
    finally:
        outside.unlink()


def test_it_reaches_no_unix_socket_of_the_host(demo, bridge, tmp_path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        assert "error" in probe(bridge, PEOPLE[0], "connect_unix", path)
    for path in Path(demo.state["runtime_directory"]).rglob("*"):
        if path.is_socket():
            assert "error" in probe(bridge, PEOPLE[0], "connect_unix", str(path))


def test_it_has_no_privilege_and_gets_none(bridge) -> None:
    assert probe(bridge, PEOPLE[0], "privileges")["mount"] == -1
    inside = [pid for pid, argv in bridge.descendants().items() if str(SERVER) in argv and "--unshare-pid" not in argv]
    assert inside
    for pid in inside:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        assert {status[name].strip().lstrip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {""} and status["NoNewPrivs"].strip() == "1"


def test_its_memory_and_its_number_of_processes_end_somewhere(bridge) -> None:
    alice, bob = PEOPLE
    assert probe(bridge, alice, "eat_memory")["mebibytes"] < 210
    if os.geteuid():  # the kernel counts no processes of root, not even in a user namespace; on real hosts molecule tries it
        assert probe(bridge, alice, "fork")["children"] < 200
    assert probe(bridge, bob, "environment")["PGUSER"] == bob.login, "and nobody else notices"


def test_one_that_works_although_nobody_calls_is_ended(bridge) -> None:
    alice, bob = PEOPLE
    probe(bridge, alice, "spin")
    wait_for(lambda: alice.login not in bridge.people(), "the runaway is ended", 40)
    assert "busy although nobody calls" in bridge.log and bob.login in bridge.people()
    assert probe(bridge, alice, "environment")["PGUSER"] == alice.login, "the next call has a new one"


def test_one_that_ends_takes_only_its_own_call_with_it(bridge) -> None:
    alice, bob = PEOPLE
    answer = bridge.rpc("tools/call", alice.headers, name="end", arguments={})
    assert answer["error"]["code"] == -32001
    assert probe(bridge, alice, "environment")["PGUSER"] == alice.login and probe(bridge, bob, "environment")["PGUSER"] == bob.login


def test_no_secret_in_a_command_line(bridge) -> None:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "hostile_server.py" in listed and not any(person.password in listed for person in PEOPLE)
