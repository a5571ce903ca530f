# SPDX-License-Identifier: GPL-3.0-or-later
"""B1 at length: 5,000 calls through the whole path with each wrapper."""

from __future__ import annotations

import pytest

from tests.integration.concurrency import answers_that_are_not_the_callers_own


@pytest.mark.parametrize("wrapper", ["translate", "bridge"])
def test_b1_5000_calls_of_8_callers_are_answered_right(demo, wrapper) -> None:
    done = demo.deploy("-e", f"mcp_wrapper={wrapper}")
    assert done.returncode == 0, done.stdout[-4000:]
    assert answers_that_are_not_the_callers_own(demo, 5000) == []
