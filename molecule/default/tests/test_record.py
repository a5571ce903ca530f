# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy that finds a host in order ends after one call; whatever somebody changed there by hand is found, named and put right."""

from __future__ import annotations

from recorded import looked_whole, run
from two_teams import administer


def test_where_the_comparison_cannot_be_piped_the_module_gives_the_same_answer(teams):
    run()
    counts, output = run("-vv")
    assert "compared without a module" in output
    with_module, output = run("-vv", "-e", "ansible_python_interpreter=auto_silent")
    assert "compared without a module" not in output and with_module == counts


def test_a_client_file_that_others_may_read_is_found(teams):
    path = f"{teams['team_b'].root}/etc/client.json"
    teams["team_b"].host.check_output("chmod 0644 %s", path)
    counts, output = run()
    assert counts["changed"] == 1 and path in output and teams["team_b"].host.file(path).mode == 0o600


def enabled(team, server: str) -> bool:
    """Whether the gateway has that virtual server switched on."""
    database = f"sqlite3.connect('file:{team.root}/state/mcp.db?mode=ro', uri=True)"
    query = f"import sqlite3; print({database}.execute('SELECT enabled FROM servers WHERE id = ?', ['{server}']).fetchone()[0])"
    return team.host.check_output("python3 -c %s", query) == "1"


def test_what_somebody_changed_at_the_gateway_is_found_and_put_right(teams):
    team = teams["team_b"]
    run()
    server = team.clients["team-b-dev"]["url"].removesuffix("/mcp").rpartition("/")[2]
    administer(team, "POST", f"/v1/servers/{server}/state?activate=false")
    assert not enabled(team, server)
    counts, output = run()
    assert "the gateway's virtual servers" in output and counts["changed"] == 1 and enabled(team, server)
    counts, output = run()
    assert counts["changed"] == 0 and not looked_whole(output)


def test_a_record_tells_no_secret_and_only_root_reads_it(team):
    record = team.host.file(f"{team.root}/etc/deployed.json")
    assert (record.user, record.mode) == ("root", 0o600)
    assert not any(value in record.content_string for value in team.env().values() if len(value) > 7)
