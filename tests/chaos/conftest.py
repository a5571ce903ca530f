# SPDX-License-Identifier: GPL-3.0-or-later
"""The same real demo as for the integration tests."""

from tests.integration.conftest import demo  # noqa: F401 - a fixture
