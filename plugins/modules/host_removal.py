#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_removal
version_added: "0.2.0"
short_description: Remove what a team has on a host
description:
  - Removes the team's users and group, its file of C(systemd-sysusers), drop-ins of its units, its firewall table, its timer of the role
    P(mcp.tenancy.rotation_schedule#role), its folders, and entries of a client configuration outside of them. Services must have been stopped.
  - Refuses a folder in which there is something that no deploy makes. Packages of the distribution stay.
  - A run that was cut off is finished by the next one.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  operation:
    description: V(look) only sees whether everything in the team's folder is the team's own.
    type: str
    choices: [look, remove]
    default: remove
  team:
    description: The team.
    type: str
    required: true
  paths:
    description: The team's folders, as the filter P(mcp.tenancy.team_paths#filter) gives them.
    type: dict
    required: true
  public_url:
    description: Where clients reach the team's gateway; entries of a client configuration that lead there go.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Predicts without changing anything.
  diff_mode:
    support: none
    description: RV(removed) names what goes.
  idempotent:
    support: full
    description: Where nothing is left nothing is done.
"""

EXAMPLES = r"""
- name: Remove what team_a has here
  mcp.tenancy.host_removal:
    team: team_a
    paths: "{{ team_paths }}"
"""

RETURN = r"""
removed:
  description: Paths, users and the like that went (or would go).
  returned: success
  type: list
  elements: str
tools_python:
  description: The interpreter of the team's tools, empty where there is none any more.
  returned: success
  type: str
"""

import glob
import grp
import json
import os
import pwd
import shutil

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mcp.tenancy.plugins.module_utils import _atomic_file, _client_file, _declaration, _leftovers, _removal, _units

#: Folders above a team's that its deploy made, by the name that they have by default.
SHARED = "mcp-tenancy"
UNITS = "/etc/systemd/system"
SYSUSERS = "/etc/sysusers.d"


class Removal:
    """Reads, plans, applies; ``removed`` tells what."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module, self._check = module, module.check_mode
        self._team, self._paths = module.params["team"], module.params["paths"]
        self.removed: list[str] = []

    def manifest(self) -> dict | None:
        try:
            with open(self._paths["manifest"], encoding="utf-8") as stream:
                return json.load(stream)
        except (FileNotFoundError, ValueError):
            return None

    def tools_python(self) -> str:
        python = (self.manifest() or {}).get("tools_python", "")
        return python if os.path.exists(python) else ""

    def order(self) -> list[str]:
        root = self._paths["root"]
        return _removal.order(root, os.listdir(root), self.manifest(), self._team) if os.path.isdir(root) else []

    def of_root(self) -> None:
        """Users, rules and the like, which only root could make."""
        if os.geteuid() != 0:
            return
        prefix = _units.prefix(self._team)
        for path in sorted(path for kind in ("d", "wants", "requires") for path in glob.glob(f"{UNITS}/{glob.escape(prefix)}*.{kind}")):
            self.gone(path)
        self._timer(f"mcp-rotation@{self._team}.timer")
        table = ["inet", f"mcp_tenancy_{self._team}"]
        if shutil.which("nft") and self._module.run_command(["nft", "list", "table", *table])[0] == 0:
            self._do(f"firewall table {table[1]}", ["nft", "delete", "table", *table])
        for name in _leftovers.users([(entry.pw_name, entry.pw_gecos) for entry in pwd.getpwall()], self._team, []):
            self._do(f"user {name}", ["userdel", name])  # its own group goes with it
        group = _declaration.group({"mcp_team": self._team})
        if group in {entry.gr_name for entry in grp.getgrall()}:
            self._do(f"group {group}", ["groupdel", group])
        self.gone(f"{SYSUSERS}/mcp-tenancy-{self._team}.conf")
        if not self._check and os.path.isdir(SYSUSERS) and not os.listdir(SYSUSERS):
            os.rmdir(SYSUSERS)  # Debian has none by itself
        if not self._check and os.path.isdir("/run/systemd/system"):
            self._module.run_command(["systemctl", "daemon-reload"], check_rc=True)
            self._module.run_command(["systemctl", "reset-failed", f"{prefix}*"])

    def _timer(self, name: str) -> None:
        if os.path.lexists(f"{UNITS}/timers.target.wants/{name}"):
            self._do(name, ["systemctl", "disable", "--now", name])

    def _do(self, what: str, command: list[str]) -> None:
        self.removed.append(what)
        if not self._check:
            self._module.run_command(command, check_rc=True)

    def files(self, public_url: str) -> None:
        self._entries(self._paths["client_config"], public_url)
        self.gone(self._paths["run"])
        for name in self.order():
            self.gone(f"{self._paths['root']}/{name}")
        self.gone(self._paths["root"])
        for path in (self._paths["root"], self._paths["run"]):
            parent = os.path.dirname(path)
            if os.path.basename(parent) == SHARED and os.path.isdir(parent) and not set(os.listdir(parent)) - {os.path.basename(path)} and not self._check:
                os.rmdir(parent)  # no other team is there

    def _entries(self, path: str, public_url: str) -> None:
        if path.startswith(f"{self._paths['root']}/") or not os.path.exists(path) or not public_url:
            return
        stored = _client_file.ClientFile(path)
        names = _removal.stale_entries(stored.entries(), public_url)
        if set(names) == set(stored.entries()):
            self.gone(path)
            return
        for name in names:
            self.removed.append(f"{path}: {name}")
            if not self._check:
                stored.write(name)

    def gone(self, path: str) -> None:
        if not os.path.lexists(path):
            return
        self.removed.append(path)
        if not self._check:
            _atomic_file.take_away(path)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "operation": {"type": "str", "choices": ["look", "remove"], "default": "remove"},
            "team": {"type": "str", "required": True},
            "paths": {"type": "dict", "required": True},
            "public_url": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    work = Removal(module)
    try:
        work.order()
        python = work.tools_python()
        if module.params["operation"] == "remove":
            work.of_root()
            work.files(module.params["public_url"])
    except _removal.RemovalError as error:
        module.fail_json(msg=f"Nothing was removed: {error}.")
    except _client_file.ClientFileError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}. Next: correct it, then run again.")
    module.exit_json(changed=bool(work.removed), removed=work.removed, tools_python=python)


if __name__ == "__main__":
    main()
