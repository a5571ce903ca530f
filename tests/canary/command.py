# SPDX-License-Identifier: GPL-3.0-or-later
"""``scripts/canary -i INVENTORY``: a team's secrets, looked for on this machine and its hosts.

Exit 0: nothing is anywhere. 1: something is, see the table. 2: something could not be looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.canary import report

REPOSITORY = Path(__file__).resolve().parents[2]
PLAYBOOK = REPOSITORY / "tests/canary/playbook/canary.yml"
EPILOG = "Every other option goes to ansible-playbook: --vault-id, --limit, --become, -e, -vvvv. Ansible's own output goes to stderr."


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/canary", description="Looks for a team's secrets where they must not be.", epilog=EPILOG, allow_abbrev=False)
    parser.add_argument("-i", "--inventory", action="append", required=True, help="the team's")
    parser.add_argument("--folder", action="append", default=[], help="search this folder or file of this machine too, such as a CI job's logs")
    parser.add_argument("--host-folder", action="append", default=[], help="search this folder of each host too; / for all of it")
    parser.add_argument(
        "--exempt", action="append", default=[], metavar="PATH=REASON", help="a file of this machine that may have a secret, such as a person's client.json"
    )
    parser.add_argument("--skip", action="append", default=[], metavar="PATH=REASON", help="a folder that is not entered, on this machine and on hosts")
    parser.add_argument("--hosts-only", action="store_true", help="leave this machine out")
    given, rest = parser.parse_known_args(argv)
    exempt, skip = _reasoned(parser, "--exempt", given.exempt), _reasoned(parser, "--skip", given.skip)
    options = {"folders": [str(Path(path).absolute()) for path in given.folder], "host_folders": given.host_folder, "hosts_only": given.hosts_only}
    options |= {"exempt": [{"path": path, "reason": reason} for path, reason in exempt.items()], "skip": skip}
    with tempfile.TemporaryDirectory(prefix="canary-") as folder:
        ended = _ansible(given.inventory, rest, {"canary_folder": folder, "canary_options": options})
        told = _told(Path(folder), ended)
    print(report.text(told))
    return report.status(told)


def _reasoned(parser: argparse.ArgumentParser, option: str, given: list[str]) -> dict[str, str]:
    """Path → reason."""
    found = dict(one.partition("=")[::2] for one in given)
    for path, reason in found.items():
        if not path.startswith("/") or not reason:
            parser.error(f"{option} {path}: give it as /PATH=REASON, it is told in the report")
    return found


def _ansible(inventories: list[str], rest: list[str], variables: dict) -> int:
    command = [
        Path(sys.executable).parent / "ansible-playbook",
        PLAYBOOK,
        *(part for path in inventories for part in ("-i", path)),
        "-e",
        json.dumps(variables),
        *rest,
    ]
    environment = {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), **os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    return subprocess.run(command, stdout=sys.stderr, env=environment, check=False).returncode


def _told(folder: Path, ended: int) -> dict[str, dict]:
    """Machine → its report. One that has none could not be looked at."""
    names = folder / "hosts"
    machines = {"control node": "control node", **{f"host {name}": name for name in (json.loads(names.read_text()) if names.exists() else ())}}
    found = {}
    for file, machine in machines.items():
        path = folder / f"{file}.json"
        lost = {"hits": [], "unseen": [["all of it", f"ansible-playbook ended with {ended}; see above"]], "exempt": [], "looked": {}}
        found[machine] = json.loads(path.read_text()) if path.exists() else lost
    return found
