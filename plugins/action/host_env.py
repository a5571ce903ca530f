# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own .env: what its services need, encrypted with the host's own key. Plaintexts are compared here, where the keys are."""

from __future__ import annotations

from ansible.errors import AnsibleError

from ansible_collections.mcp.tenancy.plugins.plugin_utils import _dotenv_file, _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_action import TeamAction


class ActionModule(TeamAction):
    """``mcp.tenancy.host_env``: reads the host's ciphertext, compares, sends a new one when the content differs."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        arguments, declaration = self._task.args, self.declaration_of_host(task_vars)
        team, env = declaration["mcp_team"], self.team_env(declaration, task_vars)
        try:
            team_key, values = env.key(), env.read()
        except _team_env.TeamEnvError as error:
            return {**result, "failed": True, "msg": str(error)}
        # A check before the first deploy: what would be generated is not there yet, its place is taken by what would change anyway.
        wanted = _team_env.projection({**_team_env.generate(values), **values}, declaration)
        key = _team_env.host_key(team_key, task_vars["inventory_hostname"])

        options = {"path": arguments["path"], "key_path": arguments["key_path"], "sealed_as": arguments["manifest"].get("key_sealed_as", "")}
        found = self._execute_module("mcp.tenancy.host_env", module_args={**options, "key": key.decode()}, task_vars=task_vars)
        if found.get("failed"):
            return {**result, **found}
        held = self._held(found, key, team)
        changed = [name for name in sorted({*held, *wanted}) if held.get(name) != wanted.get(name)]
        rewrite = bool(changed) or not found["present"]
        if (rewrite or found["changed"]) and not self._task.check_mode:
            text = _team_env.encrypt(_dotenv_file.render(wanted).encode(), key, team).decode() if rewrite else None
            found = self._execute_module(
                "mcp.tenancy.host_env", module_args={**options, "key": key.decode(), "content": text, "write": True}, task_vars=task_vars
            )
            if found.get("failed"):
                return {**result, **found}
        names = [
            "".join(f"{name}={'<redacted, changed>' if name in changed and side is wanted else '<redacted>'}\n" for name in side) for side in (held, wanted)
        ]
        result.update(
            changed=rewrite or found["changed"],
            changed_keys=changed,
            revisions=_team_env.revisions(arguments["manifest"], wanted, key),
            diff={"before_header": options["path"], "after_header": options["path"], "before": names[0], "after": names[1]},
        )
        return result

    @staticmethod
    def _held(found: dict, key: bytes, team: str) -> dict[str, str]:
        """What the host has now; nothing when its file cannot be opened with its key (it is then written anew)."""
        if not found["present"]:
            return {}
        try:
            return _dotenv_file.parse(_team_env.decrypt(found["ciphertext"].encode(), key, team).decode())
        except (AnsibleError, ValueError):
            return {}
