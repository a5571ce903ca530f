# SPDX-License-Identifier: GPL-3.0-or-later
"""The short form of the suite against our bridge, alone and in front of translate: a test for each case."""

from __future__ import annotations

import pytest

from tests.conformance.suite import Keeper, chosen
from tests.conformance.verdict import FAIL, NOT_APPLICABLE, Size
from tests.wrappers import WRAPPERS

BRIDGES = [name for name, wrapper in WRAPPERS.items() if wrapper.ours]
NOT_FOR_US: dict[str, str] = {}  # case -> why it may be "n.a." for the bridge; anything else that is, is a mistake in the case


@pytest.fixture(scope="module")
def keepers():
    kept = {name: Keeper(name) for name in BRIDGES}
    yield kept
    for keeper in kept.values():
        keeper.drop()


@pytest.mark.parametrize("case", chosen([]), ids=lambda case: case.name)
@pytest.mark.parametrize("bridge", BRIDGES)
def test_bridge(keepers: dict[str, Keeper], bridge: str, case) -> None:
    for name, keeper in keepers.items():
        if name != bridge:
            keeper.drop()  # one at a time: two would share the processors and shift each other's figures
    verdict = keepers[bridge].run(case, Size(short=True))
    if verdict.state == NOT_APPLICABLE and case.name in NOT_FOR_US:
        pytest.skip(f"{NOT_FOR_US[case.name]}: {verdict.figure}")
    assert verdict.state not in (FAIL, NOT_APPLICABLE), f"{case.title}: {verdict}"
