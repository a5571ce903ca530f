# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop what the deploy of the demo's team started: ``python -m demo.team down --home DIR``."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from ansible_collections.mcp.tenancy.plugins.module_utils import _supervisor
from demo import state as demo_state


def down(home: Path) -> None:
    """No process is left, and no clear secret on tmpfs."""
    if not (home / "state.json").exists():
        return
    run = demo_state.load(home).run() / "team"
    layout = _supervisor.Layout(home / "team/etc", run, home / "team/log", "")
    _supervisor.ensure_stopped(layout, check=False, remove=False)
    shutil.rmtree(run, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.team")
    parser.add_argument("what", choices=["down"])
    parser.add_argument("--home", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        down(arguments.home)
    except (demo_state.DemoError, _supervisor.SupervisorError) as error:
        sys.exit(f"demo: {error}.")


if __name__ == "__main__":
    main()
