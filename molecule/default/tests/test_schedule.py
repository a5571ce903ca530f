# SPDX-License-Identifier: GPL-3.0-or-later
"""schedule.yml on a control host: the client's host plays it. What the timer starts is a program that fails, so that the hook is seen too."""

from __future__ import annotations

import json

from operating import playbook, recap, until

GIVEN = {"rotation_schedule_inventories": ["inventories/team_a"], "rotation_schedule_project": "/", "rotation_schedule_ansible_playbook": "/bin/false"}


def test_a_timer_starts_the_rotation_and_a_failure_is_told(client):
    done = playbook("schedule.yml", "--limit", "client", "-e", json.dumps(GIVEN))
    assert recap(done, "client")["failed"] == 0, done.stdout[-3000:]
    assert recap(playbook("schedule.yml", "--limit", "client", "-e", json.dumps(GIVEN)), "client")["changed"] == 0
    timer = client.host.service("mcp-rotation@team_a.timer")
    assert timer.is_running and timer.is_enabled
    assert client.host.check_output("systemctl show --property NextElapseUSecRealtime --value mcp-rotation@team_a.timer")
    assert client.host.run("systemd-analyze verify mcp-rotation@team_a.service mcp-rotation@team_a.timer").rc == 0
    assert "rotate.yml -i inventories/team_a" in client.host.check_output("systemctl show --property ExecStart --value mcp-rotation@team_a.service")
    assert client.host.run("systemctl start mcp-rotation@team_a.service").rc != 0
    told = "journalctl --no-pager --output cat --unit mcp-rotation-failed@team_a.service"
    until(lambda: "the rotation of team_a failed: journalctl -u mcp-rotation@team_a" in client.host.run(told).stdout, 30, "the hook tells of it")
