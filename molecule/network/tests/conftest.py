# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of this scenario share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from two_teams import TEAMS, Team, host_of

sys.path.insert(0, str(Path(__file__).parent))
from behind_edges import EdgeClient


@pytest.fixture(scope="session")
def teams() -> dict[str, Team]:
    return {name: Team(name, host_of(f"{name.replace('_', '-')}-gw1")) for name in TEAMS}


@pytest.fixture(scope="session", params=TEAMS)
def team(request, teams) -> Team:
    """Each team in turn."""
    return teams[request.param]


@pytest.fixture(scope="session")
def client(teams) -> EdgeClient:
    return EdgeClient(host_of("client"), teams)
