# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a team's declaration and the operator's .env. On the control node only; touches nothing."""

from __future__ import annotations

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_action import TeamAction


class ActionModule(TeamAction):
    """``mcp.tenancy.team_declaration``: all mistakes at once, or nothing."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        declaration, problems = self.checked(task_vars)
        if not problems:
            env = self.team_env(declaration, task_vars)
            try:
                problems = _team_env.problems(env.read(), _declaration.present(declaration), str(env.path), _declaration.absent(declaration))
            except _team_env.TeamEnvError as error:
                problems = error.problems
        host = task_vars["inventory_hostname"]
        if problems:
            lines = "\n".join(f"  - {host}: {problem}" for problem in problems)
            result.update(failed=True, msg=f"{len(problems)} mistake(s) in the declaration; nothing was touched.\n{lines}")
        else:
            result.update(changed=False, msg=f"{host}: the declaration of {declaration['mcp_team']} is in order")
            result["declaration"] = _declaration.on_host(declaration, host)
        return result
