# SPDX-License-Identifier: GPL-3.0-or-later
"""A bench has figures only of what worked."""

import subprocess


def succeeded(done: subprocess.CompletedProcess) -> None:
    if done.returncode:
        raise SystemExit(f"bench: a step ended with {done.returncode}:\n{done.stdout[-3000:]}")
