# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a team's inventory out of what a user of the guide has: shown first, written with consent. On the control node only; sources are only read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.mcp.tenancy.plugins.module_utils import _import, _init, _table
from ansible_collections.mcp.tenancy.plugins.module_utils._problem import Problem
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _import_folder, _import_gateway, _new_team

#: Mistakes that a question can put right, by the place at which they are told.
ASKABLE = {"import_hosts": "hosts", "import_ca": "ca"}


class ActionModule(ActionBase):
    """``mcp.tenancy.team_import``."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        given, consent = self._task.args, bool(self._task.args.get("consent"))
        try:
            read = _import_folder.Reader(Path(str(given.get("from") or "")).expanduser())
            if given.get("gateway"):
                read.registered(given["gateway"], *_import_gateway.registrations(given["gateway"], read.folder.envs))
        except (_import_folder.FolderError, _import_gateway.ImportGatewayError) as error:
            return {**result, "failed": True, "msg": str(error)}
        if given.get("seen") and given["seen"] != read.stamp:
            return {**result, "failed": True, "msg": "What was shown has changed since; nothing was written. Next: run this again."}
        understood = _import.understand(read.folder, str(given.get("environment") or ""), list(given.get("members") or []), str(given.get("upstreams") or ""))
        ca = self._ca(given, read)
        made = _init.new_team({**given, "environments": understood.environments})
        key, folder = _new_team.key_file(given), Path(given["inventories"]) / str(given.get("team") or "")
        problems = _problems(made, understood, given, [*_new_team.in_the_way(ca, key, folder, bool(given.get("team")))])
        missing = [ASKABLE[problem.place] for problem in problems if problem.place in ASKABLE and not given.get(ASKABLE[problem.place])]
        if not given.get("seen"):
            self._display.display(_said(understood, folder, key))
        if fatal := [problem for problem in problems if consent or ASKABLE.get(problem.place) not in missing]:
            lines = "\n".join(f"  - {problem}" for problem in fatal)
            return {**result, "failed": True, "msg": f"{len(fatal)} mistake(s) stand against the import; nothing was written.\n{lines}"}
        if consent and not self._task.check_mode:
            _new_team.write(made, ca, key, folder)
        told = {"inventory": str(folder), "key_file": str(key), "missing": missing, "seen": read.stamp}
        return {**result, "changed": consent, "rows": [finding.row() for finding in understood.findings], **told}

    @staticmethod
    def _ca(given: dict[str, Any], read: _import_folder.Reader) -> Path:
        """The file that was named, else the one that is in the folder."""
        if given.get("ca") or len(read.certificates) != 1:
            return Path(str(given.get("ca") or "")).expanduser()
        return Path(str(given["from"])).expanduser() / read.certificates[0]


def _problems(made: _init.NewTeam, understood: _import.Understood, given: dict[str, Any], in_the_way: list[Problem]) -> list[Problem]:
    """Under the names of import.yml's variables."""
    found = [Problem(_renamed(problem.place), problem.message, _renamed(problem.next_step)) for problem in [*made.problems, *in_the_way]]
    names = {environment["name"] for environment in understood.environments}
    if not names:  # instead of what follows from it
        found = [problem for problem in found if not problem.place.startswith("mcp_environments")]
        step = "see the table: write what is unclear as NAME=value with one connection string, into a copy of the folder"
        found.append(Problem("from", "there is no login of a database that could be taken", step))
    elif given.get("upstreams") and given["upstreams"] not in names:
        found.append(Problem("import_upstreams", f"there is no environment {given['upstreams']}", f"use {' or '.join(sorted(names))}"))
    return [Problem("team", one.message, "pass -e team=team_a") if one.place == "mcp_team" else one for one in found]


def _renamed(text: str) -> str:
    return re.sub(r"\binit_(?=(hosts|ca|key_file)\b)", "import_", text)


def _said(understood: _import.Understood, folder: Path, key: Path) -> str:
    counts = ", ".join(f"{sum(one.verdict == verdict for one in understood.findings)} {verdict}" for verdict in (_import.TAKEN, _import.UNCLEAR, _import.LEFT))
    table = _table.text(_import.COLUMNS, [finding.row() for finding in understood.findings])
    return f"{table}\n\n{counts}. It would become {folder}, with the key {key}. The files themselves stay as they are."
