# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the modules of a playbook take by themselves, without Ansible around them."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from tests.bench_rotation.done import succeeded
from tests.integration.conftest import REPOSITORY, Demo

TIMED = Path(__file__).parent / "timed"
BIN = REPOSITORY / ".venv/bin"


def of(demo: Demo, *command: str) -> list[tuple[str, float]]:
    """Each module that the command ran on this machine, with the seconds from the start of its process to its end."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "modules"
        succeeded(demo.run(*command, PYTHONPATH=str(TIMED), MCP_BENCH_MODULES=str(told)))
        lines = [line.split() for line in told.read_text().splitlines()]
    return [(name, float(seconds)) for name, seconds in lines]


def of_rotation(demo: Demo, *arguments: str) -> list[tuple[str, float]]:
    return of(demo, f"{BIN}/ansible-playbook", "rotate.yml", "-i", "inventories/demo", "-e", "mcp_wrapper=bridge", *arguments)


def that_does_nothing(demo: Demo) -> float:
    """Seconds of a module that only answers: what each of them takes to be started."""
    ping = (f"{BIN}/ansible", "all", "-i", "inventories/demo", "-m", "ansible.builtin.ping")
    return statistics.median(seconds for _ in range(5) for _name, seconds in of(demo, *ping))
