# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What our action plugins share: the declaration out of a host's variables, and the team's ``.env``."""

from __future__ import annotations

import os

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _declaration_across, _declaration_check, _edge, _sharing, _sharing_check
from ansible_collections.mcp.tenancy.plugins.module_utils._problem import Problem
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _database_material, _edge_material, _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_env import TeamEnv


class TeamAction(ActionBase):
    """An action that knows the team of the host that it runs for."""

    def declaration(self, task_vars: dict) -> dict:
        """The host's ``mcp_*`` variables without the environments that are to go."""
        return _declaration.present(self.whole_declaration(task_vars))

    def whole_declaration(self, task_vars: dict) -> dict:
        """The host's ``mcp_*`` variables, templated. Everything with the prefix, so that a mistyped name is seen."""
        if "inventory_dir" not in task_vars:  # of a task that is delegated to the control node; the variables are still those of the team's host
            task_vars["inventory_dir"] = task_vars["hostvars"][task_vars["inventory_hostname"]]["inventory_dir"]
            self._templar.available_variables = task_vars
        found = {}
        for name in task_vars:
            if not str(name).startswith("mcp_"):
                continue
            try:
                found[name] = self._templar.template(task_vars[name])
            except AnsibleError as error:
                raise AnsibleError(f"{task_vars['inventory_hostname']}: {name} cannot be evaluated. Next: correct its template. {error.message}") from None
        return found

    def declaration_of_host(self, task_vars: dict) -> dict:
        """The declaration without the environments that are on other hosts."""
        return _declaration.on_host(self.declaration(task_vars), task_vars["inventory_hostname"])

    def checked(self, task_vars: dict) -> tuple[dict, list[Problem]]:
        """The whole declaration and every mistake in it, in the files that it names and in the operator's ``.env``."""
        declaration = self.whole_declaration(task_vars)
        problems = _declaration_check.of_parts(declaration)
        sound, unsound = _declaration_across.sound(declaration, problems), _declaration_across.unsound(declaration, problems)
        problems += _declaration_across.problems(sound)
        problems += _declaration_across.on_hosts(sound, task_vars["groups"]["all"], task_vars["inventory_hostname"])
        if all(name in sound for name in (*_sharing_check.SAME, "mcp_edge") if name in declaration):  # else it would tell of what is told already
            problems += self._sharing_problems(sound, task_vars)
        if _paths_known(sound):
            problems += self.database_material(sound, task_vars).problems(sound)  # of environments that are to go too: their logins are ended over TLS
            edge = _edge.of(sound)
            if edge:
                problems += _edge_material.EdgeMaterial(edge, lambda path: self.control_path(path, task_vars), self.team_env(sound, task_vars)).problems()
        aside = [name for variable, name in _sharing.LOGINS.items() if variable in declaration and variable not in sound]
        return declaration, problems + self._env_problems(sound, unsound, task_vars, aside)

    def _sharing_problems(self, sound: dict, task_vars: dict) -> list[Problem]:
        """What only shows when one looks at the other hosts of a team whose gateways share their registry."""
        if not _sharing.shares(sound):
            return []
        groups, host, hostvars = task_vars["groups"], task_vars["inventory_hostname"], task_vars["hostvars"]
        names = [name for name in groups["mcp_gateways" if "mcp_gateways" in groups else "all"] if name != host]
        team = [name for name in names if hostvars[name].get("mcp_team") == sound["mcp_team"]]
        told = (*_sharing_check.SAME, "mcp_edge")
        others = {name: {variable: hostvars[name][variable] for variable in told if variable in hostvars[name]} for name in team}
        return _sharing_check.on_hosts(sound, host, others, list(_declaration_across.placed(_declaration.present(sound))))

    def _env_problems(self, sound: dict, unsound: list[dict] | None, task_vars: dict, aside: list[str]) -> list[Problem]:
        """Mistakes in the operator's file, and where it does not fit the declaration's sound part."""
        if not _paths_known(sound):
            return []
        env = self.team_env(sound, task_vars)
        try:
            return _team_env.problems(env.read(), _declaration.present(sound), str(env.path), unsound, _declaration.absent(sound), aside)
        except _team_env.TeamEnvError as error:
            return error.problems

    def database_material(self, declaration: dict, task_vars: dict) -> _database_material.DatabaseMaterial:
        """CAs and client certificates of the team's database connections."""
        return _database_material.DatabaseMaterial(lambda path: self.control_path(path, task_vars), self.team_env(declaration, task_vars))

    def control_path(self, path: str, task_vars: dict) -> str:
        """A path on the control node; a relative one starts at the inventory."""
        return os.path.join(task_vars["inventory_dir"], os.path.expanduser(path))

    def team_env(self, declaration: dict, task_vars: dict) -> TeamEnv:
        """The operator's file."""
        paths = [self.control_path(declaration[name], task_vars) for name in ("mcp_env_file", "mcp_vault_key_file")]
        return TeamEnv(declaration["mcp_team"], *paths, vault_secrets=self._loader._vault.secrets)


def _paths_known(declaration: dict) -> bool:
    return all(name in declaration for name in ("mcp_env_file", "mcp_vault_key_file"))
