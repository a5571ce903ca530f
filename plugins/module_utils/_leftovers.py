# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What is left on a host of services that it does not run any more, and of installations that nothing starts from. Pure.

Only what has the name of a thing of ours is named here; whatever else lies in those folders is somebody's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

#: Names of services as a declaration makes them (:func:`_declaration.services`, :func:`_declaration.user_services`), and the edge's.
SERVICE = re.compile(r"(?P<name>(postgres|mongodb)-[a-z][a-z0-9]{0,15}(-users)?|edge)(?P<rest>\.pem|\.log(\.\d+)?)?")
#: Folders of :mod:`_lock_digest`.
INSTALLATION = re.compile(r"(?P<kind>[a-z]+)-[0-9a-f]{12}")
#: Where the logs of services that are gone are kept, below the folder of logs.
REMOVED = "removed"


def of_services(entries: Iterable[str], services: Iterable[str]) -> list[str]:
    """Those entries of a folder that belong to a service that is not among ``services``."""
    found = {entry: SERVICE.fullmatch(entry) for entry in entries}
    return sorted(entry for entry, match in found.items() if match and match["name"] not in set(services))


def installations(entries: Iterable[str], used: Iterable[str]) -> list[str]:
    """Installations of a kind of which another one is used. Of a kind that is not used at all nothing is known here, so it stays."""
    names = {os.path.basename(path) for path in used}
    kinds = {match["kind"] for name in names if (match := INSTALLATION.fullmatch(name))}
    found = {entry: INSTALLATION.fullmatch(entry) for entry in entries}
    return sorted(entry for entry, match in found.items() if match and match["kind"] in kinds and entry not in names)


def users(accounts: Iterable[tuple[str, str]], team: str, wanted: Iterable[str]) -> list[str]:
    """Users of the team that no service has: ``accounts`` are names with what /etc/passwd says about them, as :func:`_layout.about` wrote it."""
    mine = re.compile(rf"MCP [a-z0-9-]+ of {re.escape(team)}")
    return sorted(name for name, about in accounts if name.startswith("mcp-") and mine.fullmatch(about) and name not in set(wanted))


def in_use(path: str, commands: dict[int, str]) -> list[int]:
    """Processes whose command line (``commands``: pid → text) names something below ``path``."""
    return sorted(pid for pid, text in commands.items() if f"{path}/" in text)
