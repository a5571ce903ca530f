# SPDX-License-Identifier: GPL-3.0-or-later
"""own_secrets.yml as a user runs it, on the demo: what it refuses, and what it says it would do. The changes themselves: tests/chaos/test_own_secrets.py."""

from __future__ import annotations

from tests.integration.conftest import BRIDGE


def test_what_is_asked_for_is_known_or_nothing_happens(demo) -> None:
    before = demo.env.read()
    for kinds, said in (("csrf", "csrf is none of bearers, admin, jwt, encryption. Next:"), ("", "nothing is asked for and nothing is under way. Next:")):
        done = demo.playbook("own_secrets.yml", *BRIDGE, *(("-e", f"mcp_own_secrets={kinds}") if kinds else ()))
        assert done.returncode != 0 and said in done.stdout, done.stdout[-3000:]
    done = demo.playbook("own_secrets.yml", *BRIDGE, "--check", "-e", "mcp_own_secrets=bearers")
    assert done.returncode == 0 and "Would be changed, or finished: bearers." in done.stdout, done.stdout[-3000:]
    assert demo.env.read() == before
