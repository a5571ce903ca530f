# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a new team's inventory, vault key and encrypted .env. On the control node only; all of it or nothing."""

from __future__ import annotations

from pathlib import Path

from ansible.plugins.action import ActionBase

from ansible_collections.mcp.tenancy.plugins.module_utils import _init
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _new_team


class ActionModule(ActionBase):
    """``mcp.tenancy.team_init``."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        arguments = self._task.args
        made = _init.new_team(arguments)
        ca, key = Path(str(arguments.get("ca") or "")).expanduser(), _new_team.key_file(arguments)
        folder = Path(arguments["inventories"]) / str(arguments.get("team") or "")
        problems = [*made.problems, *_new_team.in_the_way(ca, key, folder, bool(arguments.get("team")))]
        if problems:
            lines = "\n".join(f"  - {problem}" for problem in problems)
            return {**result, "failed": True, "msg": f"{len(problems)} mistake(s) in the answers; nothing was written.\n{lines}"}
        if not self._task.check_mode:
            _new_team.write(made, ca, key, folder)
        return {**result, "changed": True, "inventory": str(folder), "key_file": str(key)}
