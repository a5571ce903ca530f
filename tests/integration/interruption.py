# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut `make demo` off at a task of the deploy, run it again, see that everything answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess

from tests.integration.conftest import REPOSITORY, UNPRIVILEGED, Demo, make


def everything_answers(demo: Demo) -> bool:
    """Both engines in both environments, through the gateway; raises with the answer that was another one."""
    for environment in ("dev", "prod"):
        assert json.loads(demo.ask_postgres(environment, "SELECT current_database() AS d")) == [{"d": f"shop_{environment}"}]
        assert demo.ask_mongodb(environment, "count", collection="reviews")
    return True


def interrupt_and_run_again(demo: Demo, how: signal.Signals, moment: str) -> None:
    """``moment``: the beginning of the line that Ansible prints when it starts a task. The whole process group gets the signal, as from a terminal."""
    assert make("demo-stop").returncode == 0
    (demo.home / "team/etc/services.json").unlink(missing_ok=True)
    command = [*UNPRIVILEGED, "make", "--no-print-directory", "demo", f"DEMO_HOME={demo.home}"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, start_new_session=True
    ) as running:
        assert any(moment in line for line in running.stdout), moment
        os.killpg(running.pid, how)
        running.stdout.read()
    done = demo.up()
    assert done.returncode == 0, done.stdout[-4000:]
    assert everything_answers(demo)
