# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that are cut say so, the audit's chain shows a gap, and only who may come in comes in."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import orjson
import pytest

from mcp_bridge import answers
from mcp_bridge.access import Access
from mcp_bridge.audit import Audit, broken
from mcp_bridge.config import ConfigError, from_file, from_manifest
from mcp_bridge.errors import BridgeError
from mcp_bridge.rate import Rate
from running_bridge import SOURCES, wait_for


def rows(count: int) -> dict:
    return {"content": [{"type": "text", "text": json.dumps([{"n": n} for n in range(count)], indent=2)}]}


def test_few_rows_pass_as_they_are() -> None:
    result = rows(100)
    assert answers.within(result, 100, 1_000_000) is result


def test_too_many_rows_are_cut_and_marked() -> None:
    result = answers.within(rows(101), 100, 1_000_000)
    assert len(json.loads(result["content"][0]["text"])) == 100
    assert "first 100 of 101 rows" in result["content"][1]["text"] and result["_meta"]["mcp-bridge/cut"]


def test_too_many_bytes_are_cut_between_characters_and_marked() -> None:
    result = answers.within({"content": [{"type": "text", "text": "é" * 1000}]}, 0, 999)
    assert result["content"][0]["text"] == "é" * 499
    assert "first 999 of 2000 bytes" in result["content"][1]["text"]


@pytest.mark.parametrize("result", [{}, {"content": None}, {"content": [{"type": "image"}, 5]}, {"content": [{"type": "text", "text": "[" * 100000}]}])
def test_what_is_no_list_of_rows_is_left_alone(result: dict) -> None:
    assert answers.within(result, 10, 10_000_000) == result


def write(path: Path, count: int) -> None:
    audit = Audit(path, "postgres-dev")
    for number in range(count):
        audit.write("bearer:x", "tools/call", "query", 1, "ok", number)


def test_the_audit_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    write(path, 5)
    write(path, 5)
    assert broken(path) is None and len(path.read_bytes().splitlines()) == 10
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(orjson.loads(path.read_bytes().splitlines()[0])) == {"time", "service", "who", "method", "tool", "generation", "outcome", "ms", "previous"}


@pytest.mark.parametrize("line", [0, 4, 8])
def test_a_line_that_was_taken_out_or_changed_shows(tmp_path: Path, line: int) -> None:
    path = tmp_path / "audit"
    write(path, 10)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:line] + lines[line + 1 :]))
    assert broken(path) == line + 1
    path.write_bytes(b"".join([*lines[:line], lines[line].replace(b'"ok"', b'"no"'), *lines[line + 1 :]]))
    assert broken(path) == line + 2


def test_a_line_that_was_cut_off_stays_as_evidence(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    write(path, 3)
    path.write_bytes(path.read_bytes()[:-20])
    write(path, 1)
    assert broken(path) == 3


def test_what_an_operator_types_says_so_by_its_exit_too(tmp_path: Path) -> None:
    whole, gap = tmp_path / "whole", tmp_path / "gap"
    write(whole, 3)
    gap.write_bytes(b"".join(whole.read_bytes().splitlines(keepends=True)[1:]))

    def ask(*names: Path) -> tuple[int, str]:
        command = [sys.executable, "-m", "mcp_bridge.audit", *names]
        done = subprocess.run(command, env={"PYTHONPATH": str(SOURCES)}, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    assert ask(whole) == (0, f"{whole}: the chain is whole\n")
    assert ask(whole, gap) == (1, f"{whole}: the chain is whole\n{gap}: line 1 does not follow from the one before it\n")
    code, told = ask(tmp_path / "none", gap)
    assert code == 2 and "none: cannot be read (No such file or directory)" in told and "gap: line 1" in told
    assert ask()[0] == 2


TOKEN = "t" * 32
HOST = (b"host", b"127.0.0.1:8000")


@pytest.mark.parametrize(
    ("headers", "well"),
    [
        ([HOST], True),
        ([(b"host", b"LOCALHOST:8000")], True),
        ([(b"host", b"evil.example:8000")], False),
        ([(b"host", b"127.0.0.1:8001")], False),
        ([HOST, HOST], False),
        ([], False),
        ([HOST, (b"origin", b"http://localhost:8000")], True),
        ([HOST, (b"origin", b"https://evil.example")], False),
        ([HOST, (b"origin", b"null")], False),
    ],
)
def test_a_foreign_host_or_origin_is_refused(headers: list, well: bool) -> None:
    assert Access(TOKEN, 8000).reached_well(headers) is well


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ([(b"authorization", b"Bearer " + TOKEN.encode())], True),
        ([(b"authorization", b"bearer " + TOKEN.encode())], True),
        ([(b"authorization", b"Bearer " + TOKEN.encode()[:-1])], False),
        ([(b"authorization", TOKEN.encode())], False),
        ([(b"authorization", b"Bearer ")], False),
        ([(b"authorization", b"Bearer " + TOKEN.encode()), (b"authorization", b"Bearer x")], False),
        ([], False),
    ],
)
def test_only_the_bearer_of_the_token_is_known_and_the_token_is_not_in_the_name(headers: list, known: bool) -> None:
    caller = Access(TOKEN, 8000).caller(headers)
    assert (caller is not None) is known and TOKEN not in repr(caller)


def test_a_rate_is_a_bound() -> None:
    rate = Rate(5)
    for _ in range(5):
        rate.take()
    with pytest.raises(BridgeError, match="5 calls a second"):
        rate.take()
    Rate(0).take()


@pytest.mark.parametrize("spoiled", [{"wrapper": "magic"}, {"limits": {"rows": 1}}, {"commands": []}, {"command": None, "service": None}])
def test_a_wrong_configuration_names_its_file(tmp_path: Path, spoiled: dict) -> None:
    given = {"service": "s", "command": ["x"], "runtime_directory": "/x", **spoiled}
    (tmp_path / "c.json").write_text(json.dumps({key: value for key, value in given.items() if value is not None}))
    with pytest.raises(ConfigError, match=r"c\.json"):
        from_file(tmp_path / "c.json")


def test_the_manifest_of_a_host_is_read_without_its_secrets(tmp_path: Path) -> None:
    wrapped = {"command": ["node"], "environment": {"PGHOST": "db"}, "secrets": {"PGPASSWORD": {"key": "K", "part": "password"}}}
    entry = {"directory": "/work", "wrapped": wrapped, "bridge": {"engine": "postgres", "listen": {"port": 5}, "limits": {"max_rows": 7}}}
    (tmp_path / "m.json").write_text(json.dumps({"runtime_directory": str(tmp_path), "services": {"postgres-dev": entry}}))
    (tmp_path / "postgres-dev").mkdir()
    (tmp_path / "postgres-dev/env.json").write_text(json.dumps({"process": {"MCP_BRIDGE_TOKEN": "t"}, "wrapped": {"PGPASSWORD": "p"}}))
    config = from_manifest(tmp_path / "m.json", "postgres-dev")
    assert (config.port, config.limits.max_rows, config.engine) == (5, 7, "postgres")
    assert config.variables()["PGPASSWORD"] == "p" and "MCP_BRIDGE_TOKEN" not in config.variables()


def test_while_one_bearer_takes_the_place_of_another_both_are_accepted(start, tmp_path) -> None:
    """As on a host: env.json is written anew, then SIGHUP. The wrapped server is not started anew for it."""
    env_file = tmp_path / "env.json"
    env_file.write_text(json.dumps({"process": {"MCP_BRIDGE_TOKEN": TOKEN}}))
    bridge = start(env_file=str(env_file))
    answers = []

    def accepted(*bearers: str) -> list[int]:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        return [httpx.post(f"{bridge.url}/mcp", json=body, headers={"Authorization": f"Bearer {bearer}"}).status_code for bearer in bearers]

    other, generation = "another-" + "y" * 30, bridge.status()["generation"]
    assert accepted(TOKEN, other) == [200, 401]
    for names, wanted in (
        ({"MCP_BRIDGE_TOKEN": TOKEN, "MCP_BRIDGE_TOKEN_NEXT": other}, [200, 200]),
        ({"MCP_BRIDGE_TOKEN": other, "MCP_BRIDGE_TOKEN_BEFORE": TOKEN}, [200, 200]),
        ({"MCP_BRIDGE_TOKEN": other}, [401, 200]),
    ):
        env_file.write_text(json.dumps({"process": names}))
        labels = sorted(hashlib.sha256(f"label\0{bearer}".encode()).hexdigest()[:12] for bearer in names.values())
        bridge.process.send_signal(signal.SIGHUP)
        wait_for(lambda labels=labels: bridge.status()["bearers"] == labels, 30, "the bearers of now")
        answers.append(accepted(TOKEN, other) == wanted)
    assert answers == [True] * 3
    env_file.write_text(json.dumps({"process": {"MCP_BRIDGE_TOKEN": "short"}}))
    bridge.process.send_signal(signal.SIGHUP)
    wait_for(lambda: b"shorter than 16 characters" in (bridge.folder / "log").read_bytes(), 30, "it says so")
    assert accepted(TOKEN, other) == [401, 200], "what cannot be used changes nothing"
    assert generation == 1 and bridge.status()["restarts"] == 0
