# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo-clean`: after a whole demo of its own nothing is left, neither file nor process, on tmpfs neither."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.conftest import REPOSITORY, Demo, run


def test_make_demo_clean_leaves_nothing_and_may_be_typed_twice() -> None:
    home = REPOSITORY / ".cache" / "demo-that-ends"  # under the clone, so that what is downloaded is found again
    make = ("make", "--no-print-directory", f"DEMO_HOME={home}")
    up = run([*make, "demo"])
    assert up.returncode == 0, up.stdout[-3000:]
    there = Demo(home, up.stdout)
    memory = Path(json.loads((home / "state.json").read_text())["runtime_directory"])
    assert there.processes() and memory.exists()
    for _ in range(2):
        cleaned = run([*make, "demo-clean"])
        assert cleaned.returncode == 0, cleaned.stdout[-3000:]
        assert not home.exists() and not memory.exists() and there.processes() == {}
