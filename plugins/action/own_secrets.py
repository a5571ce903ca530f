# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a change of our own secrets, each one write of the operator's .env. On the control node only."""

from __future__ import annotations

import datetime

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _own_secrets, _password
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_action import TeamAction


class ActionModule(TeamAction):
    """``mcp.tenancy.own_secrets``: reads, plans, writes; names only in the result."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result, arguments = super().run(tmp, task_vars), self._task.args
        env = self.team_env(self.declaration(task_vars), task_vars)
        if left_out := arguments.get("left_out"):
            why = f"{', '.join(left_out)} would keep secrets that are about to end: a change of our own secrets needs all hosts of the team. "
            return {**result, "failed": True, "msg": f"{why}Next: see what kept a host out of the run, then run own_secrets.yml again; it goes on from here"}
        try:
            kinds = _own_secrets.asked(arguments.get("kinds"))
            with env.locked():
                before = env.read()
                after = self._step(arguments["step"], before, kinds)
                if after != before and not self._task.check_mode:
                    env.write(after)
        except (_team_env.TeamEnvError, _own_secrets.OwnSecretsError) as error:
            return {**result, "failed": True, "msg": str(error)}
        names = ["".join(f"{name}\n" for name in sorted(side)) for side in (before, after)]
        told = {"under_way": _own_secrets.under_way(after), "diff": {"before": names[0], "after": names[1]}}
        following = [kind for kind, name in _own_secrets.KINDS.items() if name + _own_secrets.NEXT in after]
        return {**result, **told, "changed": after != before, "following": following, "resumed": bool(_own_secrets.under_way(before))}

    @staticmethod
    def _step(step: str, values: dict[str, str], kinds: list[str]) -> dict[str, str]:
        if step == "begin":
            missing = [name for name in _declaration.OWN_SECRETS if not values.get(name)]
            if missing:
                raise _own_secrets.OwnSecretsError(f"the .env has no {', '.join(missing)} yet. Next: run deploy.yml, which generates what is ours")
            if not kinds and not _own_secrets.under_way(values):
                named = ", ".join(_own_secrets.KINDS)
                raise _own_secrets.OwnSecretsError(f"nothing is asked for and nothing is under way. Next: pass -e mcp_own_secrets= with some of {named}")
            return _own_secrets.begun(values, kinds, lambda name: _password.draw(_declaration.OWN_SECRETS[name]))
        if step == "switch":
            return _own_secrets.switched(values)
        return _own_secrets.ended(values, datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"))
