# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters over a team's declaration; the rules are in module_utils. Each has its documentation in a file beside this one."""

from __future__ import annotations

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _edge, _layout, _manifest, _registrations, _sharing, _supervised, _units


class FilterModule:
    """What playbooks and roles derive from a declaration."""

    def filters(self) -> dict:
        return {
            "team_on_host": _declaration.on_host,
            "team_paths": _declaration.paths,
            "team_services": _declaration.services,
            "team_gateway": _declaration.gateway,
            "team_edge": _edge.summary,
            "team_registry": _registrations.registry,
            "team_gateway_connections": _sharing.connections,
            "team_registrar": _sharing.registrar,
            "probed_servers": _registrations.probed_servers,
            "with_bridge_tokens": _registrations.with_bridge_tokens,
            "team_manifest": _manifest.manifest,
            "bridges": _manifest.bridges,
            "seen_through_gateway": _registrations.seen_through_gateway,
            "team_layout": _layout.layout,
            "supervised_programs": _supervised.programs,
            "systemd_units": _units.units,
            "unit_prefix": _units.prefix,
            "firewall_rules": _units.firewall_rules,
        }
