# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever somebody changed on a host by hand is found in one call, named and put right."""

from __future__ import annotations

from recorded import looked_whole, run


def test_what_somebody_changed_by_hand_is_found_and_put_right(teams):
    team = teams["team_b"]
    run()
    counts, output = run()
    assert counts["changed"] == 0 and not looked_whole(output), "nothing to do is found out in one call"
    stray = "/etc/systemd/system/mcp-tenancy-team_b-stray.service"
    by_hand = [
        f"echo '# by hand' >>{team.root}/etc/firewall.nft",
        f"chmod 0644 {team.root}/etc/.env",
        f"chown root:root {team.root}/state",
        f"printf '[Service]\\nExecStart=/bin/true\\n' >{stray}",
        f"rm {team.root}/bin/mcp-exec",
        f"systemctl stop {team.unit('postgres-prod')}",
        f"gpasswd --delete {team.user('postgres-dev')} mcp-team_b",
    ]
    for command in by_hand:
        team.host.check_output("sh -c %s", command)
    counts, output = run()
    told = output.partition("TASK [mcp.tenancy.record : See whether the host is")[2].partition("TASK [")[0]
    units = [f"unit {team.unit('postgres-prod')}", "unit mcp-tenancy-team_b-stray.service"]
    for name in [f"{team.root}/{path}" for path in ("etc/firewall.nft", "etc/.env", "state", "bin/mcp-exec")] + [*units, "users that are missing"]:
        assert name in told, name
    assert looked_whole(output) and counts["changed"] > 0 and not team.host.file(stray).exists
    counts, output = run()
    assert counts["changed"] == 0 and not looked_whole(output)
    assert counts == run("-e", "mcp_deploy=whole")[0] | {"ok": counts["ok"], "skipped": counts["skipped"]}, "compared task by task nothing is to be done either"
    assert not looked_whole(run()[1]), "how a run goes is no part of what it is made from"
