# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge on its host: unit, files, logs, bounds of clients, and what a deploy does about what somebody changed."""

from __future__ import annotations

import json
import time

from behind_edges import DOORS, token_of
from operating import deploy, playbook, recap
from two_teams import CONTROL, host_of

#: So many calls at once with each of some bearers: statuses, and what the refused ones were told.
BURST = """
import asyncio, json, sys
import httpx2
given = json.load(sys.stdin)
body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
async def call(client, token):
    headers = {"Authorization": "Bearer " + token, "Accept": "application/json, text/event-stream", **given["headers"]}
    answer = await client.post(given["url"], headers=headers, json=body)
    return answer.status_code, answer.headers.get("retry-after"), answer.text[:60]
async def main():
    async with httpx2.AsyncClient(timeout=60, limits=httpx2.Limits(max_connections=8)) as client:
        return await asyncio.gather(*(call(client, token) for token in given["tokens"]))
print(json.dumps(asyncio.run(main())))
"""


def test_the_unit_is_hardened_and_runs_as_a_user_of_its_own(team):
    unit = team.host.service(team.unit("edge"))
    assert unit.is_running and unit.is_enabled
    line = team.host.check_output("systemd-analyze security --no-pager %s", team.unit("edge")).splitlines()[-1]
    assert float(line.split(": ")[1].split()[0]) <= 2.5, line
    pid = team.host.check_output("systemctl show --property MainPID --value %s", team.unit("edge"))
    assert team.host.check_output("stat --format %%U /proc/%s", pid) == f"mcp-{team.name}-edge"
    assert team.host.check_output("systemctl --failed --plain --no-legend") == ""


def test_the_distributions_own_server_never_ran(team):
    assert team.host.file("/etc/systemd/system/caddy.service").linked_to == "/dev/null"
    assert team.host.run("pgrep -u caddy").rc != 0


def test_keys_are_private_and_the_edge_reads_nobody_elses(team):
    user = f"mcp-{team.name}-edge"
    keys = team.host.check_output("sh -c %s", f"find {team.root}/work/edge {team.root}/etc/edge -name '*.key' -o -name tls.pem").splitlines()
    assert keys and all((team.host.file(path).mode, team.host.file(path).user) == (0o600, user) for path in keys), keys
    for path in (*keys, f"{team.run}/edge/admin.sock", f"{team.root}/log/edge/access.log"):
        for other in ("postgres-dev", "gateway"):
            assert team.by(other, "head -c 1 %s", path).rc != 0 and "Permission denied" in team.by(other, "head -c 1 %s", path).stderr, (other, path)
    as_edge = f"setpriv --reuid {user} --regid {user} --init-groups"
    for path in ("etc/.env", "etc/vault.key", "etc/client.json", "state/mcp.db"):
        assert team.host.run(f"{as_edge} head -c 1 %s", f"{team.root}/{path}").rc != 0, path
    assert team.host.run(f"{as_edge} head -c 1 %s", f"{team.run}/gateway/env.json").rc != 0
    assert team.host.run(f"{as_edge} sh -c %s", f"echo x >>{team.root}/etc/edge/caddy.json").rc != 0


def test_the_root_of_the_own_ca_is_on_the_control_node(teams):
    given = (CONTROL / "team_a/edge-ca.pem").read_text()
    root = teams["team_a"].host.file(f"{teams['team_a'].root}/work/edge/pki/authorities/local/root.crt").content_string
    assert root.strip() in given and "PRIVATE" not in given


def test_no_log_holds_a_token_a_login_or_a_query(client, teams):
    team = teams["team_a"]
    entry = team.clients["team-a-dev-alice"]
    canaries = ("canary-in-a-header", "canary-in-a-query", "canary-in-a-body", token_of(entry))
    headers = (("X-Database-Password", canaries[0]), ("X-Something", canaries[0]))
    answer = client.call("team_a", f"{entry['url']}?password={canaries[1]}", token_of(entry), *headers, method="tools/list", cursor=canaries[2])
    client.call("team_a", entry["url"].replace("/mcp", "/nowhere") + f"?password={canaries[1]}", token_of(entry), *headers)
    log = f"{team.root}/log/edge/access.log"
    assert answer.status in (200, 400)
    for where in (f"cat {log}", f"journalctl --no-pager --unit {team.unit('edge')}"):
        said = team.host.check_output("sh -c %s", where)
        assert not [canary for canary in canaries if canary in said], where
    last = json.loads(team.host.check_output("tail -n 1 %s", log))
    assert last["status"] == 404 and last["request"]["uri"].endswith("/nowhere") and last["request"]["remote_ip"] and "headers" not in last["request"]
    assert team.host.file(log).mode == 0o600


# --- bounds of one client


def burst(client, team, tokens: list[str], **headers: str) -> list:
    entry = team.clients["team-b-dev"]
    client.place("/root/burst.json", json.dumps({"url": entry["url"], "tokens": tokens, "headers": headers}))
    quoted = BURST.replace("'", "'\\''")
    return json.loads(client.host.check_output("sh -c %s", f"{client.python} -c '{quoted}' </root/burst.json"))


#: Seconds in which what a bound has counted is forgotten: 40 calls at 10 in a second, and 40 connections at 20 in a second.
CALLS_FORGOTTEN, CONNECTIONS_FORGOTTEN = 6, 3


def test_one_client_has_its_bounds_and_takes_nobody_elses(client, teams):
    """team_b allows 40 calls at once and 10 in a second. Neither a header nor a made-up bearer gets around it."""
    team = teams["team_b"]
    time.sleep(CALLS_FORGOTTEN)
    mine, other = token_of(team.clients["team-b-dev"]), token_of(team.clients["team-b-prod"])
    told = burst(client, team, [mine] * 120, Connection="X-Edge-Client", **{"X-Edge-Client": "192.0.2.7"})
    refused = [one for one in told if one[0] == 429]
    assert len(refused) >= 20 and all(0 < int(one[1]) <= 10 and one[2] == '{"detail":"Too many requests"}' for one in refused)
    assert {one[0] for one in told} == {200, 429}
    assert burst(client, team, [other])[0][0] == 403, "another bearer from the same address is not counted against this one"
    guesses = burst(client, team, [f"{number}.e30.x" for number in range(60)])
    assert {one[0] for one in guesses} == {401, 429} and sum(one[0] == 401 for one in guesses) < 30
    time.sleep(CALLS_FORGOTTEN)
    assert burst(client, team, [mine])[0][0] == 200


def test_a_flood_of_connections_hurts_only_where_it_comes_from(client, teams):
    host, port = DOORS["team_b"]
    flood = (
        "import socket, sys, time\nmade = 0\nbegan = time.monotonic()\n"
        "for _ in range(300):\n    s = socket.socket(); s.settimeout(0.05)\n"
        "    try:\n        s.connect((sys.argv[1], int(sys.argv[2]))); made += 1\n    except OSError:\n        pass\n    s.close()\n"
        "print(made, time.monotonic() - began)"
    )
    time.sleep(CONNECTIONS_FORGOTTEN)
    made, seconds = client.host.check_output("python3 -c %s %s %s", flood, host, str(port)).split()
    assert int(made) <= 60 + 20 * float(seconds), "a burst of 40 and 20 in a second"
    assert host_of("database").check_output("python3 -c %s %s %s", flood.replace("300", "20"), host, str(port)).split()[0] == "20"
    time.sleep(CONNECTIONS_FORGOTTEN)


# --- drift


def test_what_somebody_changed_by_hand_is_found_and_put_right_without_a_restart(client, teams):
    team = teams["team_a"]
    process = team.host.check_output("systemctl show --property MainPID --value %s", team.unit("edge"))
    assert recap(deploy("--limit", "team-a-gw1"), "team-a-gw1")["failed"] == 0  # a token that another test revoked is made anew
    config = f"{team.root}/etc/edge/caddy.json"
    team.host.check_output("sed -i s/10s/11s/ %s", config)
    (CONTROL / "team_a/edge-ca.pem").rename(CONTROL / "team_a/edge-ca.gone")
    done = deploy("-v", "--limit", "team-a-gw1")
    told = " ".join(done.stdout.partition("TASK [mcp.tenancy.record : See whether the host is")[2].partition("TASK [")[0].split())
    assert recap(done, "team-a-gw1")["failed"] == 0 and "another one than at the last whole deploy" in told
    assert "11s" not in team.host.file(config).content_string
    assert (CONTROL / "team_a/edge-ca.pem").read_text() == (CONTROL / "team_a/edge-ca.gone").read_text()
    assert recap(deploy("--limit", "team-a-gw1"), "team-a-gw1")["changed"] == 0
    assert team.host.check_output("systemctl show --property MainPID --value %s", team.unit("edge")) == process


def test_status_has_a_row_for_the_edge_and_says_when_it_does_not_answer(teams):
    team = teams["team_b"]
    done = playbook("status.yml", "--limit", "team-b-gw1")
    row = next(line for line in done.stdout.splitlines() if line.startswith("team-b-gw1 ") and " edge " in line)
    assert done.returncode == 0 and " ok " in row and "TLSv1.3" in row, done.stdout[-3000:]
    team.host.check_output("systemctl stop %s", team.unit("edge"))
    try:
        done = playbook("status.yml", "--limit", "team-b-gw1")
        assert done.returncode != 0 and "the edge does not answer as https://" in done.stdout, done.stdout[-3000:]
    finally:
        team.host.check_output("systemctl start %s", team.unit("edge"))
