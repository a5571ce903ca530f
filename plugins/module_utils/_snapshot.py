# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What can be seen of a team on a host, as flat facts: two snapshots that are equal mean that nothing was changed in between. Reads only."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable

from ansible_collections.mcp.tenancy.plugins.module_utils import _bridges, _gateway_database, _packages, _systemd, _sysusers

#: What stands for something that is not there.
ABSENT = "absent"
GATEWAY = "the gateway"


def taken(scope: dict, asking: Callable[[int], dict | None] = _bridges.glance, answers: Callable[[int], bool] = _gateway_database.answers) -> dict[str, str]:
    """Facts, name to value, of what ``scope`` names.

    ``paths``: files, by owner, mode and content; folders, by owner and mode. ``programs``: by what their name finds. ``packages``: of Debian.
    ``sysusers``: a file of systemd-sysusers. ``prefix`` and ``revisions_directory``: of the units. ``bridges``: name to port.
    ``gateway``: its ``port`` and its ``database``.
    """
    facts = {path: _path(path) for path in scope["paths"]}
    facts |= {f"program {name}": _program(name) for name in scope["programs"]}
    facts |= {"packages that are missing": " ".join(_packages.missing_packages(scope["packages"]))}
    facts |= {"users that are missing": _users(scope["sysusers"])}
    facts |= _units(scope["prefix"], scope["revisions_directory"])
    facts |= {f"bridge {name}": _bridge(asking(port)) for name, port in scope["bridges"].items()}
    facts |= {GATEWAY: "answers" if answers(scope["gateway"]["port"]) else ABSENT}
    return facts | _gateway_database.facts(scope["gateway"]["database"])


def differences(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Names of the facts that are not the same, those of one side only included."""
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def not_running(facts: dict[str, str]) -> list[str]:
    """Units that were not up when the snapshot was taken, and the gateway when it did not answer."""
    down = [name for name, value in facts.items() if name.startswith("unit ") and value.split()[0] != "active"]
    return sorted(down + [GATEWAY] * (facts.get(GATEWAY) == ABSENT))


def _bridge(said: dict | None) -> str:
    """What it uses: its login, its CA and client certificate."""
    return ABSENT if said is None or "credential" not in said else f"{said['credential']} {said.get('tls', '')}".strip()


def _path(path: str) -> str:
    try:
        status = os.lstat(path)
    except OSError:
        return ABSENT
    owner = f"{stat.filemode(status.st_mode)} {status.st_uid} {status.st_gid}"
    return f"{owner} {_digest(_blocks(path))}" if stat.S_ISREG(status.st_mode) else owner


def _program(name: str) -> str:
    """The file that a name finds and whether it is still the same: a Python that the distribution replaced makes other environments."""
    found = name if os.path.isabs(name) else shutil.which(name)
    if not found or not os.path.exists(found):
        return ABSENT
    real = os.path.realpath(found)
    status = os.stat(real)
    return f"{real} {status.st_size} {status.st_mtime_ns}"


def _users(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return " ".join(_sysusers.missing_users(stream.read()))


def _units(prefix: str, revisions_directory: str) -> dict[str, str]:
    found = _systemd.Host(prefix, revisions_directory).found([])
    facts = {}
    for name, content in found.files.items():
        state = found.states.get(name, {})
        told = [state.get(key) or "-" for key in ("ActiveState", "UnitFileState", "NeedDaemonReload")]
        facts[f"unit {name}"] = " ".join([*told, found.revisions.get(name, "-"), _digest([content.encode()])])
    return facts


def _blocks(path: str) -> Iterable[bytes]:
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            yield block


def _digest(blocks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
