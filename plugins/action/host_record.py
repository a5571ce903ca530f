# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digest of everything that a deploy is made from. It is made here, where all of that is; the host keeps and compares it."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shlex
from pathlib import Path

from ansible import constants as C

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _edge
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _database_material, _edge_material, _piped, _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_action import TeamAction

COLLECTION = Path(__file__).resolve().parents[2]
#: Folders of the collection that decide what a deploy does.
SOURCES = ("playbooks", "plugins", "roles", "services")
#: Variables that say how a run goes, not what it makes.
OF_THE_RUN = {
    "mcp_serial", "mcp_deploy", "mcp_rotate", "mcp_status", "mcp_do", "mcp_user", "mcp_service", "mcp_login_file",
    "mcp_client_do", "mcp_client_file", "mcp_client_format", "mcp_client_overlap", "mcp_environment",
    "mcp_new_vault_key_file", "mcp_own_secrets",
    "mcp_remove", "mcp_remove_logins", "mcp_backup", "mcp_backup_directory", "mcp_upgrade",
}  # fmt: skip
#: The comparison without a module around it.
COMPARE = _piped.Program("_record", "compare")


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
            files = self.database_material(declared, task_vars)
            authorities = {service["name"]: [files.ca(service), files.client(service)] for service in _declaration.services(declared)}
        except (_team_env.TeamEnvError, _edge_material.EdgeMaterialError, _database_material.MaterialError) as error:
            return {**result, "failed": True, "msg": str(error)}
        material = {"edge": edge, "declaration": declared, "env": values, "authorities": authorities, "variables": arguments.get("variables", {})}
        text = json.dumps({**material, "collection": collection_digest(COLLECTION)}, sort_keys=True, default=str)
        arguments["inputs"] = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        answer = self._compared(arguments, task_vars) if arguments.get("operation") == "compare" else None
        return {**result, **(answer or self._execute_module(module_args=arguments, task_vars=task_vars))}

    def _compared(self, arguments: dict, task_vars: dict) -> dict | None:
        """The module's answer, without the module. None where that cannot be, or goes wrong: then the module looks, or says what is wrong."""
        python = str(self._templar.template(C.config.get_config_value("INTERPRETER_PYTHON", variables=task_vars)))
        if not python.startswith("/") or not self._connection.is_pipelining_enabled():
            return None
        text = COMPARE.text({"path": arguments["path"], "inputs": arguments["inputs"]})
        done = self._low_level_execute_command(f"{shlex.quote(python)} -IS -", in_data=text)
        try:
            answer = {"changed": False, **json.loads(done["stdout"])} if done["rc"] == 0 else None
        except ValueError:
            answer = None
        self._display.vv("compared without a module" if answer else "the module has to look", host=task_vars["inventory_hostname"])
        return answer

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
        for folder, folders, files in os.walk(root / name):
            folders.sort()
            for path in (os.path.join(folder, file) for file in sorted(files) if not file.endswith(".pyc")):
                content = Path(path).read_bytes()
                digest.update(f"{os.path.relpath(path, root)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
