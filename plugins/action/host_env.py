# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own .env: what its services need, encrypted with the host's own key. Plaintexts are compared here, where the keys are."""

from __future__ import annotations

from ansible.errors import AnsibleError

from ansible_collections.mcp.tenancy.plugins.module_utils import _credentials, _declaration
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _credentials_file, _database_material, _dotenv_file, _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_action import TeamAction

#: How often it starts anew when somebody else wrote the file meanwhile.
TRIES = 5


class ActionModule(TeamAction):
    """``mcp.tenancy.host_env``: reads the host's ciphertext, compares, sends a new one when the content differs."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        self._vars, self._declared = task_vars, self.declaration_of_host(task_vars)
        if not self._task.args.get("rekey") and not self._task.args["manifest"]["services"]:  # the host could not be asked before
            found = self._execute_module("ansible.builtin.ping", task_vars=task_vars)
            why = "how its services are started could not be read. Next: see that the host is up; run deploy.yml for it if it never had one"
            return {**result, **found} if found.get("unreachable") else {**result, "failed": True, "msg": why}
        try:
            for _attempt in range(TRIES):
                found = self._replace_where_it_differs()
                if not found.get("raced"):
                    break
            if "marks" in found:
                found["tls"] = self.database_material(self._declared, task_vars).digests(self._declared)
        except (_team_env.TeamEnvError, _credentials.CredentialsError, _database_material.MaterialError) as error:
            return {**result, "failed": True, "msg": str(error)}
        return {**result, **found}

    def _sealed_as(self) -> str:
        """The name under which the host's own key encrypts the vault key; empty where it does not."""
        if self._task.args.get("rekey"):
            return _declaration.key_sealed_as(self._declared)
        return self._task.args["manifest"].get("key_sealed_as", "")

    def _keys(self) -> list[bytes]:
        """The host's key; while the team's is being changed those before it too, which still may be what opens its file."""
        of_team = self.team_env(self._declared, self._vars).keys()
        return [_team_env.host_key(key, self._vars["inventory_hostname"]) for key in of_team]

    def _wanted(self, held: dict[str, str]) -> dict[str, str]:
        """What the host's file should hold."""
        if self._task.args.get("rekey"):
            return held
        team, env = self._declared["mcp_team"], self.team_env(self._declared, self._vars)
        values = env.read()
        document = _credentials_file.opened(self._task.args["credentials"], env.keys(), team)
        # A check before the first deploy: what would be made is not there yet, its place is taken by what would change anyway.
        values = {**_team_env.generate(values), **values}
        if self._task.check_mode:
            document = _credentials_file.with_stand_ins(document, _declaration.services(self._declared))
        clients = self.database_material(self._declared, self._vars).clients(self._declared)
        return _team_env.projection(values, self._declared, document, clients)

    def _replace_where_it_differs(self) -> dict:
        arguments, keys = self._task.args, self._keys()
        key = keys[0]
        options = {"path": arguments["path"], "key_path": arguments["key_path"], "sealed_as": self._sealed_as()}
        found = self._execute_module("mcp.tenancy.host_env", module_args={**options, "key": key.decode()}, task_vars=self._vars)
        if found.get("failed") or found.get("unreachable"):
            return found
        if self._keys() != keys:  # the team's key was changed meanwhile
            return {"failed": True, "msg": "the team's key changes again and again. Next: run again", "raced": True}
        if arguments.get("rekey") and not found["present"]:  # a host that never had a deploy
            return {"changed": False, "changed_keys": []}
        held, under = self._held(found, keys, self._declared["mcp_team"])
        if found["present"] and under is None and arguments.get("rekey"):
            what = f"{self._vars['inventory_hostname']}: {options['path']} opens with none of the team's keys"
            raise _credentials.CredentialsError(f"{what}. Next: run deploy.yml, which makes it anew; then run rekey.yml again")
        wanted = self._wanted(held)
        newer = _team_env.newer_on_the_host(held, wanted, self._declared) if not (arguments.get("back") or arguments.get("rekey")) else []
        if newer:
            raise _credentials.CredentialsError(
                f"{self._vars['inventory_hostname']} has a later generation of {', '.join(newer)} than the store: a rotation is under way or was cut off, "
                "or the store was restored from an older copy. Next: run rotate.yml, which goes on from there; or bring the newer store back"
            )
        changed = [name for name in sorted({*held, *wanted}) if held.get(name) != wanted.get(name)]
        rewrite = bool(changed) or not found["present"] or under not in (None, key)
        if (rewrite or found["changed"]) and not self._task.check_mode:
            text = _team_env.encrypt(_dotenv_file.render(wanted).encode(), key, self._declared["mcp_team"]).decode() if rewrite else None
            written = {**options, "key": key.decode(), "content": text, "write": True, "instead_of": found["ciphertext"]}
            found = self._execute_module("mcp.tenancy.host_env", module_args=written, task_vars=self._vars)
            if found.get("failed") or found.get("unreachable") or found["raced"]:
                return found
        names = [
            "".join(f"{name}={'<redacted, changed>' if name in changed and side is wanted else '<redacted>'}\n" for name in side) for side in (held, wanted)
        ]
        return {
            "changed": rewrite or found["changed"],
            "changed_keys": changed,
            **({} if arguments.get("rekey") else self._told(wanted)),
            "diff": {"before_header": options["path"], "after_header": options["path"], "before": names[0], "after": names[1]},
        }

    def _with_logins(self) -> list[dict]:
        """The services of this host that are given a login, or those of people."""
        return [*_declaration.services(self._declared), *(one for one in _declaration.user_services(self._declared) if one["stored"])]

    def _told(self, wanted: dict[str, str]) -> dict:
        """What the services should be running, with which logins, and whom they should let in."""
        marks = {service["name"]: wanted[service["mark"]] for service in self._with_logins()}
        named = [*_declaration.services(self._declared), *_declaration.user_services(self._declared)]
        bearers = {service["name"]: _declaration.bearers(wanted, service["name"]) for service in named}
        return {"revisions": _team_env.revisions(self._task.args["manifest"], wanted), "marks": marks, "bearers": bearers}

    @staticmethod
    def _held(found: dict, keys: list[bytes], team: str) -> tuple[dict[str, str], bytes | None]:
        """What the host has now and the key that opens it; nothing when none of its keys does (it is then written anew)."""
        for key in keys if found["present"] else []:
            try:
                return _dotenv_file.parse(_team_env.decrypt(found["ciphertext"].encode(), key, team).decode()), key
            except (AnsibleError, ValueError):
                continue
        return {}, None
