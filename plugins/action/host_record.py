# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digest of everything that a deploy is made from. It is made here, where all of that is; the host keeps and compares it."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _edge
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _edge_material, _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_action import TeamAction

COLLECTION = Path(__file__).resolve().parents[2]
#: Folders of the collection that decide what a deploy does.
SOURCES = ("playbooks", "plugins", "roles", "services")
#: Variables that say how a run goes, not what it makes.
OF_THE_RUN = {
    "mcp_serial", "mcp_deploy", "mcp_rotate", "mcp_status", "mcp_do", "mcp_user", "mcp_service", "mcp_login_file",
    "mcp_client_do", "mcp_client_file", "mcp_client_format", "mcp_client_overlap", "mcp_environment",
    "mcp_remove", "mcp_remove_logins", "mcp_backup", "mcp_backup_directory",
}  # fmt: skip


class ActionModule(TeamAction):
    """``mcp.tenancy.host_record``: the module, told what the deploy is made from."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result, arguments = super().run(tmp, task_vars), dict(self._task.args)
        declared = {name: value for name, value in self._templar.template(task_vars["team_declaration"]).items() if name not in OF_THE_RUN}
        env = self.team_env(declared, task_vars)
        try:
            key, values = _team_env.host_key(env.key(), task_vars["inventory_hostname"]), env.read()
            edge = self._edge(declared, task_vars)
        except (_team_env.TeamEnvError, _edge_material.EdgeMaterialError) as error:
            return {**result, "failed": True, "msg": str(error)}
        authorities = {}
        for service in _declaration.services(declared):
            authorities[service["name"]] = Path(self.control_path(service["ca"], task_vars)).read_text(errors="replace")
        material = {"edge": edge, "declaration": declared, "env": values, "authorities": authorities, "variables": arguments.get("variables", {})}
        text = json.dumps({**material, "collection": collection_digest(COLLECTION)}, sort_keys=True, default=str)
        arguments["inputs"] = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        return {**result, **self._execute_module(module_args=arguments, task_vars=task_vars)}

    def _edge(self, declared: dict, task_vars: dict) -> list[str]:
        """The edge's files of the control node: those that are given to it, and what is kept here of its own CA."""
        edge = _edge.of(declared)
        if edge is None:
            return []
        material = _edge_material.EdgeMaterial(edge, lambda path: self.control_path(path, task_vars), self.team_env(declared, task_vars))
        return [material.given(), material.acme_ca(), material.authority(task_vars["inventory_hostname"])]


def collection_digest(root: Path) -> str:
    """Of names and contents of all files that a deploy may use; what Python compiled from them is left out."""
    digest = hashlib.sha256()
    for name in SOURCES:
        for path in sorted((root / name).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                content = path.read_bytes()
                digest.update(f"{path.relative_to(root)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
