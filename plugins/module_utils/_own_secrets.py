# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""How a secret of our own takes the place of another, by what the operator's ``.env`` says. Pure.

A secret ``X`` that is being changed has one companion: ``X_NEXT`` until all that has to know it before it is used knows it, then ``X_BEFORE`` until nobody
uses that one any more. Each step is one write of the file and can be done again, so a run that was cut off is finished by the next, and a deploy at any
moment carries out what the file says. ``MCP_OWN_SECRETS_SINCE`` has the days of the last changes, for people.
"""

from __future__ import annotations

import json
from collections.abc import Callable

#: What may be asked for → the variable.
KINDS = {
    "bearers": "MCP_BRIDGE_TOKEN",
    "admin": "PLATFORM_ADMIN_PASSWORD",
    "jwt": "JWT_SECRET_KEY",
    "encryption": "AUTH_ENCRYPTION_SECRET",
}
NEXT, BEFORE, SINCE = "_NEXT", "_BEFORE", "MCP_OWN_SECRETS_SINCE"
#: Every variable that a change may add to the file.
NAMES = {name + suffix for name in KINDS.values() for suffix in (NEXT, BEFORE)} | {SINCE}


class OwnSecretsError(ValueError):
    """What was asked for cannot be done, with the next step."""


def asked(text: object) -> list[str]:
    """The kinds that are named: a list, or text with commas. Raises OwnSecretsError."""
    named = [part.strip() for part in (text.split(",") if isinstance(text, str) else text or []) if str(part).strip()]
    if wrong := [name for name in named if name not in KINDS]:
        raise OwnSecretsError(f"mcp_own_secrets: {', '.join(map(str, wrong))} is none of {', '.join(KINDS)}. Next: name some of them, with commas between")
    return list(dict.fromkeys(named))


def under_way(values: dict[str, str]) -> list[str]:
    """The kinds that a run before began to change and that are not at the end."""
    return [kind for kind, name in KINDS.items() if values.get(name + NEXT) or values.get(name + BEFORE)]


def begun(values: dict[str, str], kinds: list[str], draw: Callable[[str], str]) -> dict[str, str]:
    """With the next secret of each kind, but for those that are under way already."""
    busy = under_way(values)
    return {**values, **{KINDS[kind] + NEXT: draw(KINDS[kind]) for kind in kinds if kind not in busy}}


def switched(values: dict[str, str]) -> dict[str, str]:
    """With every next secret in its place. A bridge accepts the same bearers after it as before."""
    found = dict(values)
    for name in KINDS.values():
        if following := found.pop(name + NEXT, ""):
            found[name + BEFORE], found[name] = found[name], following
    return found


def ended(values: dict[str, str], today: str) -> dict[str, str]:
    """Without those of before."""
    done = {kind: today for kind, name in KINDS.items() if values.get(name + BEFORE)}
    found = {name: value for name, value in values.items() if name not in {other + BEFORE for other in KINDS.values()}}
    return {**found, SINCE: json.dumps({**since(values), **done}, sort_keys=True)} if done else found


def since(values: dict[str, str]) -> dict[str, str]:
    """Kind → the day of its last change, where there was one."""
    try:
        found = json.loads(values.get(SINCE) or "{}")
    except ValueError:
        return {}
    return {kind: str(found[kind]) for kind in KINDS if kind in found} if isinstance(found, dict) else {}
