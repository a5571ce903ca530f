# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a team stands: the credentials' document against what services say, as a table or as JSON."""

from __future__ import annotations

import datetime
import json

from ansible_collections.mcp.tenancy.plugins.module_utils import _credentials, _declaration, _edge, _status, _table
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _credentials_file, _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_action import TeamAction


class ActionModule(TeamAction):
    """``mcp.tenancy.team_status``: on the control node only."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        arguments, declared = self._task.args, self.declaration(task_vars)
        try:
            env = self.team_env(declared, task_vars)
            keys, values = env.keys(), env.read()
            copies = [_credentials_file.opened(held, keys, declared["mcp_team"]) for held in arguments["stores"] if held.get("document")]
            document = _credentials.merged(declared["mcp_team"], copies)
        except (_team_env.TeamEnvError, _credentials.CredentialsError) as error:
            return {**result, "failed": True, "msg": str(error)}
        hosts = {}
        for host, told in arguments["hosts"].items():
            on_host = _declaration.on_host(declared, host)
            hosts[host] = {
                "services": [service["name"] for service in _declaration.services(on_host)],
                "users": _declaration.user_services(on_host),
                "states": told.get("states", {}) if not told.get("unreachable") else None,
                "edge": _edge_told(_edge.of(on_host), arguments.get("edges", {}).get(host) or {}),
            }
        now = datetime.datetime.now(datetime.UTC)
        rows = _status.rows(declared, document, hosts, now)
        own = _status.own(values, document, env.next_key_file.exists(), now)
        active = _status.active(hosts)
        databases = _status.databases({host: told.get("databases") or {} for host, told in (arguments.get("databases") or {}).items()})
        text = _table.text(_status.COLUMNS, rows) + (f"\n\n{_table.text(_status.ACTIVE, active)}" if active else "")
        text += f"\n\n{_table.text(_status.DATABASES, databases)}" if databases else ""
        text += f"\n\n{_table.text(_status.OWN, own)}"
        told = {"services": rows, "users": active, "databases": databases, "own_secrets": own}
        self._display.display(json.dumps(told, indent=2) if arguments.get("format") == "json" else text)
        return {**result, "changed": False, **told, "well": _status.well(rows, own) and _status.databases_well(databases)}


def _edge_told(edge: dict | None, probed: dict) -> dict | None:
    """The edge's name, and how it answered; None where the host has none."""
    if edge is None:
        return None
    why = "the host is not reached" if probed.get("unreachable") else probed.get("msg", "").partition(". Next:")[0] if probed.get("failed") else ""
    return {"name": f"https://{edge['name']}:{edge['port']}", "protocol": probed.get("protocol", ""), "why": why}
