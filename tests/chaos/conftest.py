# SPDX-License-Identifier: GPL-3.0-or-later
"""The same real demo as for the integration tests, the same real bridge as for its own."""

from services.mcp_bridge.tests.conftest import start  # noqa: F401 - a fixture
from tests.integration.conftest import demo  # noqa: F401 - a fixture
