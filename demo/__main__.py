# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: ``python -m demo --home DIR up|stop|clean``. Run by the control node's Python; the databases run in a virtual environment of their own."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


class DemoError(Exception):
    """Why the demo cannot go on, with the next step."""


def demo_python(home: Path, *arguments: str, given: str | None = None) -> None:
    """Run a part of the demo that needs the databases' own virtual environment. ``given`` goes to its stdin, never into argv."""
    command = [str(home / "venv" / "bin" / "python"), *arguments, "--home", str(home)]
    done = subprocess.run(command, cwd=REPOSITORY, input=given, text=True, check=False)
    if done.returncode:
        raise DemoError(f"`python {' '.join(arguments)}` ended with {done.returncode}; see above, and the logs in {home}/databases/log")


def step(title: str) -> None:
    """Long work shows progress."""
    print(f"\n== {title}", flush=True)


def up(home: Path) -> None:
    """Everything from nothing, or from wherever an earlier run was cut off."""
    from demo import operator_env  # needs ansible; `stop` and `clean` do not

    began = time.monotonic()
    step("databases, with TLS and SCRAM")
    demo_python(home, "-m", "demo.databases", "up")
    step("logins: for each service an admin login that may make others, its password from the encrypted .env")
    demo_python(home, "-m", "demo.logins", given=json.dumps(operator_env.logins(home)))
    step("ansible-playbook deploy.yml -i inventories/demo")
    deploy(home)
    step("the same questions, asked by two people with database logins of their own, each in a process of their own")
    demo_python(home, "-m", "demo.people")
    step("questions to the services with a shared login, asked by the official MCP client with nothing but client.json")
    demo_python(home, "-m", "demo.table")
    print(f"\n{time.monotonic() - began:.0f} s in all.")


def deploy(home: Path) -> None:
    """The command that a platform engineer types."""
    ansible = Path(sys.executable).parent / "ansible-playbook"
    environment = {**os.environ, "MCP_DEMO_HOME": str(home), "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_HOME": str(home / "ansible")}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run([ansible, "deploy.yml", "-i", "inventories/demo"], cwd=REPOSITORY, env=environment, check=False)
    if done.returncode:
        raise DemoError(f"the deploy ended with {done.returncode}; what it says is above, the services' logs are in {home}/team/log")


def stop(home: Path) -> None:
    """No process is left: the team's supervisor first, then the databases."""
    for part in ("demo.team", "demo.databases"):
        if (home / "venv" / "bin" / "python").exists():
            demo_python(home, "-m", part, "down")


def clean(home: Path) -> None:
    """No file is left either, on tmpfs neither."""
    stop(home)
    state = home / "state.json"
    if state.exists():
        shutil.rmtree(json.loads(state.read_text())["runtime_directory"], ignore_errors=True)
    shutil.rmtree(home)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("what", choices=["up", "stop", "clean"])
    arguments = parser.parse_args()
    os.umask(0o077)
    try:
        {"up": up, "stop": stop, "clean": clean}[arguments.what](arguments.home.absolute())
    except DemoError as error:
        sys.exit(f"demo: {error}.")
    except KeyboardInterrupt:
        sys.exit("demo: interrupted. Run `make demo` again, it goes on from here.")


if __name__ == "__main__":
    main()
