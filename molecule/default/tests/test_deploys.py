# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys that die half-way, at three moments. At every task: the scenario life."""

from __future__ import annotations

import pytest
from operating import killed_deploy_is_finished

MOMENTS = ["runtime : Place the manifest of the services", "runtime : Keep the services running under systemd", "registry : Register environments"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_deploy_that_was_killed_is_finished_by_the_next(client, moment):
    killed_deploy_is_finished(client, f"TASK [mcp.tenancy.{moment}", MOMENTS.index(moment))
