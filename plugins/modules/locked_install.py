#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: locked_install
version_added: "0.1.0"
short_description: Install a lock file's packages, once, into a folder named after the lock
description:
  - Makes a Python virtual environment with C(pip install --require-hashes), or a C(node_modules) with C(npm ci), from a lock file.
  - The folder's name holds a digest of the lock and of the interpreter, so another lock is another folder. What runs from the old one is not disturbed.
  - A folder is built beside its place and counts only when it is marked complete, so an interrupted run is simply done again.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  kind:
    description: What to install.
    type: str
    choices: [python, node]
    required: true
  name:
    description: The first part of the folder's name.
    type: str
    required: true
  dest:
    description: The folder on the host that holds the installations.
    type: path
    required: true
  lock:
    description: Content of the lock file, C(requirements.txt) with hashes or C(package-lock.json).
    type: str
    required: true
  package:
    description: Content of C(package.json). Required when O(kind=node).
    type: str
  sources:
    description: Modules of our own that are placed beside what the lock file brings, path below C(site-packages) to text. For V(python).
    type: dict
    default: {}
  python:
    description: The interpreters to try, first fit wins. Required when O(kind=python).
    type: list
    elements: str
  python_versions:
    description: The versions, as C(3.13), that are accepted.
    type: list
    elements: str
    default: ["3.12", "3.13"]
  npm:
    description: The command that runs npm. Required when O(kind=node).
    type: list
    elements: str
  seen:
    description:
      - RV(seen) of an earlier task of this run with the same O(dest) and O(python). Where that says that the installation is complete, the host is not asked.
    type: dict
  timeout:
    description: Seconds that the installation may take.
    type: int
    default: 900
attributes:
  check_mode:
    support: full
    description: Predicts without installing anything.
  diff_mode:
    support: none
    description: There is nothing to compare.
  idempotent:
    support: full
    description: An installation that is complete is not touched.
requirements:
  - A Python of an accepted version with its venv module, or npm.
"""

EXAMPLES = r"""
- name: Install the gateway
  mcp.tenancy.locked_install:
    kind: python
    name: gateway
    dest: /srv/mcp-tenancy/team_a/lib
    lock: "{{ lookup('ansible.builtin.file', 'requirements.txt') }}"
    python: [python3.13, python3.12]
"""

RETURN = r"""
path:
  description: The installation's folder.
  returned: success
  type: str
seen:
  description: What the host has, C(complete) (folders below O(dest)) and C(maker) (version of the Python), for the option O(seen) of later tasks.
  returned: success
  type: dict
interpreter:
  description: The Python that it was made from.
  returned: success, when O(kind=python)
  type: str
"""

import glob
import os
import shutil
import subprocess

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mcp.tenancy.plugins.module_utils import _lock_digest

COMPLETE = ".complete"
PROBE = "import os, sys, ensurepip, venv; print('%d.%d' % sys.version_info[:2], os.path.realpath(sys.executable), sys.version.split()[0])"


class InstallError(Exception):
    """Why an installation could not be made, with the next step."""


def find_python(candidates: list[str], versions: list[str]) -> tuple[str, str]:
    """The first candidate that really runs, is of an accepted version and can make environments: its path and full version."""
    for candidate in candidates:
        path = candidate if os.path.isabs(candidate) else shutil.which(candidate)
        if not path or not os.access(path, os.X_OK):
            continue
        # A version manager's shim may bear the name of a Python that is not there: only running it tells.
        # run_command has no time limit, hence not run_command
        # pylint: disable-next=ansible-bad-function
        found = subprocess.run([path, "-c", PROBE], capture_output=True, text=True, check=False, timeout=60)
        if found.returncode == 0 and found.stdout.split()[0] in versions:
            _short, real, full = found.stdout.split()
            return real, full
    raise InstallError(
        f"none of {', '.join(candidates)} is a Python {' or '.join(versions)} with its venv module. "
        "Next: install one (Debian 13: apt-get install python3-venv) or set mcp_python to its path"
    )


def run(command: list[str], folder: str, timeout: int) -> None:
    """Run one step of an installation; its output only matters when it fails."""
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "",
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "npm_config_update_notifier": "false",
    }
    if os.geteuid() == 0:  # a host is not left with a cache in root's home that nobody takes away
        environment["PIP_NO_CACHE_DIR"] = "1"
    environment.pop("PYTHONPATH", None)
    environment.pop("VIRTUAL_ENV", None)
    try:
        # run_command has no time limit, hence not run_command
        # pylint: disable-next=ansible-bad-function
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=timeout, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise InstallError(f"{os.path.basename(command[0])} took longer than {timeout} s. Next: look at the network, then run again") from None
    except OSError as error:
        raise InstallError(f"{command[0]} cannot be run: {error.strerror}") from None
    if done.returncode:
        raise InstallError(f"{' '.join(command[:4])} … ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-1500:]}")


def install_python(target: str, lock: str, python: str, timeout: int) -> None:
    """A virtual environment; it is made in its place, since its programs hold its path."""
    run([python, "-m", "venv", target], "/", timeout)
    with open(os.path.join(target, "requirements.txt"), "w", encoding="utf-8") as stream:
        stream.write(lock)
    requirements = ["--require-hashes", "--only-binary", ":all:", "--quiet", "--requirement", os.path.join(target, "requirements.txt")]
    run([os.path.join(target, "bin", "python"), "-m", "pip", "install", *requirements], "/", timeout)


def place_sources(target: str, sources: dict[str, str]) -> None:
    """Modules of our own, beside those from the lock file."""
    for name, text in sources.items():
        (packages,) = glob.glob(os.path.join(target, "lib", "python*", "site-packages"))
        path = os.path.join(packages, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)


def install_node(target: str, lock: str, package: str, npm: list[str], timeout: int) -> None:
    """A node_modules; optional parts and scripts stay out."""
    os.makedirs(target)
    for name, content in (("package.json", package), ("package-lock.json", lock)):
        with open(os.path.join(target, name), "w", encoding="utf-8") as stream:
            stream.write(content)
    cache = os.path.join(target, ".npm-cache")
    run([*npm, "ci", "--omit=optional", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", cache], target, timeout)
    shutil.rmtree(cache, ignore_errors=True)


def install(module: AnsibleModule) -> dict:
    """Read, plan, apply. Returns the module's answer."""
    wanted = module.params
    answer: dict = {}
    maker = "npm"
    if wanted["kind"] == "python":
        answer["interpreter"], maker = find_python(wanted["python"], wanted["python_versions"])
    target = os.path.join(wanted["dest"], _lock_digest.folder(wanted, maker))
    complete = os.path.exists(os.path.join(target, COMPLETE))
    answer.update(path=target, changed=not complete, seen={"complete": _complete(wanted["dest"]), "maker": maker, "interpreter": answer.get("interpreter")})
    if complete or module.check_mode:
        return answer
    shutil.rmtree(target, ignore_errors=True)
    if wanted["kind"] == "python":
        install_python(target, wanted["lock"], answer["interpreter"], wanted["timeout"])
        place_sources(target, wanted["sources"])
    else:
        install_node(target, wanted["lock"], wanted["package"], wanted["npm"], wanted["timeout"])
    with open(os.path.join(target, COMPLETE), "w", encoding="utf-8") as stream:
        stream.write(f"{maker}\n")
    return answer


def _complete(dest: str) -> list[str]:
    """Folders that are marked complete."""
    return sorted(os.path.dirname(path) for path in glob.glob(os.path.join(dest, "*", COMPLETE)))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kind": {"type": "str", "choices": ["python", "node"], "required": True},
            "name": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
            "lock": {"type": "str", "required": True},
            "package": {"type": "str"},
            "sources": {"type": "dict", "default": {}},
            "python": {"type": "list", "elements": "str"},
            "python_versions": {"type": "list", "elements": "str", "default": ["3.12", "3.13"]},
            "npm": {"type": "list", "elements": "str"},
            "seen": {"type": "dict"},
            "timeout": {"type": "int", "default": 900},
        },
        required_if=[("kind", "python", ["python"]), ("kind", "node", ["package", "npm"])],
        supports_check_mode=True,
    )
    os.umask(0o022 if os.geteuid() == 0 else 0o077)
    try:
        module.exit_json(**install(module))
    except InstallError as error:
        module.fail_json(msg=f"{module.params['name']}: {error}.")
    except OSError as error:
        module.fail_json(msg=f"{module.params['name']}: {error.filename or module.params['dest']}: {error.strerror}. Next: correct it, then run again.")


if __name__ == "__main__":
    main()
