#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_leftovers
version_added: "0.2.0"
short_description: Take away what no service of a team uses any more
description:
  - Runs at the end of a deploy, when what should run runs. Removes working folders, CA files and variables of services that are not among O(services), users of
    the operating system that no service has, and installations of older locks.
  - What a service that is gone has logged is kept, in the folder C(removed) below the logs, where only the caller may read it. An audit is not ours to delete.
  - Only what has the name of a thing of ours is touched. An installation that a process still runs from, 20 seconds later too, stays until
    the next deploy.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  team:
    description: The team.
    type: str
    required: true
  paths:
    description: The team's folders, as the filter P(mcp.tenancy.team_paths#filter) gives them.
    type: dict
    required: true
  services:
    description: Names of what runs here.
    type: list
    elements: str
    required: true
  users:
    description: The users that they run as; those that the operating system has of the team beside them go. None where services have no users of their own.
    type: list
    elements: str
    default: []
  installations:
    description: Folders of the installations that are used. Others of the same kinds go.
    type: list
    elements: path
    required: true
attributes:
  check_mode:
    support: full
    description: Predicts without changing anything. What runs is not looked at, since it would be restarted.
  diff_mode:
    support: none
    description: RV(removed) names what goes.
  idempotent:
    support: full
    description: Where nothing is left nothing is done.
"""

EXAMPLES = r"""
- name: Take away what no service uses any more
  mcp.tenancy.host_leftovers:
    team: team_a
    paths: "{{ team_paths }}"
    services: [gateway, postgres-dev]
    users: [mcp-team_a-gateway, mcp-team_a-postgres-dev]
    installations: [/srv/mcp-tenancy/team_a/lib/gateway-663fed28b433]
"""

RETURN = r"""
removed:
  description: Paths and users that went (or would go).
  returned: success
  type: list
  elements: str
kept:
  description: What was moved to the logs of services that are gone.
  returned: success
  type: list
  elements: str
"""

import glob
import os
import pwd
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mcp.tenancy.plugins.module_utils import _atomic_file, _leftovers

#: Seconds for what a new installation has just taken the place of: it answers its last calls and ends.
ENDING = 20.0
LOOK = 0.25


def listed(folder: str) -> list[str]:
    """Names of a folder's entries; none of a folder that is not there."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def commands() -> dict[int, str]:
    """Pid → command line of every process that can be seen."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as stream:
                found[int(path.split("/")[2])] = stream.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended
            continue
    return found


class Leftovers:
    """Reads, plans, applies; ``removed`` and ``kept`` tell what."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module, self._check, self._wanted = module, module.check_mode, module.params
        self.removed: list[str] = []
        self.kept: list[str] = []

    def files(self) -> None:
        """What a service has beside its logs: working folder, CA, the edge's configuration and key, variables and label on tmpfs."""
        where = self._wanted["paths"]
        for folder in (where["work"], where["etc"], f"{where['etc']}/ca", where["run"], f"{where['run']}/.revisions"):
            for name in _leftovers.of_services(listed(folder), self._wanted["services"]):
                self.remove(f"{folder}/{name}")

    def logs(self) -> None:
        """Another folder for each time, so that a service that comes back and goes again overwrites nothing."""
        folder = self._wanted["paths"]["log"]
        for name in _leftovers.of_services(listed(folder), self._wanted["services"]):
            self.kept.append(f"{folder}/{name}")
            if self._check:
                continue
            aside = f"{folder}/{_leftovers.REMOVED}/{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
            os.makedirs(aside, mode=0o700, exist_ok=True)
            os.chmod(os.path.dirname(aside), 0o700)
            self._own(f"{folder}/{name}")  # before the user goes, whose number may be somebody else's one day
            os.rename(f"{folder}/{name}", f"{aside}/{name}")

    @staticmethod
    def _own(path: str) -> None:
        for parent, _folders, files in os.walk(path):
            for name in (parent, *(os.path.join(parent, file) for file in files)):
                os.lchown(name, os.geteuid(), os.getegid())
        os.lchown(path, os.geteuid(), os.getegid())

    def installations(self) -> None:
        folder, until = self._wanted["paths"]["lib"], time.monotonic() + ENDING
        for name in _leftovers.installations(listed(folder), self._wanted["installations"]):
            if users := self._running_from(f"{folder}/{name}", until):
                self._module.warn(f"{folder}/{name} stays: process {users[0]} still runs from it. Next: the next whole deploy takes it away.")
            else:
                self.remove(f"{folder}/{name}")

    def _running_from(self, path: str, until: float) -> list[int]:
        """Pids of what runs from it and does not end in time."""
        while not self._check:
            found = _leftovers.in_use(path, commands())
            if not found or time.monotonic() > until:
                return found
            time.sleep(LOOK)
        return []

    def users(self) -> None:
        if not self._wanted["users"]:
            return
        known = [(entry.pw_name, entry.pw_gecos) for entry in pwd.getpwall()]
        for name in _leftovers.users(known, self._wanted["team"], self._wanted["users"]):
            self.removed.append(f"user {name}")
            if not self._check:
                self._module.run_command(["userdel", name], check_rc=True)  # its own group goes with it

    def remove(self, path: str) -> None:
        self.removed.append(path)
        if not self._check:
            _atomic_file.take_away(path)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "team": {"type": "str", "required": True},
            "paths": {"type": "dict", "required": True},
            "services": {"type": "list", "elements": "str", "required": True},
            "users": {"type": "list", "elements": "str", "default": []},
            "installations": {"type": "list", "elements": "path", "required": True},
        },
        supports_check_mode=True,
    )
    work = Leftovers(module)
    try:
        work.files()
        work.logs()
        work.users()
        work.installations()
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}. Next: correct it, then run again.")
    module.exit_json(changed=bool(work.removed or work.kept), removed=work.removed, kept=work.kept)


if __name__ == "__main__":
    main()
