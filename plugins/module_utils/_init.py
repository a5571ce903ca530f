# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""From a few answers to a new team's inventory. Pure: texts of files, values of the ``.env``, and what is wrong with the answers.

The declaration is read off the connection strings, so nothing has to be typed twice and the two cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string, _declaration, _declaration_check
from ansible_collections.mcp.tenancy.plugins.module_utils._problem import Problem

CA_FILE = "files/ca.pem"
HEAD = "# SPDX-License-Identifier: GPL-3.0-or-later\n---\n"


@dataclass
class NewTeam:
    """A team that is about to be made."""

    declaration: dict = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    hosts: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def new_team(answers: dict[str, Any]) -> NewTeam:
    """``answers``: ``team``, ``hosts``, ``environments`` (each ``name``, ``postgres``, ``mongodb``: connection strings, ``members``, ``upstreams``),
    ``runtime``, ``key_file``."""
    made = NewTeam(hosts=[str(host) for host in answers.get("hosts") or []])
    environments = [environment for environment in answers.get("environments") or [] if isinstance(environment, dict)]
    for index, environment in enumerate(environments):
        for name in set(environment) - {"name", "members", "upstreams", *_declaration.ENGINES}:
            step = "use name, postgres, mongodb and members"
            made.problems.append(Problem(f"init_environments[{index}].{name}", "is not a known name", step))
    made.declaration = {
        "mcp_team": answers.get("team"),
        "mcp_runtime": answers.get("runtime") or "systemd",
        "mcp_environments": [_environment(made, index, environment) for index, environment in enumerate(environments)],
    }
    if answers.get("key_file"):
        made.declaration["mcp_vault_key_file"] = str(answers["key_file"])
    made.problems += _declaration_check.problems(made.declaration)
    for host in made.hosts:
        if not _declaration_check.HOST.fullmatch(host):
            made.problems.append(Problem("init_hosts", f"'{host}' is not a host name or address", "use a form like gw1.team-a.internal"))
    if not made.hosts:
        made.problems.append(Problem("init_hosts", "names no host", "name at least one host for the team's gateway"))
    return made


def _environment(made: NewTeam, index: int, given: dict[str, Any]) -> dict:
    environment: dict[str, Any] = {"name": given.get("name")}
    for engine in _declaration.ENGINES:
        text = given.get(engine)
        if not text:
            continue
        try:
            found = _connection_string.parse(str(text), engine)
        except _connection_string.ConnectionStringError as error:
            made.problems.append(Problem(f"init_environments[{index}].{engine}", str(error), "correct the connection string"))
            continue
        environment[engine] = {"host": found.host, "port": found.port, "database": found.database, "ca": CA_FILE, "credential": "unmanaged"}
        if "authSource" in dict(found.parameters):
            environment[engine]["auth_source"] = dict(found.parameters)["authSource"]
        made.env[_declaration.credential_key(engine, str(given.get("name")))] = str(text)
    environment["members"] = list(given.get("members") or [])
    if given.get("upstreams"):
        environment["upstreams"] = list(given["upstreams"])
    return environment


def files(made: NewTeam, to_yaml: Any) -> dict[str, str]:
    """Name → text of each plain file of the inventory. ``to_yaml`` writes one value as YAML."""
    team = made.declaration["mcp_team"]
    rights = {"ansible_become": True} if _declaration.on_systemd(made.declaration) else {}
    hosts = {"mcp_gateways": {"children": {team: {"hosts": {host: {**_way(host), **rights} for host in made.hosts}}}}}
    return {"hosts.yml": HEAD + to_yaml(hosts), f"group_vars/{team}/main.yml": HEAD + to_yaml(made.declaration)}


def _way(host: str) -> dict:
    """This machine is not reached over SSH."""
    return {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"} if host == "localhost" else {}
