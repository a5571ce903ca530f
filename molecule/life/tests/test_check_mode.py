# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys that are only asked what they would do, and that find something broken."""

from __future__ import annotations

from operating import deploy, recap, until

HOST, ONLY = "team-b-gw1", ("--limit", "team-b-gw1")


def test_check_mode_predicts_an_edit_and_touches_nothing(teams):
    team, edit = teams["team_b"], ("-e", '{"mcp_gateway_settings": {"LOG_LEVEL": "WARNING"}}')
    before = team.host.check_output("cat %s/etc/services.json | sha256sum", team.root), team.pid("gateway"), team.pid("postgres-dev")
    predicted = recap(deploy("--check", *ONLY, *edit), HOST)
    assert predicted["failed"] == 0 and predicted["changed"] > 0
    assert (team.host.check_output("cat %s/etc/services.json | sha256sum", team.root), team.pid("gateway"), team.pid("postgres-dev")) == before
    done = recap(deploy(*ONLY, *edit), HOST)
    assert done["failed"] == 0 and done["changed"] == predicted["changed"]
    assert team.pid("gateway") != before[1] and team.pid("postgres-dev") == before[2], "exactly what is affected was restarted"
    assert recap(deploy(*ONLY), HOST)["failed"] == 0


def test_check_mode_tells_of_a_gateway_that_is_down(teams):
    team = teams["team_b"]
    team.host.check_output("systemctl stop mcp-tenancy-team_b-gateway-4444.socket mcp-tenancy-team_b-gateway.service")
    done = deploy("--check", *ONLY)
    assert recap(done, HOST)["failed"] == 1 and "cannot be used: GET /ready" in done.stdout, "what cannot be asked is not taken for empty"
    assert recap(deploy(*ONLY), HOST)["failed"] == 0
    until(lambda: team.host.service(team.unit("gateway")).is_running, 30, "the gateway is back")
