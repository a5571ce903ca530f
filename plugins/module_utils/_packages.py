# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What dpkg has installed, without asking the package manager, which takes a second. Reads only."""

from __future__ import annotations


def missing_packages(names: list[str], status: str = "/var/lib/dpkg/status") -> list[str]:
    """Packages that dpkg does not have installed; all of them where there is no dpkg."""
    try:
        with open(status, encoding="utf-8", errors="replace") as stream:
            paragraphs = stream.read().split("\n\n")
    except OSError:
        return list(names)
    there = {paragraph.split("\n", 1)[0].removeprefix("Package: ") for paragraph in paragraphs if "\nStatus: install ok installed" in paragraph}
    return [name for name in names if name not in there]
