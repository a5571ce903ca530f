# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases of a host's services, asked from that host whether their certificates can be verified. Files and key are read here."""

from __future__ import annotations

from ansible_collections.mcp.tenancy.plugins.module_utils import _database_tls, _declaration, _sharing, _status, _table
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _database_material, _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_action import TeamAction


class ActionModule(TeamAction):
    """``mcp.tenancy.database_tls`` without ``databases``; with them the module of that name as it is."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result, arguments = super().run(tmp, task_vars), dict(self._task.args)
        if "databases" in arguments:
            return {**result, **self._execute_module(task_vars=task_vars)}
        declared = self.declaration_of_host(task_vars)
        try:
            arguments["databases"] = self._databases(declared, task_vars)
        except (_database_material.MaterialError, _team_env.TeamEnvError) as error:
            return {**result, "failed": True, "msg": str(error)}
        found = self._execute_module(module_args=arguments, task_vars=task_vars)
        found.pop("invocation", None)
        databases = found.get("databases") or {}
        rows = _status.databases({task_vars["inventory_hostname"]: databases})
        show = arguments.get("show", "refused")
        if rows and (show == "always" or (show == "refused" and not _status.databases_well(rows))):
            self._display.display(_table.text(_status.DATABASES, rows))
        unreachable = [f"{name}: {one['told']}" for name, one in databases.items() if one["cause"] == _database_tls.UNREACHABLE]
        warnings = [*_declaration.weaker(declared), *_sharing.weaker(declared), *unreachable, *_status.ending(databases)]
        return {**result, **found, "warnings": [*found.get("warnings", []), *warnings]}

    def _databases(self, declared: dict, task_vars: dict) -> list[dict]:
        files, found = self.database_material(declared, task_vars), []
        for service in _declaration.services(declared):
            target = service["database"]
            place = {"name": service["name"], "engine": service["engine"], **{key: target[key] for key in ("host", "port", "database")}}
            mode = _database_tls.mode_of(service["engine"], target["parameters"])
            found.append({**place, "mode": mode, "ca": files.ca(service), "client": files.client(service)})
        for one in _sharing.connections(declared):
            target = one["database"]
            place = {"name": one["name"], "engine": one["engine"], **{key: target[key] for key in ("host", "port", "database")}}
            found.append({**place, "mode": target["parameters"]["sslmode"], "ca": files.ca(one), "client": ""})
        return found
