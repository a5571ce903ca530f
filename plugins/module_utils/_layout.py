# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Who owns what in a team's folder on a host. Pure: the form of the options of ``mcp.tenancy.host_files``.

Under systemd the folder is root's, only the team's group may enter it, and each service owns its working folder, its log and, the gateway,
its state. Without root everything belongs to the one user there is, and nobody else may enter.
"""

from __future__ import annotations

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _edge


def layout(declaration: dict) -> dict:
    """``sysusers`` (path and content, or None), ``folders`` (path, mode, and owner and group where they are not the caller's own).

    ``services``: names of what runs here, the gateway and the edge among them. ``users``: those of the operating system that they run as.
    """
    where, apart = _declaration.paths(declaration), _declaration.on_systemd(declaration)
    services = [*_declaration.services(declaration), *_declaration.user_services(declaration)]
    names = ["gateway", *(service["name"] for service in services), *([_edge.SERVICE] if declaration.get("mcp_edge") else [])]
    folders = [{"path": where["root"], "mode": "0750" if apart else "0700", "group": _declaration.group(declaration) if apart else ""}]
    for name in ("etc", "lib", "bin", "work", "log"):
        folders.append({"path": where[name], "mode": "0755" if apart else "0700"})
    folders.append({"path": f"{where['etc']}/ca", "mode": "0755" if apart else "0700"})
    own = [(where["state"], "gateway")] + [(f"{where[kind]}/{name}", name) for kind in ("work", "log") for name in names]
    for path, service in own:
        owner = _declaration.user(declaration, service) if apart else ""
        folders.append({"path": path, "mode": "0700", "owner": owner, "group": owner})
    if declaration.get("mcp_edge"):  # what only the edge may read: its key
        folders.append({"path": _edge.places(declaration)["folder"], "mode": "0750", "group": _declaration.user(declaration, _edge.SERVICE)})
    users = [_declaration.user(declaration, name) for name in names] if apart else []
    return {"sysusers": _sysusers(declaration, names) if apart else None, "folders": folders, "services": names, "users": users}


def about(team: str, service: str) -> str:
    """What /etc/passwd says of a service's user."""
    return f"MCP {service} of {team}"


def _sysusers(declaration: dict, names: list[str]) -> dict[str, str]:
    """What ``systemd-sysusers`` reads: a group for the team, a user with a group of its own for each service."""
    group, lines = _declaration.group(declaration), []
    for name in names:
        user = _declaration.user(declaration, name)
        lines += [f'u {user} - "{about(declaration["mcp_team"], name)}" - -', f"m {user} {group}"]
    text = "\n".join([f"# Written by mcp.tenancy for team {declaration['mcp_team']}.", f"g {group} -", *lines]) + "\n"
    return {"path": f"/etc/sysusers.d/mcp-tenancy-{declaration['mcp_team']}.conf", "content": text}
