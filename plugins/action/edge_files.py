# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge's configuration and, where one is given, its certificate and key, which are read here, where the team's key is."""

from __future__ import annotations

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _edge
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _edge_material, _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_action import TeamAction


class ActionModule(TeamAction):
    """``mcp.tenancy.edge_files``: the module, told what to place."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result, declared = super().run(tmp, task_vars), self.declaration_of_host(task_vars)
        edge, where = _edge.of(declared), _edge.places(declared)
        material = _edge_material.EdgeMaterial(edge, lambda path: self.control_path(path, task_vars), self.team_env(declared, task_vars))
        try:
            files = {
                "config": {"path": where["config"], "content": _edge.config_text(declared)},
                "tls": {"path": where["tls"], "content": material.given()},
                "acme_ca": {"path": where["acme_ca"], "content": material.acme_ca()},
            }
        except (_edge_material.EdgeMaterialError, _team_env.TeamEnvError) as error:
            return {**result, "failed": True, "msg": str(error)}
        given = {**files, "owner": _declaration.user(declared, _edge.SERVICE), "program": self._task.args["program"]}
        found = self._execute_module(module_args=given, task_vars=task_vars)
        if not found.get("failed") and not found.get("unreachable"):
            texts = "\0".join(file["content"] for file in files.values())
            found["revision"] = _edge.revision(texts, found.get("program", ""))
        return {**result, **found}
