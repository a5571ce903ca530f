# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What actions share that change the credentials' document: its store on the team's store host, under a lease."""

from __future__ import annotations

import multiprocessing
import os

from ansible_collections.mcp.tenancy.plugins.plugin_utils import _credentials_file
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_action import TeamAction


class StopError(Exception):
    """The run ends here; nothing was half done."""


class StoreAction(TeamAction):
    """An action that is delegated to the store host. ``_vars`` and ``_arguments``, with the store's ``path``, are set by its ``run``."""

    def _acquired(self, seconds: float) -> dict:
        """The lease; a process of this machine that has ended does not keep it."""
        me = _credentials_file.holder(self._run())
        found = self._store_once(operation="acquire", holder=me, seconds=seconds)
        if found.get("failed") and found.get("holder") and _credentials_file.is_gone(found["holder"]):
            found = self._store_once(operation="acquire", holder=me, seconds=seconds, instead_of=found["holder"])
        if found.get("failed"):
            raise StopError(found["msg"])
        return found

    @staticmethod
    def _run() -> int:
        """The pid of the run that this task is of. A task that outlived its run takes nothing: it would hold a lease in the name of whoever adopted it."""
        parent = multiprocessing.parent_process()
        if parent is not None and parent.pid != os.getppid():
            raise StopError("the run that this task is of has ended, so nothing was done. Next: run again")
        return os.getppid()

    def _written(self, document: dict, base: dict, key: bytes, seconds: float) -> dict:
        """A new version of the document, instead of that of ``base`` and under its lease."""
        version = max(document["version"], base["version"]) + 1
        document = {**document, "version": version}
        text = _credentials_file.sealed(document, key)
        self._store(operation="write", document=text, version=version, base=base["version"], fence=base["fence"], seconds=seconds)
        return {"document": text, "version": version, "fence": base["fence"]}

    def _store(self, **options: object) -> dict:
        found = self._store_once(**options)
        if found.get("failed"):
            raise StopError(found["msg"])
        return found

    def _store_once(self, **options: object) -> dict:
        arguments = {"path": self._arguments["path"], **options}
        return self._execute_module("mcp.tenancy.credential_store", module_args=arguments, task_vars=self._vars)
