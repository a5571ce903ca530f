# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine searched: the control node here, a host through Ansible's own connection.

Secrets go to a host's Python by stdin; what comes back has their names.

Beside its playbook, not in the collection: nothing that is installed for a team needs it.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from ansible import constants as C

from ansible_collections.mcp.tenancy.plugins.module_utils import _credentials
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _piped, _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_action import TeamAction
from tests.canary import orders, search, team_secrets

CANARY = Path(search.__file__).parent
REPOSITORY = CANARY.parents[1]
PROGRAM = _piped.Program("search", "safely", folder=CANARY, package="tests.canary")


class ActionModule(TeamAction):
    """Writes ``report/<machine>.json``; a host's result has nothing but whether it was searched."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result, arguments = super().run(tmp, task_vars), self._task.args
        declared = self.declaration(task_vars)
        hosts, folder, options = arguments["hosts"], Path(arguments["report"]), arguments["options"]
        env = self.team_env(declared, task_vars)
        unread = [
            name for name, held in zip(hosts, arguments["stores"], strict=True) if held.get("failed") or held.get("unreachable") or "document" not in held
        ]
        try:
            secrets = team_secrets.of(env, [held for held in arguments["stores"] if held.get("document")], team_secrets.services(declared), hosts)
        except (_team_env.TeamEnvError, _credentials.CredentialsError) as error:
            return {**result, "failed": True, "msg": str(error)}
        if arguments["machine"] == "control":
            told = _nothing() if options["hosts_only"] else search.machine(self._controller(env, secrets, declared, task_vars))
            told["unseen"] += [[f"credentials' document of {name}", "was not read: its logins were not looked for"] for name in unread]
            _write(folder / "control node.json", told)
            _write(folder / "hosts", hosts)
            return {**result, "changed": False}
        name = task_vars["inventory_hostname"]
        order = orders.host(declared, secrets, options)
        if task_vars.get("ansible_connection") == "local":
            order["exempt"] += orders.operators_keys(env.key_file)
        answer, why = self._on_host(order, task_vars)
        if answer is None:
            return {**result, "failed": True, "msg": why}
        _write(folder / f"host {name}.json", answer)
        return {**result, "changed": False}

    def _controller(self, env: _team_env.TeamEnv, secrets: dict[str, str], declared: dict, task_vars: dict) -> dict:
        """With what Ansible is configured to keep: its log, its fact cache, its retry files, its temporary folders."""
        kept = (C.DEFAULT_LOG_PATH, C.CACHE_PLUGIN_CONNECTION, C.RETRY_FILES_SAVE_PATH, C.DEFAULT_LOCAL_TMP, C.ANSIBLE_HOME)
        kept = [str(path) for path in kept if path and "://" not in str(path)]
        local = any(task_vars["hostvars"][name].get("ansible_connection") == "local" for name in self._task.args["hosts"])
        places = {"env": env.path, "key": env.key_file, "inventory": task_vars["inventory_dir"], "repository": str(REPOSITORY), "ansible": kept}
        return orders.controller(places, secrets, self._task.args["options"], declared if local else None)

    def _on_host(self, order: dict, task_vars: dict) -> tuple[dict | None, str]:
        python = str(self._templar.template(C.config.get_config_value("INTERPRETER_PYTHON", variables=task_vars)))
        python = python if python.startswith("/") else "python3"
        if not self._connection.is_pipelining_enabled(wrap_async=False):
            return None, "pipelining is off, so there is no way to a host's stdin. Next: use this repository's ansible.cfg, or set ansible_pipelining: true"
        # of a text that was cut Python would show a line on stderr, and it may be the one with the secrets
        done = self._low_level_execute_command(f"nice -n 10 {shlex.quote(python)} -IS - 2>/dev/null", in_data=PROGRAM.text({"order": order}))
        try:
            return json.loads(done["stdout"].strip().splitlines()[-1]), ""
        except (ValueError, IndexError):
            return None, f"the search on the host ended with {done['rc']} and no answer. Next: see whether {python} runs there"


def _nothing() -> dict:
    return {"hits": [], "unseen": [], "exempt": [["all of it", "only hosts were asked for"]], "looked": {"files": 0}}


def _write(path: Path, told: object) -> None:
    path.write_text(json.dumps(told), encoding="utf-8")
