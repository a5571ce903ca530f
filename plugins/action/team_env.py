# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate the secrets of our own that the operator's .env lacks. On the control node only."""

from __future__ import annotations

from ansible_collections.mcp.tenancy.plugins.plugin_utils import _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_action import TeamAction


class ActionModule(TeamAction):
    """``mcp.tenancy.team_env``: reads, plans, writes; names only in the result."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        env = self.team_env(self.declaration(task_vars), task_vars)
        try:
            with env.locked():
                values = env.read()
                missing = _team_env.generate(values)
                if missing and not self._task.check_mode:
                    env.write({**values, **missing})
        except _team_env.TeamEnvError as error:
            return {**result, "failed": True, "msg": str(error)}
        before = "".join(f"{name}\n" for name in values)
        result.update(changed=bool(missing), generated=sorted(missing), diff={"before": before, "after": before + "".join(f"{name}\n" for name in missing)})
        return result
