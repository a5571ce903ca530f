# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An installation that an earlier task of this run saw complete is not looked for again: of many hosts each task is felt."""

from __future__ import annotations

import os

from ansible.plugins.action import ActionBase

from ansible_collections.mcp.tenancy.plugins.module_utils import _lock_digest


class ActionModule(ActionBase):
    """``mcp.tenancy.locked_install``: what ``seen`` says, else the module."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result, wanted = super().run(tmp, task_vars), dict(self._task.args)
        seen = wanted.pop("seen", None) or {}
        if {"kind", "name", "dest", "lock"} <= set(wanted) and seen:
            maker = "npm" if wanted["kind"] == "node" else seen["maker"]
            path = os.path.join(os.path.expanduser(wanted["dest"]), _lock_digest.folder(wanted, maker))
            if path in seen["complete"]:
                return {**result, "changed": False, "path": path, "interpreter": seen["interpreter"], "seen": seen}
        return {**result, **self._execute_module(module_args=wanted, task_vars=task_vars, wrap_async=self._task.async_val)}
