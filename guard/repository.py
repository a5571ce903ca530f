# SPDX-License-Identifier: GPL-3.0-or-later
"""What to look at: blobs of a git repository, as git has them, or files of the working tree. Follows no link and runs none of git's filters."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

LINK, SUBMODULE = "120000", "160000"


class GitError(Exception):
    """What git said."""


def _git(root: Path, *arguments: str, given: bytes | None = None) -> bytes:
    done = subprocess.run(["git", "-C", str(root), *arguments], input=given, capture_output=True, check=False)
    if done.returncode:
        raise GitError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def root(folder: Path) -> Path:
    """The top of the repository around a folder. Raises :class:`GitError`."""
    return Path(os.fsdecode(_git(folder, "rev-parse", "--show-toplevel").rstrip(b"\n")))


def staged(top: Path) -> list[tuple[str, str]]:
    """What the next commit adds or changes, ``(path, blob)``: all of the file, also where it was only renamed."""
    return _changed(_git(top, "diff", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", "--no-ext-diff", "--ignore-submodules=all"))


def tracked(top: Path) -> list[tuple[str, str]]:
    """Everything in the index."""
    entries = (entry.partition(b"\t") for entry in _git(top, "ls-files", "--stage", "-z").split(b"\0") if entry)
    return [(os.fsdecode(path), words.split()[1].decode()) for words, _tab, path in entries if words[:6] != SUBMODULE.encode()]


def commits(top: Path, span: str) -> list[tuple[str, str]]:
    """What each commit of a range (``origin/main..HEAD``) adds or changes: what one adds and a later one removes stays in the history."""
    found: dict[tuple[str, str], None] = {}
    for commit in _git(top, "rev-list", "--end-of-options", span, "--").decode().split():
        arguments = ("diff-tree", "-r", "-m", "--root", "--raw", "-z", "--no-renames", "--no-commit-id", "--no-abbrev", commit)
        found |= dict.fromkeys(_changed(_git(top, *arguments)))
    return list(found)


def _changed(raw: bytes) -> list[tuple[str, str]]:
    """Of ``git diff --raw -z``: paths and blobs of all that is there afterwards."""
    fields = iter(raw.split(b"\0"))
    found = []
    for words in fields:
        if not words:
            continue
        _old, mode, _before, blob, status = words.lstrip(b":").split(b" ")
        path = next(fields)
        if status[:1] != b"D" and mode != SUBMODULE.encode():
            found.append((os.fsdecode(path), blob.decode()))
    return found


def contents(top: Path, wanted: Iterable[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    """Each path with what is in its blob."""
    wanted = list(wanted)
    if not wanted:
        return
    asked = "".join(f"{blob}\n" for _path, blob in wanted).encode()
    answer, position = _git(top, "cat-file", "--batch", given=asked), 0
    for path, _blob in wanted:
        end = answer.index(b"\n", position)
        size = int(answer[position:end].split()[2])
        yield path, answer[end + 1 : end + 1 + size]
        position = end + 1 + size + 1


def files(top: Path, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Files of the working tree by their names, as pre-commit gives them. Of a link, where it leads."""
    for name in names:
        path = Path(os.path.abspath(name))
        shown = os.path.relpath(path.parent.resolve() / path.name, top.resolve())
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            yield shown, os.fsencode(os.readlink(path))
        elif stat.S_ISREG(mode):
            yield shown, path.read_bytes()
