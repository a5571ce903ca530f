# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a team's declaration and the operator's .env. On the control node only; touches nothing."""

from __future__ import annotations

import dataclasses

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _sharing
from ansible_collections.mcp.tenancy.plugins.module_utils._problem import Problem
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _origin
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_action import TeamAction


class ActionModule(TeamAction):
    """``mcp.tenancy.team_declaration``: all mistakes at once, or nothing."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        declaration, problems = self.checked(task_vars)
        told = {problem.place for problem in problems}
        problems += [one for one in _origin.logins(task_vars, task_vars["inventory_dir"]) if one.place not in told]
        host = task_vars["inventory_hostname"]
        if problems:
            lines = "\n".join(f"  - {host}: {self._placed(problem, task_vars)}" for problem in problems)
            result.update(failed=True, msg=f"{len(problems)} mistake(s) in the declaration; nothing was touched.\n{lines}")
        else:
            result.update(changed=False, msg=f"{host}: the declaration of {declaration['mcp_team']} is in order")
            result["warnings"] = _declaration.weaker(declaration) + _sharing.weaker(declaration)
            result["declaration"] = _declaration.on_host(declaration, host)
        return result

    def _placed(self, problem: Problem, task_vars: dict) -> Problem:
        """The mistake with the file and line of its variable."""
        line = _origin.line(task_vars, problem.place)
        return dataclasses.replace(problem, place=f"{problem.place} ({line})") if line else problem
