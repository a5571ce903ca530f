# SPDX-License-Identifier: GPL-3.0-or-later
"""What is searched where, out of a team's declaration: orders for :func:`search.machine`. On the control node only.

Exempt is what the design exempts by name (S1), each private: the vault key, client configurations, the gateway's database, TLS keys; and what lies on tmpfs
for one service's user.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _edge, _layout

#: Everywhere that a program of ours, Ansible or a person may have written to. /usr, but for /usr/local, is of the distribution's packages.
ON_HOSTS = ("/etc", "/home", "/opt", "/root", "/srv", "/tmp", "/usr/local", "/var", "/run", "/dev/shm")
#: Whole copies of the gateway's database that a restore and an upgrade make.
KEPT = ("replaced.db", "before-upgrade.db")
TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")
#: Read by journalctl, since a journal's own files are compressed.
JOURNAL = dict.fromkeys(("/var/log/journal", "/run/log/journal"), "read by journalctl")
#: Of a person's home: what Ansible, shells and database clients leave there.
OF_A_HOME = (
    ".ansible", ".ansible_async", ".ansible.log", ".bash_history", ".zsh_history", ".sh_history", ".python_history", ".psql_history", ".mongodb", ".mongosh",
    ".lesshst", ".viminfo", ".cache/ansible-compat", ".config/mcp-tenancy",
)  # fmt: skip


def host(declaration: dict, secrets: dict[str, str], options: dict) -> dict:
    """A team's host. ``options``: those of the command. Without root, where one user has everything, what other users have is theirs."""
    where, others = _declaration.paths(declaration), declaration["mcp_runtime"] == "supervisor"
    folders = [where["root"], where["run"], *options["host_folders"], *(TEMPORARY if others else ON_HOSTS)]
    return {
        "secrets": secrets,
        "folders": [{"path": path} for path in dict.fromkeys(folders)],
        "skip": {**JOURNAL, **options["skip"]},
        "exempt": exempt_on_host(declaration),
        "users": _layout.layout(declaration)["users"],
        "work": where["work"],
        "tokens": [where["client_config"]],
        "others": others,
        "processes": True,
        "dumps": True,
        "containers": True,
        "journal": "",
    }


def exempt_on_host(declaration: dict) -> list[dict]:
    """By name, with what may be in it."""
    where = _declaration.paths(declaration)
    found = [{"path": where["key"] + end, "reason": "the host's vault key", "only": ["vault key of *"]} for end in ("", ".next")]
    found.append({"path": where["client_config"], "reason": "client configuration", "only": ["token of *"]})
    found += [{"path": where["gateway_database"] + end, "reason": "the gateway's database"} for end in ("", "-wal", "-shm", "-journal")]
    # after a restore, and for the length of an upgrade
    found += [{"path": f"{where['state']}/{name}", "reason": "a copy of the gateway's database"} for name in KEPT]
    for name in (_declaration.CLIENT_FILE, "env.json"):
        found.append({"path": f"{where['run']}/*/{name}", "reason": "one service's own secrets, on tmpfs", "memory": True})
    if declaration.get("mcp_edge"):
        found.append({"path": _edge.places(declaration)["tls"], "reason": "TLS key of the edge", "only": []})
    return found


def operators_keys(key: Path) -> list[dict]:
    """The team's vault key, and the one that follows while it is being changed."""
    return [{"path": str(path), "reason": "the team's vault key", "only": ["vault key of *"]} for path in (key, key.with_name(key.name + ".next"))]


def controller(places: dict, secrets: dict[str, str], options: dict, hosted: dict | None) -> dict:
    """This machine, for the user that runs Ansible. ``places``: the operator's ``env`` and ``key``, ``inventory``, ``repository``, what ``ansible`` keeps.

    ``options``: those of the command. ``hosted``: the declaration, where this machine is a host of the team too.
    """
    repository = places["repository"]
    home, env, key = Path.home(), Path(places["env"]), Path(places["key"])
    named = operators_keys(key)
    folders = [
        repository,
        places["inventory"],
        *places["ansible"],
        *options["folders"],
        str(env.parent),
        str(key.parent),
        tempfile.gettempdir(),
        *TEMPORARY,
        *(str(home / name) for name in OF_A_HOME),
    ]
    programs = "installed by package managers from lock files"
    return {
        "secrets": secrets,
        "folders": [{"path": os.path.abspath(path)} for path in dict.fromkeys(folders)],
        "skip": {
            **JOURNAL,
            **{f"{repository}/{name}": programs for name in (".venv", ".cache/guard")},
            str(home / ".ansible/collections"): programs,
            **options["skip"],
        },
        "exempt": [*named, *options["exempt"], *(exempt_on_host(hosted) if hosted else [])],
        "users": _layout.layout(hosted)["users"] if hosted else [],
        "work": _declaration.paths(hosted)["work"] if hosted else "",
        "others": os.geteuid() != 0,
        "processes": True,
        "dumps": True,
        "containers": False,
        "journal": "",
    }
