# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys that are killed as they start each of their tasks."""

from __future__ import annotations

import re

import pytest
import yaml
from operating import REPOSITORY, killed_deploy_is_finished

#: In the conditions of tasks that such a deploy does not start.
NOT_HERE = ("wrapped_services_host_node", "missing_packages", "_runtime_other_gateways")
ORDER = ("databases", "host_tools", "gateway", "wrapped_services", "bridge", "runtime", "registry", "leftovers", "record")


def moments() -> list[str]:
    """The beginning of what Ansible prints for each task that a deploy always starts."""
    found = []
    for role in ORDER:
        found.append(f"TASK [mcp.tenancy.{role} : Validating arguments")
        files = [REPOSITORY / "roles" / role / "tasks" / name for name in ("main.yml", "systemd.yml")]
        tasks = [task for file in files if file.exists() for task in yaml.safe_load(file.read_text())]
        always = [task["name"] for task in tasks if not any(name in str(task.get("when")) for name in NOT_HERE)]
        found += [f"TASK [mcp.tenancy.{role} : {re.split('{{', name)[0]}" for name in always]
    return found


@pytest.mark.parametrize("moment", moments())
def test_a_deploy_that_was_killed_is_finished_by_the_next(client, moment):
    killed_deploy_is_finished(client, moment, moments().index(moment))
