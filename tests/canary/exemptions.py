# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a secret may be, by name and with the reason. Such a file must be private all the same, and be where it says."""

from __future__ import annotations

import fnmatch
import os

MEMORY = ("tmpfs", "ramfs")


class Exemptions:
    """``named``: ``{"path", "reason"}``, and for some ``only``: patterns of the names of secrets that may be there; ``memory``: it has to lie on tmpfs.

    ``*`` in a path stands for a part of one name.
    """

    def __init__(self, named: list[dict], mounts: list[tuple[str, str]] | None = None) -> None:
        self._named = named
        self._mounts = mounts if mounts is not None else mounted()

    def of(self, path: str) -> dict | None:
        """The one that names this file."""
        return next((one for one in self._named if path.count("/") == one["path"].count("/") and fnmatch.fnmatchcase(path, one["path"])), None)

    def wrong(self, path: str, one: dict, mode: int) -> str:
        """Why it does not hold for this file, as it lies there."""
        if mode & 0o077:
            return f"others than its owner may read it ({mode & 0o777:04o})"
        if one.get("memory") and file_system(path, self._mounts) not in MEMORY:
            return "it does not lie on tmpfs"
        return ""


def mounted() -> list[tuple[str, str]]:
    """(place, kind) of each file system, the last one mounted at a place first."""
    found = []
    if os.path.exists("/proc/self/mounts"):
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as stream:
            for line in stream:
                _device, place, kind = line.split()[:3]
                found.append((place.encode("latin-1", "backslashreplace").decode("unicode_escape"), kind))
    return found[::-1]


def file_system(path: str, mounts: list[tuple[str, str]]) -> str:
    """The kind of the file system that a path is on."""
    place = os.path.realpath(path)
    best = max(
        (mount for mount in mounts if place == mount[0] or place.startswith(mount[0].rstrip("/") + "/")), key=lambda mount: len(mount[0]), default=("", "")
    )
    return best[1]
