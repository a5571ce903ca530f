# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys that die half-way."""

from __future__ import annotations

import pytest
from operating import deploy, deploy_killed_at, recap

HOST, ONLY = "team-b-gw1", ("--limit", "team-b-gw1")


MOMENTS = ["Place the manifest of the services", "Keep the services running under systemd", "Register environments, services and clients"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_deploy_that_was_killed_is_finished_by_the_next(client, moment):
    """What is edited changes with the moment, so that each run has something to do."""
    edit = ("-e", f'{{"mcp_gateway_settings": {{"LOG_LEVEL": "WARNING"}}, "mcp_client_days": {20 + MOMENTS.index(moment)}}}')
    deploy_killed_at(f"TASK [mcp.tenancy.{'registry' if moment.startswith('Register') else 'runtime'} : {moment}", *ONLY, *edit)
    finished = recap(deploy(*ONLY, *edit), HOST)
    assert finished["failed"] == 0
    assert recap(deploy(*ONLY, *edit), HOST)["changed"] == 0
    assert not client.ask("team_b", "team-b-dev", "team-b-dev-postgres-query", sql="SELECT 1 AS one")["error"]
