# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""From the manifest of a host to the programs of the rootless supervisor. Pure; the counterpart for another runtime is another file."""

from __future__ import annotations


def programs(manifest: dict, revisions: dict[str, str], python: str, paths: dict[str, str]) -> list[dict]:
    """Each service as one program: unseal its variables, then become it. In the form of ``mcp.tenancy.supervisor_programs``."""
    found = []
    for name, service in manifest["services"].items():
        unseal = [python, "-I", f"{paths['bin']}/mcp-unseal", "--manifest", paths["manifest"], name, "--"]
        start = [python, "-I", f"{paths['bin']}/mcp-exec", "--manifest", paths["manifest"], name]
        found.append(
            {
                "name": name,
                "command": unseal + start,
                "directory": service["directory"],
                "priority": service["priority"],
                "revision": revisions[name],
                "stop_wait_seconds": 15,
                "start_seconds": 1,
            }
        )
    return found
