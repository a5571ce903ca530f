# SPDX-License-Identifier: GPL-3.0-or-later
"""rekey.yml cut off at each of its tasks and inside of each, under load; a deploy and a death in the middle; a key that is given."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import yaml

from tests.integration.conftest import BRIDGE
from tests.integration.load import under_load
from tests.integration.rekeying import assert_one_key, assert_readable, finish_and_see, rekey, running

TASKS = Path(__file__).parents[2] / "roles/rekey/tasks"
MOMENTS = [
    task["name"]
    for name in ("main", "carry")
    for task in yaml.safe_load((TASKS / f"{name}.yml").read_text())
    if "include_tasks" not in str(task) and "ansible_check_mode and" not in str(task.get("when")) and "!= team_store_host" not in str(task.get("when"))
]


@pytest.fixture(scope="module", autouse=True)
def starts_fast(demo) -> None:
    done = demo.deploy(*BRIDGE)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize("after", [0, 0.15, 0.3, 0.45])
@pytest.mark.parametrize("moment", MOMENTS)
def test_cut_off_anywhere_everything_opens_and_the_next_run_leaves_one_key(demo, moment, after) -> None:
    before, services = demo.env.key(), running(demo)
    with under_load(demo) as load:
        demo.killed_at(f"TASK [mcp.tenancy.rekey : {moment}", "rekey.yml", after=after)
        assert_readable(demo, [before])
        finish_and_see(demo, before)
    assert load.wrong == [] and running(demo) == services


def test_in_the_middle_a_deploy_helps_it_on_and_a_service_that_dies_comes_back(demo) -> None:
    before = demo.env.key()
    demo.killed_at("TASK [mcp.tenancy.rekey : Encrypt the host's own .env", "rekey.yml")
    done = demo.deploy(*BRIDGE)
    assert done.returncode == 0, done.stdout[-4000:]
    assert_readable(demo, [before])
    (gone,) = (int(name.split()[0]) for name, argv in running(demo).items() if argv.endswith("postgres-dev"))
    os.kill(gone, signal.SIGKILL)
    done = demo.deploy(*BRIDGE)  # which waits until every bridge lists its tools
    assert done.returncode == 0 and demo.ask_postgres("dev", "SELECT 1 AS one"), done.stdout[-4000:]
    assert rekey(demo).returncode == 0
    assert_one_key(demo, [before])


def test_a_key_that_is_given_is_taken_and_mistakes_change_nothing(demo, tmp_path) -> None:
    before, given = demo.env.key(), demo.home / "control/given.key"
    given.write_bytes(b"short")
    given.chmod(0o600)
    try:
        done = rekey(demo, "-e", f"mcp_new_vault_key_file={given}")
        assert done.returncode != 0 and "is too short to be a vault key. Next:" in done.stdout, done.stdout[-3000:]
        assert demo.env.keys() == [before]
        given.write_text("0123456789abcdef" * 4)
        done = rekey(demo, "-e", f"mcp_new_vault_key_file={given}")
        assert done.returncode == 0, done.stdout[-4000:]
        assert assert_one_key(demo, [before]) == b"0123456789abcdef" * 4
    finally:
        given.unlink()
    done = rekey(demo, "--check")
    assert done.returncode == 0 and "A new key would be made or taken." in done.stdout and demo.env.keys() == [b"0123456789abcdef" * 4]
    assert rekey(demo).returncode == 0
    assert_one_key(demo, [before, b"0123456789abcdef" * 4])
