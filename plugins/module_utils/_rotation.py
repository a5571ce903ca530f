# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""``mcp_rotation`` of a declaration: how often, how many at once, how long a run may be silent. Pure."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from ansible_collections.mcp.tenancy.plugins.module_utils import _credentials

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
DEFAULTS = {"every": "30d", "batch": 10, "lease": "10m", "from": ""}
#: Shorter than that, a login could end before the next run of a scheduler.
SHORTEST = datetime.timedelta(minutes=10)


@dataclass(frozen=True)
class Rotation:
    """``every``: age at which a credential is due. ``batch``: credentials that are walked together. ``lease``: seconds."""

    every: datetime.timedelta
    batch: int
    lease: float

    def valid_until(self, slot: dict) -> str:
        """When a login ends by itself: its period and one more, so that a scheduler that stands still locks nobody out at once."""
        return (_credentials.moment(slot["since"]) + 2 * self.every).strftime(_credentials.TIME)


def duration(text: object) -> datetime.timedelta:
    """``30d``, ``12h``, ``45m``, ``2w``. Raises ValueError."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})([mhdw])", str(text))
    if not match:
        raise ValueError(f"'{text}' is not a number followed by m, h, d or w")
    return datetime.timedelta(**{UNITS[match[2]]: int(match[1])})


def of(declaration: dict) -> Rotation:
    """The rotation of a valid declaration."""
    given = {**DEFAULTS, **(declaration.get("mcp_rotation") or {})}
    return Rotation(duration(given["every"]), int(given["batch"]), duration(given["lease"]).total_seconds())


def mistakes(given: object) -> list[tuple[str, str, str]]:
    """What is wrong with ``mcp_rotation``: key, what, next step."""
    if given is None:
        return []
    if not isinstance(given, dict):
        return [("", "is not a mapping", "write mcp_rotation: {every: 30d}")]
    found = [(key, "is not known", f"use {', '.join(sorted(DEFAULTS))}") for key in given if key not in DEFAULTS]
    for key in ("every", "lease"):
        try:
            if duration(given.get(key, DEFAULTS[key])) < (SHORTEST if key == "every" else datetime.timedelta(minutes=1)):
                found.append((key, f"{given[key]} is too short", "use at least 10m for every, 1m for lease"))
        except ValueError as error:
            found.append((key, str(error), f"write it like {DEFAULTS[key]}"))
    batch = given.get("batch", DEFAULTS["batch"])
    if isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch <= 100:
        found.append(("batch", f"'{batch}' is not a number from 1 to 100", "leave it out, or write 10"))
    if not isinstance(given.get("from", ""), str):
        found.append(("from", "is not the name of a host", "leave it out, or name a host of the inventory that reaches the databases"))
    return found
