# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's backup on the control node, encrypted with the team's key. What is in it is packed and unpacked on the host."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zlib
from pathlib import Path

from ansible.errors import AnsibleError

from ansible_collections.mcp.tenancy.plugins.module_utils import _atomic_file, _sealed
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _backups, _credentials_file, _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_action import TeamAction

FORMAT = 1
#: With which the gateway has encrypted what it stores, and signed the tokens that clients hold.
SECRETS = ("JWT_SECRET_KEY", "AUTH_ENCRYPTION_SECRET")


class BackupError(Exception):
    """Why a backup cannot be used, with the next step."""


class ActionModule(TeamAction):
    """``mcp.tenancy.host_backup``: the module, and the file on this side."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        self._vars, self._host = task_vars, task_vars["inventory_hostname"]
        declared = self.declaration(task_vars)
        self._team, self._version = declared["mcp_team"], str(declared.get("mcp_gateway_version") or "")
        try:
            env = self.team_env(declared, task_vars)
            self._keys = env.keys()  # while the team's key is being changed a backup may be under either
            values = env.read()
            self._label = hashlib.sha256("\0".join(values.get(name, "") for name in SECRETS).encode()).hexdigest()[:24]
            return {**result, **getattr(self, f"_{self._task.args['operation']}")()}
        except (BackupError, _team_env.TeamEnvError) as error:
            return {**result, "failed": True, "msg": str(error)}

    def _take(self) -> dict:
        """Raises BackupError."""
        now, key = _credentials_file.now(), _sealed.key()
        path = self._folder() / _backups.name(self._host, now)
        if self._task.check_mode:
            return {"changed": True, "file": str(path), "taken_at": now}
        told = self._module(seal_key=key)
        if told.get("failed") or told.get("unreachable"):
            return told
        content = {"format": FORMAT, "team": self._team, "host": self._host, "taken_at": now, "gateway": self._version, "secrets": self._label}
        content["files"] = _sealed.opened(key, told["sealed"])
        _atomic_file.write(path, _team_env.encrypt(json.dumps(content).encode(), self._keys[0], self._team))
        return {"changed": True, "file": str(path), "taken_at": now}

    def _open(self) -> dict:
        """Raises BackupError."""
        path, content = self._read()
        return {"changed": False, "file": str(path), "taken_at": content["taken_at"], "store": self._store(content)}

    def _place(self) -> dict:
        """Raises BackupError."""
        path, content = self._read()
        key = _sealed.key()
        told = self._module(seal_key=key, content=_sealed.seal(key, content["files"]))
        return {**told, "file": str(path), "taken_at": content["taken_at"]}

    def _module(self, **options: object) -> dict:
        told = self._execute_module("mcp.tenancy.host_backup", module_args={**self._task.args, **options}, task_vars=self._vars)
        told.pop("invocation", None)
        return told

    def _folder(self) -> Path:
        return Path(self.control_path(self._task.args["directory"], self._vars))

    def _found(self) -> Path:
        """The file that is asked for, or the host's newest."""
        given = self._task.args.get("file") or ""
        if given:
            return Path(os.path.join(self._folder(), os.path.expanduser(given)))
        path = _backups.newest(self._folder(), self._host)
        if path is None:
            raise BackupError(f"{self._folder()} has no backup of {self._host}. Next: name one with -e mcp_backup=FILE, or run deploy.yml for an empty host")
        return path

    def _read(self) -> tuple[Path, dict]:
        path = self._found()
        try:
            content = json.loads(_team_env.decrypt(path.read_bytes(), self._keys, self._team))
        except OSError as error:
            raise BackupError(f"{path} cannot be read ({error.strerror}). Next: correct mcp_backup") from None
        except (AnsibleError, ValueError):
            raise BackupError(f"{path} cannot be decrypted with the team's key. Next: use the key with which it was taken, or another backup") from None
        if (content.get("format"), content.get("team")) != (FORMAT, self._team):
            raise BackupError(f"{path} is a backup of team {content.get('team')}, format {content.get('format')}. Next: name one of {self._team}")
        if content["host"] != self._host and not self._task.args.get("file"):
            raise BackupError(f"{path} is a backup of {content['host']}. Next: if it shall be put back here, name it with -e mcp_backup=FILE and --limit")
        if content["secrets"] != self._label:
            raise BackupError(
                f"{path} was taken with other secrets of the gateway ({', '.join(SECRETS)}), so nothing in it could be read. "
                "Next: use the .env of then, or a newer backup"
            )
        if _numbers(content["gateway"]) > _numbers(self._version):
            raise BackupError(f"{path} is of the gateway's version {content['gateway']}, newer than {self._version}. Next: use the collection that took it")
        return path, content

    @staticmethod
    def _store(content: dict) -> dict:
        if "store" not in content["files"]:
            return {"version": 0, "document": ""}
        held = json.loads(zlib.decompress(base64.b64decode(content["files"]["store"])))
        return {"version": held["version"], "document": held["document"]}


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]
