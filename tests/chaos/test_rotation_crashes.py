# SPDX-License-Identifier: GPL-3.0-or-later
"""R1 and R3 at length: rotate.yml cut off at each of its tasks and inside of each; what it talks to killed under it; 20 in a row. All under load.

What was cut off is finished from another control node each time: a checkout of its own, after the lease has run out.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.integration.load import under_load
from tests.integration.rotating import assert_at_rest, assert_that_a_stored_login_works, checkout, generations, rotate, rotate_elsewhere

TASKS = Path(__file__).parents[2] / "roles/rotation/tasks"
#: Every task of a run that rotates something, hosts.yml twice over.
MOMENTS = [
    f"TASK [mcp.tenancy.rotation : {task['name']}"
    for name in ("batch", "walk", "carry", "hosts")
    for task in yaml.safe_load((TASKS / f"{name}.yml").read_text())
    if "include_tasks" not in str(task) and "inventory_hostname != team_store_host" not in str(task.get("when"))
]
KILLED_UNDER_IT = {"postgres": r"/postgres -D ", "bridge": r"mcp_bridge --manifest .* postgres-dev$", "gateway": r"mcp_gateway_front:app"}
#: Seconds: what was in flight when something was killed may have begun so long before.
LONGEST_CALL = 10
STEPS = [
    "Set and try the logins",
    "Have each bridge take its login",
    "See through the gateway",
    "Write down which logins are in use",
    "End the logins that nobody",
]


@pytest.fixture(scope="module", autouse=True)
def starts_fast(demo) -> None:
    assert demo.deploy("-e", "mcp_wrapper=bridge").returncode == 0


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    return checkout(tmp_path_factory.mktemp("elsewhere"))


@pytest.mark.parametrize("after", [0, 0.15, 0.35])
@pytest.mark.parametrize("moment", MOMENTS)
def test_r3_cut_off_anywhere_and_finished_elsewhere_gives_the_same_end(demo, elsewhere, moment, after) -> None:
    before = generations(demo)["postgres-dev"]
    with under_load(demo) as load:
        demo.killed_at(moment, "rotate.yml", "-e", "mcp_rotate=postgres-dev", after=after)
        assert_that_a_stored_login_works(demo, "postgres-dev")
        begun = demo.credentials["postgres-dev"]["walk"] is not None or generations(demo)["postgres-dev"] > before
        done = rotate_elsewhere(demo, elsewhere)
    assert done.returncode == 0, done.stdout[-4000:]
    assert load.wrong == [], "nothing that answers calls was down"
    assert_at_rest(demo, "postgres-dev", before + begun)


@pytest.mark.parametrize("what", KILLED_UNDER_IT)
@pytest.mark.parametrize("step", STEPS)
def test_r1_something_is_killed_under_it(demo, elsewhere, what, step) -> None:
    before, killed_at = generations(demo)["postgres-dev"], []

    def kill(_run: subprocess.Popen) -> None:
        pids = [pid for pid, argv in demo.processes().items() if re.search(KILLED_UNDER_IT[what], " ".join(argv))]
        assert pids, what
        killed_at.append(time.monotonic())
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    with under_load(demo) as load:
        status, said = demo.disturbed(f"TASK [mcp.tenancy.rotation : {step}", kill, "rotate.yml", "-e", "mcp_rotate=postgres-dev")
        assert status == 0 or "Next: " in said, said[-4000:]
        assert demo.up().returncode == 0
        back_at = time.monotonic()
        done = rotate_elsewhere(demo, elsewhere)
    assert done.returncode == 0, done.stdout[-4000:]
    failed = [wrong for wrong, at in zip(load.wrong, load.failed_at, strict=True) if not killed_at[0] - LONGEST_CALL < at < back_at]
    assert failed == [], "calls fail only while what was killed is down"
    after = generations(demo)["postgres-dev"]
    assert after in (before, before + 1) and (status != 0 or after == before + 1), said[-3000:]
    assert_at_rest(demo, "postgres-dev", after)


@pytest.mark.parametrize("wrapper", ["bridge", "translate"])
def test_r2_20_rotations_in_a_row_under_load_fail_no_call(demo, wrapper) -> None:
    assert demo.deploy("-e", f"mcp_wrapper={wrapper}").returncode == 0
    before = generations(demo)
    with under_load(demo) as load:
        for _ in range(20):
            done = rotate(demo, "-e", "mcp_rotate=all")
            assert done.returncode == 0, done.stdout[-4000:]
    print(f"{wrapper}: {len(load.seconds)} calls, longest {load.longest:.2f} s")
    assert load.wrong == [] and generations(demo) == {name: generation + 20 for name, generation in before.items()}
