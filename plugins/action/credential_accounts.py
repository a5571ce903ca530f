# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the credentials' document to the databases: which logins must work. The admins' logins are read here, for this task only."""

from __future__ import annotations

from ansible_collections.mcp.tenancy.plugins.module_utils import _accounts, _connection_string, _credentials, _declaration, _people, _rotation, _walk
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _credentials_file, _database_material, _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_action import TeamAction


class ActionModule(TeamAction):
    """``mcp.tenancy.credential_accounts`` with ``document`` and ``names``; without them the module of that name as it is."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        if "credentials" in self._task.args:
            return {**result, **self._execute_module("mcp.tenancy.credential_accounts", task_vars=task_vars)}
        for host, copied in (self._task.args.get("copied") or {}).items():
            if copied.get("failed") or copied.get("unreachable"):
                why = "cannot be reached" if copied.get("unreachable") else copied.get("msg")
                return {**result, "failed": True, "msg": f"{host} has no copy of what is staged, so no database was told: {why}. Next: see to that host"}
        declared = self.whole_declaration(task_vars)  # whose login is ended may be of an environment that is to go
        try:
            credentials = self._credentials(declared, task_vars)
        except (_team_env.TeamEnvError, _credentials.CredentialsError, _database_material.MaterialError) as error:
            return {**result, "failed": True, "msg": str(error)}
        found = {"changed": False, "services": {}}
        if credentials:
            found = self._execute_module("mcp.tenancy.credential_accounts", module_args={"credentials": credentials}, task_vars=task_vars)
        found.pop("invocation", None)
        return {**result, **found}

    def _credentials(self, declared: dict, task_vars: dict) -> list[dict]:
        env = self.team_env(declared, task_vars)
        document = _credentials_file.opened(self._task.args["document"], env.keys(), declared["mcp_team"])
        values, rotation, files, found = env.read(), _rotation.of(declared), self.database_material(declared, task_vars), []
        for service in [*_declaration.services(declared), *_people.services(declared, document)]:
            entry = document["credentials"].get(service["name"])
            if service["name"] not in self._task.args["names"] or entry is None:
                continue
            account = _accounts.account(declared, service)
            wanted = {slot: _login(held, rotation) for slot, held in _walk.usable(entry).items()}
            account["gone"] = bool(entry["walk"]) and entry["walk"]["step"] == _walk.LEAVING and entry["walk"].get("drained", False)
            admin = None
            if entry["kind"] == "managed":
                if _declaration.admin_key(service["engine"], service["environment"]) not in values:
                    key = _declaration.admin_key(service["engine"], service["environment"])
                    raise _credentials.CredentialsError(f"{service['name']}: {key} is not in the .env, so its logins cannot be ended. Next: put it back")
                login = _connection_string.parse(values[_declaration.admin_key(service["engine"], service["environment"])], service["engine"])
                admin = {"user": login.user, "password": login.password}
            else:
                account["logins"] = {slot: held["login"] for slot, held in entry["slots"].items()}
                wanted = {slot: _login(entry["slots"][slot], rotation) for slot in _walk.to_prove(entry)}
            found.append({"account": account, "admin": admin, "wanted": wanted, "prove": _walk.to_prove(entry)})
            found[-1] |= {"ca": files.ca(service), "client": files.client(service)}
        return found


def _login(held: dict | None, rotation: _rotation.Rotation) -> dict | None:
    return None if held is None else {"password": held["password"], "valid_until": rotation.valid_until(held)}
