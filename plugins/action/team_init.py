# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a new team's inventory, vault key and encrypted .env. On the control node only; all of it or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from ansible.module_utils.common.yaml import yaml_dump
from ansible.plugins.action import ActionBase

from ansible_collections.mcp.tenancy.plugins.module_utils import _init
from ansible_collections.mcp.tenancy.plugins.module_utils._problem import Problem
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_env import TeamEnv


class ActionModule(ActionBase):
    """``mcp.tenancy.team_init``."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        arguments = self._task.args
        made = _init.new_team(arguments)
        ca, key = Path(str(arguments.get("ca") or "")).expanduser(), self._key(arguments)
        folder = Path(arguments["inventories"]) / str(arguments.get("team") or "")
        problems = [*made.problems, *self._in_the_way(ca, key, folder, bool(arguments.get("team")))]
        if problems:
            lines = "\n".join(f"  - {problem}" for problem in problems)
            return {**result, "failed": True, "msg": f"{len(problems)} mistake(s) in the answers; nothing was written.\n{lines}"}
        if not self._task.check_mode:
            write(made, ca, key, folder)
        return {**result, "changed": True, "inventory": str(folder), "key_file": str(key)}

    @staticmethod
    def _key(arguments: dict) -> Path:
        return Path(str(arguments.get("key_file") or f"~/.config/mcp-tenancy/{arguments.get('team')}.key")).expanduser()

    @staticmethod
    def _in_the_way(ca: Path, key: Path, folder: Path, named: bool) -> list[Problem]:
        found = []
        if not ca.is_file():
            found.append(Problem("init_ca", f"there is no file {ca}", "name the PEM file of the CA that signed the databases' certificates"))
        if named and folder.exists():
            found.append(Problem(str(folder), "is there already, and nothing is overwritten", "choose another team, or remove the folder"))
        if named and key.exists():
            found.append(Problem(str(key), "is there already, and nothing is overwritten", "give another init_key_file, or remove the key if nothing uses it"))
        return found


def write(made: _init.NewTeam, ca: Path, key: Path, folder: Path) -> None:
    """The whole folder appears at once; the key, which nothing needs before, comes first."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        for name, text in _init.files(made, lambda value: yaml_dump(value, sort_keys=False)).items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(text)
        (work / _init.CA_FILE).parent.mkdir()
        shutil.copyfile(ca, work / _init.CA_FILE)
        env = TeamEnv(made.declaration["mcp_team"], str(work / ".env"), str(key))
        env.create_key()
        env.write(made.env)
        work.chmod(0o755)
        os.rename(work, folder)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
