# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another vault key for a team: what happens on the control node, and with the credentials' document, which only the team's key opens."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.mcp.tenancy.plugins.module_utils import _credentials, _edge, _rotation
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _backups, _credentials_file, _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._rekey import Rekey
from ansible_collections.mcp.tenancy.plugins.plugin_utils._store_action import StopError, StoreAction


class ActionModule(StoreAction):
    """``mcp.tenancy.team_rekey``: each step can be done again, whatever a run before left."""

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        self._vars, self._arguments = task_vars, self._task.args
        self._declared = self.declaration(task_vars)
        self._env = self.team_env(self._declared, task_vars)
        self._rekey = Rekey(self._env, Path(task_vars["inventory_dir"]), self._elsewhere())
        try:
            return {**result, **getattr(self, f"_{self._arguments['step']}")()}
        except (StopError, _credentials.CredentialsError, _team_env.TeamEnvError) as error:
            return {**result, "failed": True, "msg": f"{error}"}

    def _elsewhere(self) -> list[Path]:
        """What the declaration names that may be encrypted and need not be below the inventory: the edge's key, backups."""
        edge = _edge.of(self._declared)
        named = [edge["given"]["key"]] if edge and edge["tls"] == "given" else []
        backups = Path(self.control_path(self._arguments["backups"], self._vars))
        return [*(Path(self.control_path(path, self._vars)) for path in named), *_backups.everyones(backups)]

    def _begin(self) -> dict:
        """The lease, the next key, and the document under it."""
        if left_out := self._arguments.get("left_out"):
            raise StopError(
                f"{', '.join(left_out)} would keep the key before: a change of the team's key needs all of its hosts. "
                "Next: run without --limit; correct what kept a host out of the run"
            )
        given = self._arguments.get("new_key_file")
        given = Path(self.control_path(given, self._vars)) if given else None
        if problems := self._rekey.problems(given):
            raise _team_env.TeamEnvError(problems)
        if self._task.check_mode:
            held = self._store(operation="read")
            _credentials_file.opened(held, self._env.keys(), self._declared["mcp_team"])
            return {**_told(held), "changed": True, "files": self._names(self._rekey.files()), "under_way": self._rekey.under_way}
        held = self._acquired(_rotation.of(self._declared).lease)
        try:
            before = self._rekey.under_way
            document = self._newest(held)
            self._rekey.begin(given)
            return {**_told(self._rewritten(document, held)), "changed": True, "under_way": before}
        except Exception:
            self._store(operation="release", fence=held["fence"])
            raise

    def _newest(self, held: dict) -> dict:
        """The document out of the store and its copies. Whatever of them cannot be opened is told before anything is changed."""
        copies = [one for one in [held, *(self._arguments.get("copies") or [])] if one and one.get("document")]
        keys, team = self._env.keys(), self._declared["mcp_team"]
        return _credentials.merged(team, [_credentials_file.opened(one, keys, team) for one in copies])

    def _rewritten(self, document: dict, held: dict) -> dict:
        """The document of a team that has one, under the key of now; a new version, so that no copy of before replaces it."""
        if not document["version"]:
            return held
        document = {**document, "rekeyed_at": _credentials_file.now()}
        return self._written(document, held, self._env.key(), _rotation.of(self._declared).lease)

    def _finish(self) -> dict:
        """The files of the control node, then the key's own, when every host has said that it needs the key before no more."""
        self._run()
        wanted = self._arguments["state"]
        for host, held in self._arguments["copies"].items():
            if (held.get("version"), held.get("document")) != (wanted["version"], wanted["document"]):
                raise StopError(f"{host} does not have the credentials' document under the new key: {held.get('msg', 'it has another one')}. Next: run again")
        for host, said in self._arguments["hosts"].items():
            if said.get("failed") or said.get("unreachable") or said.get("changed") is not False:
                raise StopError(f"{host} may still need the key before: {said.get('msg', 'its .env was just changed')}. Next: run again")
        done = self._rekey.carry()
        self._rekey.finish()
        self._store(operation="release", fence=wanted["fence"])
        return {"changed": True, "files": self._names(done), "key_file": str(self._env.key_file)}

    def _names(self, paths: list[Path]) -> list[str]:
        base = os.path.realpath(self._vars["inventory_dir"])
        return [os.path.relpath(path, base) if path.is_relative_to(base) else str(path) for path in paths]


def _told(held: dict) -> dict:
    return {"document": held["document"], "version": held["version"], "fence": held["fence"]}
