# SPDX-License-Identifier: GPL-3.0-or-later
"""Files below folders, their names too. No link is followed.

``grep`` looks through many of them at once and many times as fast; what it marks, and what it has trouble with, is looked at here to say which secret it is.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator

from tests.canary import exemptions, forms, reading, report

#: No disk is behind these.
PSEUDO = {
    "proc", "sysfs", "cgroup", "cgroup2", "devpts", "devtmpfs", "debugfs", "tracefs", "securityfs", "bpf", "fusectl", "configfs", "pstore", "mqueue",
    "hugetlbfs", "binfmt_misc", "efivarfs", "rpc_pipefs", "autofs", "nsfs", "selinuxfs",
}  # fmt: skip
NETWORK = {"nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "afs", "fuse.sshfs"}
#: ``grep`` keeps a whole line in memory, and a file of a program may be one line.
LARGE = 64 << 20
BATCH = 200
#: Everybody's: what others have there is told as one.
SHARED = ("/tmp", "/var/tmp", "/dev/shm")
OTHERS = "of other users: root sees them"


class Files:
    """One walk over folders. ``skip``: path → reason of what is not entered.

    ``others``: what belongs to other users and cannot be read is left out by name, not told as unseen.
    """

    def __init__(self, wanted: forms.Wanted, exempt: exemptions.Exemptions, told: report.Report, skip: dict[str, str], others: bool) -> None:
        self._wanted, self._exempt, self._told, self._skip, self._others = wanted, exempt, told, skip, others
        self._kinds = dict(reversed(exemptions.mounted()))
        self._grep = shutil.which("grep")
        self._patterns = b"\n".join({max(text.split(b"\n"), key=len) for text in wanted.texts}) + b"\n"
        self._seen: set[str] = set()

    def search(self, folders: list[dict]) -> None:
        """``folders``: ``{"path"}``; with ``since`` only what was changed after that time. A file will do too."""
        for folder in folders:
            batch = []
            for path in self._below(folder["path"], folder.get("since", 0)):
                batch.append(path)
                if len(batch) == BATCH:
                    self._look_at(batch)
                    batch = []
            self._look_at(batch)

    def _below(self, top: str, since: float) -> Iterator[str]:
        """What is worth opening; what is not readable, on a network or left out is told here."""
        try:
            kind = os.lstat(top).st_mode
        except OSError as error:
            if error.errno != errno.ENOENT:
                self._trouble(top, error)
            return
        if not stat.S_ISDIR(kind):
            if stat.S_ISREG(kind):
                yield from self._candidate(top, os.lstat(top), since)
            return
        folders = [os.path.abspath(top)]
        while folders:
            folder = folders.pop()
            if folder in self._seen or not self._enter(folder):
                continue
            self._seen.add(folder)
            try:
                entries = list(os.scandir(folder))
            except OSError as error:
                self._trouble(folder, error)
                continue
            self._names(folder, entries)
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        yield from self._candidate(entry.path, entry.stat(follow_symlinks=False), since)
                except OSError as error:
                    self._trouble(entry.path, error)

    def _enter(self, folder: str) -> bool:
        if folder in self._skip:
            self._told.left_out(folder, self._skip[folder])
            return False
        kind = self._kinds.get(folder, "")
        if kind in NETWORK:
            self._told.not_seen(folder, f"is on a network ({kind}); search it where it is")
        return kind not in PSEUDO and kind not in NETWORK

    def _names(self, folder: str, entries: list[os.DirEntry]) -> None:
        for name, form in self._wanted.found("\0".join(entry.name for entry in entries).encode(errors="surrogateescape")):
            self._told.hit(f"{folder}: a name in it", name, form)

    def _candidate(self, path: str, about: os.stat_result, since: float) -> Iterator[str]:
        """A file to open, unless it is old, empty, seen or exempt."""
        if about.st_mtime < since or path in self._seen:
            return
        self._seen.add(path)
        if path in self._skip:
            self._told.left_out(path, self._skip[path])
            return
        one = self._exempt.of(path)
        if one is None:
            if about.st_size:
                self._told.count("files")
                yield path
            return
        self._told.left_out(path, one["reason"])
        if wrong := self._exempt.wrong(path, one, about.st_mode):
            self._told.hit(path, "(a file that may have one)", wrong)
        for name, form in self._of(path) if "only" in one else ():
            if not any(fnmatch.fnmatchcase(name, pattern) for pattern in one["only"]):
                self._told.hit(path, name, form)

    def _look_at(self, paths: list[str]) -> None:
        for path in self._marked(paths):
            for name, form in self._of(path):
                self._told.hit(path, name, form)

    def _marked(self, paths: list[str]) -> list[str]:
        """Those that must be looked at here. The secrets go to ``grep`` by a pipe."""
        small, rest = [], []
        for path in paths:
            try:
                with open(path, "rb") as stream:
                    packed = reading.compressed(stream.read(6))
                    large = os.fstat(stream.fileno()).st_size > LARGE
                (rest if packed or large else small).append(path)
            except OSError as error:
                self._trouble(path, error)
        if not small or not self._grep or self._patterns == b"\n":
            return small + rest
        argv = [self._grep, "-l", "-a", "-Z", "-F", "-f", "-", "--", *small]
        try:
            done = subprocess.run(argv, input=self._patterns, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"})
        except OSError:  # names that are too long together
            return small + rest
        if done.returncode > 1:  # one of them went away, or this grep is another one
            return small + rest
        return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name] + rest

    def _of(self, path: str) -> set[tuple[str, str]]:
        """What is in one file, as it lies there and, where it is compressed, opened."""
        overlap, found = max(self._wanted.longest - 1, 0), set()
        try:
            with open(path, "rb") as stream:
                packed = reading.compressed(stream.read(6))
                stream.seek(0)
                for piece in reading.pieces(stream, overlap):
                    found.update(self._wanted.found(piece))
            if packed:
                for piece in reading.opened(path, overlap):
                    found.update(self._wanted.found(piece))
        except OSError as error:
            self._trouble(path, error)
        except reading.ClosedError as error:
            self._told.not_seen(path, str(error))
        except reading.BrokenError as error:
            self._told.left_out(path, str(error))
        return found

    def _trouble(self, path: str, error: OSError) -> None:
        if error.errno in (errno.ENOENT, errno.ESRCH, errno.ENOTDIR):  # it went away
            return
        if self._others and error.errno in (errno.EACCES, errno.EPERM) and not self._own(path):
            top = next((folder for folder in SHARED if path.startswith(folder + "/")), path)
            self._told.left_out(top, OTHERS)
            return
        self._told.not_seen(path, os.strerror(error.errno) if error.errno else type(error).__name__)

    @staticmethod
    def _own(path: str) -> bool:
        try:
            return os.lstat(path).st_uid == os.geteuid()
        except OSError:
            return False
