# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's client configuration on the control node: made, renewed, taken back, listed. The gateway's part is ``mcp.tenancy.gateway_clients``."""

from __future__ import annotations

import json
import os
import platform

from ansible_collections.mcp.tenancy.plugins.module_utils import (
    _atomic_file,
    _client_file,
    _clients_plan,
    _gateways_txt,
    _registry_tokens,
    _sealed,
    _sharing,
    _table,
)
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_action import TeamAction

#: Below the home folder of whoever runs the playbook, as the team's vault key is; never in the inventory, which is committed.
DEFAULT_FILE = "~/.config/mcp-tenancy/clients/{team}/{user}.json"
GATEWAYS_FILE = "~/.config/mcp-tenancy/clients/{team}/gateways.txt"
SHOWN = ("entry", "valid until", "what")


class ActionModule(TeamAction):
    """``mcp.tenancy.team_clients``: what is asked for is checked here, done on the host, and written here."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        self._vars, self._arguments = task_vars, self._task.args
        self._declared = self.declaration(task_vars)
        try:
            if "show" in self._arguments:
                return {**result, **self._show()}
            if "gateways" in self._arguments:
                return {**result, **self._write_gateways()}
            self._order = _clients_plan.order(self._declared, self._arguments)
            return {**result, **getattr(self, f"_{self._order['do']}")()}
        except (_clients_plan.ClientsError, _client_file.ClientFileError) as error:
            return {**result, "failed": True, "msg": str(error)}

    # What may be asked for

    def _add(self) -> dict:
        """Each entry of the person with a token that works, in the file from the first byte and by rename."""
        environments = _clients_plan.on_host(self._declared, self._order["environments"], self._arguments["hosts"], self._vars["inventory_hostname"])
        wanted = _clients_plan.clients(self._declared, self._order["user"], environments)
        if not wanted:
            return {"changed": False, "msg": "another host of the team makes these tokens"}
        path, key = self._path(), _sealed.key()
        renew = self._order["do"] == _clients_plan.RENEW
        asked = {"clients": wanted, "held": self._held(path), "file": self._label(path), "renew": renew, "overlap": self._order["overlap"], "seal_key": key}
        told = self._ask("issue", **asked)
        made = _sealed.opened(key, told.pop("sealed")) if told.get("sealed") else {}
        written = self._write(path, told.get("entries", []), made)
        if told.get("failed"):
            return told
        over = [one for entry in told["entries"] for one in entry["over"]]
        ended = self._ask("end", ids=over) if over else {"ended": []}
        if ended.get("failed"):
            return ended
        changed = bool(written or ended["ended"]) or told["changed"]
        self._say(path, told["entries"], ended["ended"])
        before = "".join(f"{entry['name']}: {entry['reason'] or 'valid'}\n" for entry in told["entries"])
        after = "".join(f"{entry['name']}: valid\n" for entry in told["entries"])
        facts = [{key: entry[key] for key in ("name", "reason", "expires_at", "until")} for entry in told["entries"]]
        return {"changed": changed, "file": path, "entries": facts, "ended": ended["ended"], "diff": {"before": before, "after": after}}

    _renew = _add

    def _revoke(self) -> dict:
        """The person's tokens are refused from now on, and their entries leave the file."""
        places = _clients_plan.places(self._declared, self._order["environments"])
        path, of_file = self._path(), bool(self._arguments.get("file"))
        told = self._ask("revoke", user=self._order["user"], places=places, held=self._held(path), file=self._label(path), of_file=of_file)
        if told.get("failed"):
            return told
        dead = told["dead"]
        if dead and not self._task.check_mode:
            with _atomic_file.alone(os.path.dirname(path)):
                file = _client_file.ClientFile(path)
                for name in dead:
                    file.write(name)
        whom = f"{self._order['user']} in {', '.join(self._order['environments'])}"
        self._display.display(f"{len(told['ended'])} token(s) of {whom} revoked" + (f"; {', '.join(dead)} taken out of {path}" if dead else ""))
        return {"changed": told["changed"] or bool(dead), "ended": told["ended"], "file": path if dead else None}

    def _list(self) -> dict:
        places = _clients_plan.places(self._declared, self._environments_here())
        told = self._ask("list", user=self._order["user"], places=places)
        return told if told.get("failed") else {"changed": False, "rows": told["rows"]}

    def _gateways(self) -> dict:
        """The addresses of the virtual servers that this host has for clients."""
        here = _clients_plan.on_host(self._declared, self._order["environments"], self._arguments["hosts"], self._vars["inventory_hostname"])
        told = self._ask("list", places=_clients_plan.places(self._declared, here))
        if told.get("failed"):
            return told
        if missing := [one["server"] for one in told["servers"] if not one["server_id"]]:
            raise _clients_plan.ClientsError(f"the gateway has no virtual server {', '.join(missing)} yet. Next: run deploy.yml, then this again.")
        url = self._arguments["public_url"]
        found = [{"name": one["server"], "url": f"{url}/servers/{one['server_id']}/mcp", "transport": "STREAMABLEHTTP"} for one in told["servers"]]
        return {"changed": False, "servers": found}

    def _write_gateways(self) -> dict:
        """What the hosts told, as one ``gateways.txt``."""
        team = self._declared["mcp_team"]
        found = [_gateways_txt.Gateway(**one) for told in self._arguments["gateways"].values() for one in told.get("servers", [])]
        path = os.path.abspath(os.path.expanduser(str(self._arguments.get("file") or GATEWAYS_FILE.format(team=team))))
        try:
            with open(path, encoding="utf-8") as stream:
                before = stream.read()
        except FileNotFoundError:
            before = ""
        after = _gateways_txt.render(team, found)
        if before != after and not self._task.check_mode:
            _atomic_file.write(path, after.encode(), 0o644)
        self._display.display(f"{'would be written' if self._task.check_mode else 'virtual servers'}: {path}\n{after}")
        return {"changed": before != after, "file": path, "diff": {"before": before, "after": after}}

    def _show(self) -> dict:
        """What the hosts told, as one table or one JSON document."""
        found = [{**row, "host": host} for host, told in self._arguments["show"].items() for row in told.get("rows", [])]
        if self._arguments.get("format") == "json":
            self._display.display(json.dumps({"tokens": found}, indent=2))
        else:
            columns = _clients_plan.COLUMNS + (("host",) if len({row["host"] for row in found}) > 1 else ())
            short = [{**row, **{key: row[key][:16].replace("T", " ") for key in ("made", "expires", "last used")}} for row in found]
            self._display.display(_table.text(columns, short) if found else "no tokens")
        return {"changed": False, "rows": found}

    # Parts

    def _environments_here(self) -> list[str]:
        host = self._vars["inventory_hostname"]
        if _sharing.shares(self._declared):  # each host would tell the same
            return _clients_plan.on_host(self._declared, self._order["environments"], self._arguments["hosts"], host)
        there = {environment["name"]: environment.get("hosts", [host]) for environment in self._declared["mcp_environments"]}
        return [name for name in self._order["environments"] if host in there[name]]

    def _ask(self, operation: str, **options: object) -> dict:
        same = {key: self._arguments[key] for key in ("url", "admin_email", "jwt_secret_key")}
        return self._execute_module("mcp.tenancy.gateway_clients", module_args={**same, "operation": operation, **options}, task_vars=self._vars)

    def _path(self) -> str:
        """The file on the control node; a relative one starts where the command is run, not at the inventory, which is committed."""
        given = str(self._arguments.get("file") or "")
        return os.path.abspath(os.path.expanduser(given or DEFAULT_FILE.format(team=self._declared["mcp_team"], user=self._order["user"])))

    @staticmethod
    def _label(path: str) -> str:
        return _clients_plan.label(platform.node(), path)

    @staticmethod
    def _held(path: str) -> dict[str, str]:
        """Entry → token of the file as it is."""
        tokens = {name: _registry_tokens.entry_token(entry) for name, entry in _client_file.ClientFile(path).entries().items()}
        return {name: token for name, token in tokens.items() if token}

    def _write(self, path: str, entries: list[dict], made: dict[str, str]) -> bool:
        """Put new tokens and addresses into the file, whatever else somebody wrote into it meanwhile. Whether it is another file now, or would be."""
        if not entries:
            return False
        if not self._task.check_mode:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        elif not os.path.isdir(os.path.dirname(path)):
            return True
        with _atomic_file.alone(os.path.dirname(path)):
            file, changed = _client_file.ClientFile(path), False
            for entry in entries:
                url = f"{self._arguments['public_url']}/servers/{entry['server_id']}/mcp"
                token = made.get(entry["name"]) or _registry_tokens.entry_token(file.entry(entry["name"]))
                wanted = _registry_tokens.client_entry(url, token)
                if file.entry(entry["name"]) != wanted:
                    changed = True
                    if not self._task.check_mode:
                        file.write(entry["name"], wanted)
            if not file.is_private():
                changed = True
                if not self._task.check_mode:
                    file.write()
        return changed

    def _say(self, path: str, entries: list[dict], ended: list[str]) -> None:
        """What people are told: where the file is and until when it is good. Never a token."""
        rows = []
        for entry in entries:
            what = f"new token ({entry['reason']})" if entry["reason"] else "as it was"
            if entry["until"]:
                what += f"; the one before works until {_clients_plan.moment(entry['until'])}"
            rows.append({"entry": entry["name"], "valid until": _clients_plan.moment(entry["expires_at"]), "what": what})
        lines = [f"{'would be written' if self._task.check_mode else 'client configuration'}: {path}", _table.text(SHOWN, rows)]
        if ended:
            lines.append(f"ended: {', '.join(ended)}")
        self._display.display("\n".join(lines))
