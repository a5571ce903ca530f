# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What our action plugins share: the declaration out of a host's variables, and the team's ``.env``."""

from __future__ import annotations

import os

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _declaration_check, _edge
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _edge_material
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

    def checked(self, task_vars: dict) -> tuple[dict, list[_declaration_check.Problem]]:
        """The whole declaration and every mistake in it (CA files that are not there included)."""
        declaration = self.whole_declaration(task_vars)
        problems = _declaration_check.problems(declaration)
        if not problems:
            problems += _declaration_check.on_hosts(declaration, task_vars["groups"]["all"], task_vars["inventory_hostname"])
        for index, environment in enumerate(declaration["mcp_environments"] if not problems else []):
            for engine in ("postgres", "mongodb"):
                if environment.get(engine) and not os.path.isfile(self.control_path(environment[engine]["ca"], task_vars)):
                    place = f"mcp_environments[{index}].{engine}.ca"
                    problems.append(
                        _declaration_check.Problem(place, f"there is no file {environment[engine]['ca']}", "put the PEM file of the database's CA there")
                    )
        edge = _edge.of(declaration) if not problems else None
        if edge:
            problems += _edge_material.EdgeMaterial(edge, lambda path: self.control_path(path, task_vars), self.team_env(declaration, task_vars)).problems()
        return declaration, problems

    def control_path(self, path: str, task_vars: dict) -> str:
        """A path on the control node; a relative one starts at the inventory."""
        return os.path.join(task_vars["inventory_dir"], os.path.expanduser(path))

    def team_env(self, declaration: dict, task_vars: dict) -> TeamEnv:
        """The operator's file."""
        paths = [self.control_path(declaration[name], task_vars) for name in ("mcp_env_file", "mcp_vault_key_file")]
        return TeamEnv(declaration["mcp_team"], *paths, vault_secrets=self._loader._vault.secrets)
