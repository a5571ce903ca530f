#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edge_files
version_added: "0.3.0"
short_description: Place the configuration of a team's edge and the certificate that is given to it
description:
  - Writes Caddy's configuration from the declaration (C(mcp_edge)), a certificate with its key where one is given, and an ACME server's CA where one is named.
  - Certificate and key are one file, which is replaced by rename and only the edge's user can read. Files that are not declared any more are removed.
  - Runs as an action plugin. A key is read on the control node, where it may be encrypted with the team's vault key.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  program:
    description: Caddy. What it is on the host is part of RV(revision).
    type: path
    required: true
  owner:
    description: The edge's user. Set by the action plugin.
    type: str
  config:
    description: Set by the action plugin.
    type: dict
    suboptions:
      path:
        description: Set by the action plugin.
        type: path
        required: true
      content:
        description: Set by the action plugin.
        type: str
        required: true
  tls:
    description: Set by the action plugin.
    type: dict
    suboptions:
      path:
        description: Set by the action plugin.
        type: path
        required: true
      content:
        description: Set by the action plugin.
        type: str
        required: true
  acme_ca:
    description: Set by the action plugin.
    type: dict
    suboptions:
      path:
        description: Set by the action plugin.
        type: path
        required: true
      content:
        description: Set by the action plugin.
        type: str
        required: true
attributes:
  check_mode:
    support: full
    description: Predicts without changing anything.
  diff_mode:
    support: full
    description: Shows the configuration; of a certificate only that it differs.
  idempotent:
    support: full
    description: What is as described is not touched.
"""

EXAMPLES = r"""
- name: Place what the edge reads
  mcp.tenancy.edge_files:
    program: /usr/bin/caddy
  register: edge_placed
"""

RETURN = r"""
changes:
  description: Paths that were (or would be) changed.
  returned: success
  type: list
  elements: str
revision:
  description: Labels of what should run. C(start) changes with the program, C(config) with what it reads.
  returned: success
  type: dict
"""

import os
import pwd
import stat

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mcp.tenancy.plugins.module_utils import _atomic_file


def _file(secret: bool = False) -> dict:
    return {"path": {"type": "path", "required": True}, "content": {"type": "str", "required": True, "no_log": secret}}


def program(path: str) -> str:
    """What tells one version of a program from another without running it; empty when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return ""
    return f"{os.path.realpath(path)} {status.st_size} {status.st_mtime_ns}"


def held(path: str) -> tuple[str, int, int] | None:
    """Content, mode and owner; None when there is no file."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise OSError(0, "is not a file", path)
    with open(path, encoding="utf-8", errors="replace", newline="") as stream:
        return stream.read(), stat.S_IMODE(status.st_mode), status.st_uid


class EdgeFiles:
    """Read, plan, apply."""

    def __init__(self, owner: str, check: bool) -> None:
        self._owner, self._check = owner, check
        self.changes: list[str] = []
        self.diffs: list[dict] = []

    def file(self, path: str, content: str, private: bool) -> None:
        """It has this content, or is not there where there is none. A private one is its user's; else everybody may read it."""
        mode, owner = (0o600, self._uid()) if private else (0o644, 0)
        before = held(path)
        if (before == (content, mode, owner)) if content else before is None:
            return
        self.changes.append(path)
        texts = (before[0] if before else "", content)
        shown = tuple("<redacted>\n" if text else "" for text in texts) if private else texts
        self.diffs.append({"before_header": path, "after_header": path, "before": shown[0], "after": shown[1]})
        if self._check:
            return
        if not content:
            os.unlink(path)
            return
        _atomic_file.write(path, content.encode(), mode)
        os.chown(path, owner, owner if private else 0)

    def _uid(self) -> int:
        try:
            return pwd.getpwnam(self._owner).pw_uid
        except KeyError:
            if self._check:
                return -1
            raise


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "program": {"type": "path", "required": True},
            "owner": {"type": "str"},
            "config": {"type": "dict", "options": _file()},
            "tls": {"type": "dict", "options": _file(secret=True)},
            "acme_ca": {"type": "dict", "options": _file()},
        },
        supports_check_mode=True,
    )
    params = module.params
    if not params["owner"]:
        module.fail_json(msg="mcp.tenancy.edge_files runs through its action plugin only.")
    work = EdgeFiles(params["owner"], module.check_mode)
    try:
        for name in ("acme_ca", "tls", "config"):  # the configuration last: it names the others
            work.file(params[name]["path"], params[name]["content"], private=name == "tls")
    except (OSError, KeyError) as error:
        where = getattr(error, "filename", None) or params["owner"]
        module.fail_json(msg=f"{where}: {getattr(error, 'strerror', None) or 'there is no such user'}. Next: correct it, then run again.")
    module.exit_json(changed=bool(work.changes), changes=work.changes, program=program(params["program"]), diff=work.diffs)


if __name__ == "__main__":
    main()
