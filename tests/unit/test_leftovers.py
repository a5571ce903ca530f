# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of services and installations that are gone, and what is not ours."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _layout, _leftovers
from ansible_collections.mcp.tenancy.plugins.modules import host_leftovers


def test_only_what_is_named_after_a_service_of_ours_that_is_gone() -> None:
    there = ["gateway", "postgres-dev", "mongodb-dev", "postgres-dev-users", "edge", "notes", "postgres", "removed", "supervisord.log", "my-postgres-dev"]
    assert _leftovers.of_services(there, ["gateway", "postgres-dev"]) == ["edge", "mongodb-dev", "postgres-dev-users"]
    files = ["postgres-dev.pem", "mongodb-dev.pem", "mongodb-dev.pem.bak", "mongodb-dev.log", "mongodb-dev.log.2", "gateway.log"]
    assert _leftovers.of_services(files, ["gateway", "postgres-dev"]) == ["mongodb-dev.log", "mongodb-dev.log.2", "mongodb-dev.pem"]


def test_older_installations_of_the_kinds_that_are_used() -> None:
    there = ["gateway-" + "0" * 12, "gateway-" + "1" * 12, "node-" + "0" * 12, "accounts-" + "0" * 12, "gateway-mine", "backup"]
    assert _leftovers.installations(there, [f"/srv/lib/gateway-{'1' * 12}"]) == ["gateway-" + "0" * 12]
    assert _leftovers.installations(there, []) == []


def test_users_of_the_team_and_of_no_other() -> None:
    known = [(f"mcp-team_a-{name}", _layout.about("team_a", name)) for name in ("gateway", "postgres-dev")]
    known += [("mcp-team_b-gateway", _layout.about("team_b", "gateway")), ("alice", "MCP gateway of team_a"), ("mcp-team_a-x", "somebody's")]
    assert _leftovers.users(known, "team_a", ["mcp-team_a-gateway"]) == ["mcp-team_a-postgres-dev"]
    assert _leftovers.users(known, "team", []) == []


def test_an_installation_that_a_process_runs_from() -> None:
    assert _leftovers.in_use("/lib/gateway-1", {7: "/lib/gateway-1/bin/python -m x", 8: "/lib/gateway-10/bin/python"}) == [7]


class Told:
    """A module as far as leftovers are told to it."""

    check_mode = False

    def __init__(self, folder: Path) -> None:
        self.params = {"paths": {"lib": str(folder)}, "installations": [f"{folder}/gateway-{'1' * 12}"]}
        self.warned: list[str] = []
        self.warn = self.warned.append


@pytest.mark.parametrize("in_time", [True, False])
def test_an_installation_waits_for_its_last_process_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_time: bool) -> None:
    for number in "12":
        (tmp_path / f"gateway-{number * 12}/bin").mkdir(parents=True)
    former = tmp_path / f"gateway-{'2' * 12}"
    (former / "bin/python").symlink_to(sys.executable)
    monkeypatch.setattr(host_leftovers, "ENDING", 30.0 if in_time else 0.0)
    script = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen([former / "bin/python", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()  # it runs
        timer = threading.Timer(0.5, process.stdin.close)
        timer.start()
        module = Told(tmp_path)
        work = host_leftovers.Leftovers(module)
        work.installations()
        timer.join()
        process.stdin = None  # closed already
    assert former.exists() is not in_time and work.removed == ([str(former)] if in_time else [])
    assert [f"process {process.pid} still runs from it" in told for told in module.warned] == ([] if in_time else [True])
