# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of this scenario share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from two_teams import Team, host_of

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "network/tests"), str(Path(__file__).parents[3] / ".collections")]
from behind_edges import EdgeClient


@pytest.fixture(scope="session")
def team() -> Team:
    return Team("team_a", host_of("team-a-gw1"))


@pytest.fixture(scope="session")
def database() -> object:
    return host_of("database")


@pytest.fixture
def client(team) -> EdgeClient:
    """With the client configuration as it is now."""
    return EdgeClient(host_of("client"), {"team_a": team})
