# SPDX-License-Identifier: GPL-3.0-or-later
"""rekey.yml as a user runs it, on the demo: under load, and killed. Killed at every task and inside of each, and disturbed: make chaos."""

from __future__ import annotations

import pytest

from tests.integration.conftest import BRIDGE, recap
from tests.integration.load import under_load
from tests.integration.rekeying import assert_one_key, assert_readable, finish_and_see, running, with_vaulted_value

KILLED = ["Encrypt the host's own .env"]


@pytest.fixture(scope="module", autouse=True)
def starts_fast(demo) -> None:
    done = demo.deploy(*BRIDGE)
    assert done.returncode == 0, done.stdout[-4000:]


def test_every_file_is_under_one_new_key_no_call_fails_and_no_service_is_started_anew(demo, tmp_path) -> None:
    before, services = demo.env.key(), running(demo)
    values, logins = demo.env.read(), demo.credentials
    inventory = with_vaulted_value(demo, tmp_path)
    identified = ("--vault-id", f"demo@{demo.home}/control/vault.key")
    with under_load(demo) as load:
        done = demo.playbook("rekey.yml", *identified, inventory=str(inventory))
    assert done.returncode == 0, done.stdout[-4000:]
    assert load.wrong == [] and len(load.seconds) > 20
    assert running(demo) == services and len(services) >= 9
    key = assert_one_key(demo, [before])
    assert (demo.env.read(), demo.credentials) == (values, logins)
    assert before.decode() not in done.stdout and key.decode() not in done.stdout
    shown = demo.run(".venv/bin/ansible", "all", "-i", str(inventory), *identified, "-m", "ansible.builtin.debug", "-a", "var=told")
    assert "read at the start" in shown.stdout, "Ansible itself decrypts with the new key"
    done = demo.deploy(*BRIDGE)
    assert done.returncode == 0 and recap(done.stdout)["changed"] == 0, done.stdout[-4000:]
    assert running(demo) == services


@pytest.mark.parametrize("task", KILLED)
def test_a_rekey_that_was_killed_is_finished_by_the_next_and_services_go_on(demo, task) -> None:
    before, services = demo.env.key(), running(demo)
    demo.killed_at(f"TASK [mcp.tenancy.rekey : {task}", "rekey.yml", after=0.3)
    assert_readable(demo, [before])
    finish_and_see(demo, before)
    assert running(demo) == services
