# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy to one host, and whether it looked at everything or ended after one call."""

from __future__ import annotations

from operating import deploy, recap

HOST = "team-b-gw1"
#: A task that only runs where something is to be done.
WHOLE = "TASK [mcp.tenancy.runtime : Place the host's own encrypted .env]"


def run(*arguments: str) -> tuple[dict[str, int], str]:
    done = deploy("-v", "--limit", HOST, *arguments)
    counts = recap(done, HOST)
    assert counts["failed"] == 0, done.stdout[-3000:]
    return counts, done.stdout + done.stderr  # what is said at -vv goes where molecule has it go


def looked_whole(output: str) -> bool:
    told = output.partition(WHOLE)[2].partition("TASK [")[0]
    return f"ok: [{HOST}]" in told or f"changed: [{HOST}]" in told
