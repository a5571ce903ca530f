#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
version_added: "0.1.0"
short_description: Users, folders and plain files of a team on a host, all at once
description:
  - Makes the users that C(systemd-sysusers) is told of, then folders, then files, in one call.
  - Owner and mode of a folder or file are right from the moment it exists. A symbolic link in the place of one is refused.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  sysusers:
    description: C(path) and C(content) of a file for C(systemd-sysusers), which is run when it changes or a user is missing. Needs root.
    type: dict
  packages:
    description: Debian packages to look for. What is missing is told in RV(missing_packages); nothing is installed.
    type: list
    elements: str
    default: []
  folders:
    description: Folders to make, parents first.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      mode:
        description: Octal mode.
        type: str
        required: true
      owner:
        description: Name of the user; the one that the task runs as when empty.
        type: str
        default: ""
      group:
        description: Name of the group; that of the user that the task runs as when empty.
        type: str
        default: ""
  files:
    description: Files to write. No secret belongs here.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path; its folder must exist or be among O(folders).
        type: path
        required: true
      content:
        description: The whole text.
        type: str
        required: true
      mode:
        description: Octal mode.
        type: str
        default: "0644"
attributes:
  check_mode:
    support: full
    description: Predicts without changing anything.
  diff_mode:
    support: full
    description: Shows files before and after.
  idempotent:
    support: full
    description: What is as described is not touched.
"""

EXAMPLES = r"""
- name: A folder and a file in it
  mcp.tenancy.host_files:
    folders:
      - {path: /srv/example, mode: "0750"}
    files:
      - {path: /srv/example/hello.txt, content: "hello\n"}
"""

RETURN = r"""
changes:
  description: Paths and users that were (or would be) made or changed.
  returned: success
  type: list
  elements: str
missing_packages:
  description: Those of O(packages) that are not installed.
  returned: success
  type: list
  elements: str
checksums:
  description: SHA-256 of each file, by the last part of its path.
  returned: success
  type: dict
"""

import grp
import hashlib
import os
import pwd
import stat

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mcp.tenancy.plugins.module_utils import _atomic_file, _packages, _sysusers

FOLDER = {
    "path": {"type": "path", "required": True},
    "mode": {"type": "str", "required": True},
    "owner": {"type": "str", "default": ""},
    "group": {"type": "str", "default": ""},
}
FILE = {"path": {"type": "path", "required": True}, "content": {"type": "str", "required": True}, "mode": {"type": "str", "default": "0644"}}


class HostFiles:
    """Read, plan, apply; ``diffs`` and ``changes`` tell what."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module, self._check = module, module.check_mode
        self.changes: list[str] = []
        self.diffs: list[dict] = []

    def users(self, wanted: dict | None) -> None:
        """The users that the file names exist afterwards, each in the groups that it names."""
        if not wanted:
            return
        if os.geteuid() != 0:
            self._module.fail_json(msg="making a user for each service needs root. Next: set ansible_become: true, or mcp_runtime: supervisor.")
        changed = self.file({"path": wanted["path"], "content": wanted["content"], "mode": "0644"}, parents=True)
        missing = _sysusers.missing_users(wanted["content"])
        self.changes += missing
        if (changed or missing) and not self._check:
            self._module.run_command(["systemd-sysusers", wanted["path"]], check_rc=True)

    def folder(self, wanted: dict) -> None:
        """It exists, with this mode, owner and group."""
        path, mode = wanted["path"], int(wanted["mode"], 8)
        try:
            now = os.lstat(path)
        except FileNotFoundError:
            now = None
        if now is not None and not stat.S_ISDIR(now.st_mode):
            self._module.fail_json(msg=f"{path} is not a folder. Next: find out who made it, then remove it.")
        owner, group = self._ids(wanted)
        if now is not None and (stat.S_IMODE(now.st_mode), now.st_uid, now.st_gid) == (mode, owner, group):
            return
        self.changes.append(path)
        if self._check:
            return
        if now is None:
            os.makedirs(path, mode=0o700 if wanted["owner"] else mode)
        os.chown(path, owner, group)
        os.chmod(path, mode)

    def _ids(self, wanted: dict) -> tuple[int, int]:
        """In check mode users may be missing still: then nothing equals them."""
        try:
            owner = pwd.getpwnam(wanted["owner"]).pw_uid if wanted["owner"] else os.geteuid()
            group = grp.getgrnam(wanted["group"]).gr_gid if wanted["group"] else os.getegid()
        except KeyError as error:
            if not self._check:
                self._module.fail_json(msg=f"{wanted['path']}: {error.args[0]}. Next: look at what systemd-sysusers says about it.")
            return -1, -1
        return owner, group

    def file(self, wanted: dict, parents: bool = False) -> bool:
        """It has this content and mode."""
        path, content, mode = wanted["path"], wanted["content"], int(wanted["mode"], 8)
        before = ""
        if os.path.lexists(path):
            if not stat.S_ISREG(os.lstat(path).st_mode):
                self._module.fail_json(msg=f"{path} is not a file. Next: find out who made it, then remove it.")
            with open(path, encoding="utf-8", errors="replace", newline="") as stream:
                before = stream.read()
            if before == content and stat.S_IMODE(os.lstat(path).st_mode) == mode:
                return False
        self.changes.append(path)
        self.diffs.append({"before_header": path, "after_header": path, "before": before, "after": content})
        if not self._check:
            if parents:
                os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            _atomic_file.write(path, content.encode(), mode)
        return True


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "default": []},
            "sysusers": {"type": "dict"},
            "folders": {"type": "list", "elements": "dict", "default": [], "options": FOLDER},
            "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    work = HostFiles(module)
    try:
        work.users(module.params["sysusers"])
        for folder in module.params["folders"]:
            work.folder(folder)
        for file in module.params["files"]:
            work.file(file)
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}. Next: correct it, then run again.")
    missing = _packages.missing_packages(module.params["packages"]) if module.params["packages"] else []
    checksums = {os.path.basename(file["path"]): hashlib.sha256(file["content"].encode()).hexdigest() for file in module.params["files"]}
    module.exit_json(changed=bool(work.changes), changes=work.changes, missing_packages=missing, checksums=checksums, diff=work.diffs)


if __name__ == "__main__":
    main()
