# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make test` runs and says where there is no Docker engine, and when something fails. `make` itself is one that only says what it was asked for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

EVERYTHING = Path(__file__).parents[1] / "everything"


def everything(folder: Path, fails: str = "") -> subprocess.CompletedProcess:
    make = folder / "make"
    make.write_text(f'#!/bin/sh\nfor target; do :; done\necho "made $target"\n[ "$target" != "{fails}" ]\n')
    make.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "DOCKER_HOST": f"unix://{folder}/no-engine.sock"}
    return subprocess.run([EVERYTHING], env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_without_a_docker_engine_it_says_in_the_end_what_was_left_out_and_how_to_have_it(tmp_path: Path) -> None:
    done = everything(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    made = {line for line in done.stdout.splitlines() if "made" in line}
    assert made == {"real parts | made integration", "all else | made lint", "all else | made unit"}
    *_, left_out, last = [line for line in done.stdout.splitlines() if line.startswith("== ")]
    assert "LEFT OUT: Molecule" in left_out and "all passed, but for what was left out" in last
    for said in ("no Docker engine answers at DOCKER_HOST", "Next step: ", "Then: make molecule"):
        assert said in done.stdout


@pytest.mark.parametrize(("fails", "said", "not_made"), [("lint", "lint, unit or Molecule", "unit"), ("integration", "integration", "")])
def test_a_step_that_fails_ends_its_lane_and_the_whole(tmp_path: Path, fails: str, said: str, not_made: str) -> None:
    done = everything(tmp_path, fails)
    assert done.returncode == 1 and f"FAILED: {said} (see above)" in done.stdout, done.stdout
    assert f"made {fails}" in done.stdout and "all passed" not in done.stdout
    assert not not_made or f"made {not_made}" not in done.stdout
