# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What a host lacks of the users that a file of systemd-sysusers names. Reads only."""

from __future__ import annotations

import grp
import pwd


def missing_users(content: str) -> list[str]:
    """Users, groups and memberships that a sysusers file names and that are not there."""
    found = []
    for fields in (line.split() for line in content.splitlines()):
        try:
            if fields[:1] == ["u"]:
                pwd.getpwnam(fields[1])
            elif fields[:1] == ["g"]:
                grp.getgrnam(fields[1])
            elif fields[:1] == ["m"] and fields[1] not in grp.getgrnam(fields[2]).gr_mem:
                found.append(f"{fields[1]} in {fields[2]}")
        except KeyError:
            found.append(fields[1])
    return found
