# SPDX-License-Identifier: GPL-3.0-or-later
"""Crash points: the deploy is cut off at the start of each of its tasks, by Ctrl-C and by kill -9."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
import yaml

from tests.integration.interruption import interrupt_and_run_again

ROLES = Path(__file__).parents[2] / "roles"
#: Tasks that a run of the demo always starts, in their order.
TASKS = [
    f"TASK [mcp.tenancy.{role} : {re.split('{{', task['name'])[0]}"
    for role in ("host_tools", "gateway", "wrapped_services", "runtime", "registry")
    for task in yaml.safe_load((ROLES / role / "tasks/main.yml").read_text())
    if "when" not in task and "include_tasks" not in str(task) and not task["name"].startswith("Refuse")
]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("moment", TASKS)
def test_cut_off_at_any_task_and_run_again_gives_the_same_end(demo, how, moment) -> None:
    interrupt_and_run_again(demo, how, moment)
