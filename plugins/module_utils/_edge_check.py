# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What is wrong with ``mcp_edge``: key, what, next step. Pure; :mod:`_declaration_check` tells it with all other mistakes."""

from __future__ import annotations

import difflib
import ipaddress
import re
from typing import Any

from ansible_collections.mcp.tenancy.plugins.module_utils import _rotation

Mistake = tuple[str, str, str]

KEYS = {"name", "port", "tls", "lifetime", "acme", "ca_file", "rate", "ui"}
NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
ADDRESS = re.compile(r"[0-9.]+")
EMAIL = re.compile(r"[^@\s,;:\"<>{}]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
DIRECTORY = re.compile(r"https://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._~/-]*)?")
#: Of a certificate of the own CA, whose intermediate lives a week.
SHORTEST, LONGEST = _rotation.duration("2m"), _rotation.duration("6d")
UI_SETTINGS = ("MCPGATEWAY_UI_ENABLED", "MCPGATEWAY_ADMIN_API_ENABLED")
NUMBERS = {"calls_per_second": (1, 10_000), "burst": (1, 100_000), "connections": (1, 10_000)}


def mistakes(variables: dict[str, Any]) -> list[Mistake]:
    """All of them; ``variables`` are the ``mcp_*`` of one host."""
    edge = variables.get("mcp_edge")
    if edge is None:
        return []
    if not isinstance(edge, dict) or not edge:
        return [("", "must be a mapping", "write mcp_edge: {name: gw.team-a.internal}, or remove it")]
    found = _unknown(edge, KEYS, "")
    if variables.get("mcp_runtime", "systemd") != "systemd":
        found.append(("", "needs mcp_runtime: systemd", "remove mcp_edge, or change the runtime"))
    found += _name(edge.get("name"), "name")
    port = edge.get("port", 443)
    if isinstance(port, bool) or not str(port).isdecimal() or not 1 <= int(port) <= 65535:
        found.append(("port", f"'{port}' is not a port", "use a number from 1 to 65535"))
    elif str(port) == str(variables.get("mcp_gateway_port") or 4444):
        found.append(("port", f"{port} is the gateway's own", "use 443"))
    if "ca_file" in edge and not (isinstance(edge["ca_file"], str) and edge["ca_file"].strip()):
        found.append(("ca_file", "must be the path of a file", "name one, relative to the inventory or whole"))
    url = variables.get("mcp_public_url")
    if isinstance(url, str) and not url.startswith("https://"):
        found.append(("", f"and mcp_public_url: {url}, which is not https", "remove mcp_public_url: it follows from the edge"))
    return [*found, *_tls(edge), *_rate(edge.get("rate")), *_ui(edge, variables.get("mcp_gateway_settings"))]


def _unknown(given: dict, known: set[str], place: str) -> list[Mistake]:
    found = []
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            found.append((f"{place}{name}", "is not a known name", f"use {near[0] if near else ', '.join(sorted(known))}"))
    return found


def _name(name: Any, key: str) -> list[Mistake]:
    if isinstance(name, str) and NAME.fullmatch(name) and not ADDRESS.fullmatch(name):
        return []
    return [(key, "must be one host name in lower-case letters, as clients write it", "use a form like gw.team-a.internal")]


def _tls(edge: dict) -> list[Mistake]:
    tls, found = edge.get("tls", "internal"), []
    if isinstance(tls, dict):
        found = _unknown(tls, {"certificate", "key"}, "tls.")
        for key, what in (("certificate", "the PEM file of the certificate and what it hangs on"), ("key", "the PEM file of its key, 0600 or vault-encrypted")):
            if not (isinstance(tls.get(key), str) and tls[key].strip()):
                found.append((f"tls.{key}", "is missing", f"name {what}, relative to the inventory"))
    elif tls not in ("internal", "acme"):
        found.append(("tls", f"'{tls}' is not a way to get certificates", "use internal, acme or {certificate: files/edge.pem, key: files/edge.key}"))
    return [*found, *_lifetime(edge, tls), *_acme(edge, tls)]


def _lifetime(edge: dict, tls: Any) -> list[Mistake]:
    if "lifetime" not in edge:
        return []
    if tls != "internal":
        return [("lifetime", "is for tls: internal; others say themselves how long a certificate holds", "remove it")]
    try:
        life = _rotation.duration(edge["lifetime"])
    except ValueError as error:
        return [("lifetime", str(error), "write it like 12h")]
    return [] if SHORTEST <= life <= LONGEST else [("lifetime", f"{edge['lifetime']} is not from 2m to 6d", "use 12h, or leave it out")]


def _acme(edge: dict, tls: Any) -> list[Mistake]:
    acme = edge.get("acme")
    if acme is None:
        return []
    if not isinstance(acme, dict):
        return [("acme", "must be a mapping", "write acme: {email: ops@example.com}")]
    found = _unknown(acme, {"directory", "email", "ca"}, "acme.")
    if tls != "acme":
        found.append(("acme", "is for tls: acme", "remove one of the two"))
    if "directory" in acme and not (isinstance(acme["directory"], str) and DIRECTORY.fullmatch(acme["directory"])):
        found.append(("acme.directory", "is not the https URL of an ACME directory", "leave it out for Let's Encrypt"))
    if "email" in acme and not (isinstance(acme["email"], str) and EMAIL.fullmatch(acme["email"])):
        found.append(("acme.email", "is not an e-mail address", "use a form like ops@example.com"))
    if "ca" in acme and not (isinstance(acme["ca"], str) and acme["ca"].strip()):
        found.append(("acme.ca", "must be the path of a file", "name the PEM file of the CA that the ACME server's own certificate hangs on"))
    return found


def _rate(rate: Any) -> list[Mistake]:
    if rate is None:
        return []
    if not isinstance(rate, dict):
        return [("rate", "must be a mapping", "write rate: {calls_per_second: 20}")]
    found = _unknown(rate, set(NUMBERS), "rate.")
    for key, (least, most) in NUMBERS.items():
        value = rate.get(key, least)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            found.append((f"rate.{key}", f"'{value}' is not a whole number from {least} to {most}", "correct it, or leave it out"))
    return found


def _ui(edge: dict, settings: Any) -> list[Mistake]:
    ui = edge.get("ui")
    if ui is None:
        return []
    if not isinstance(ui, dict):
        return [("ui", "must be a mapping", "write ui: {name: admin.team-a.internal, allow: [10.0.0.0/8]}")]
    found = [*_unknown(ui, {"name", "allow"}, "ui."), *_name(ui.get("name"), "ui.name")]
    if ui.get("name") == edge.get("name"):
        found.append(("ui.name", "is also the name for clients", "give the Admin UI a name of its own"))
    on = settings if isinstance(settings, dict) else {}
    if any(str(on.get(name)).lower() != "true" for name in UI_SETTINGS):
        found.append(("ui", "is for the Admin UI, which is off", f"set {' and '.join(UI_SETTINGS)} in mcp_gateway_settings to true, or remove it"))
    allow = ui.get("allow")
    if not isinstance(allow, list) or not allow:
        return [*found, ("ui.allow", "must be a list of addresses from which administrators come", "write allow: [10.1.2.0/24]")]
    for index, network in enumerate(allow):
        try:
            if not isinstance(network, str):
                raise ValueError("not text")
            wide = ipaddress.ip_network(network).prefixlen == 0
        except ValueError:
            found.append((f"ui.allow[{index}]", f"'{network}' is not a network", "write it like 10.1.2.0/24, without bits of a host"))
            continue
        if wide:
            found.append((f"ui.allow[{index}]", "is everybody", "name the networks of administrators"))
    return found
