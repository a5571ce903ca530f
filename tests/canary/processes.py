# SPDX-License-Identifier: GPL-3.0-or-later
"""Argv and environment of each process. A team's services have what is theirs in their environment (S2), and nobody else may."""

from __future__ import annotations

import os

from tests.canary import forms, report

OWN = "environment of the team's services: each has its own variables (S2)"


class Processes:
    """``users``: names of the users that services run as. ``work``: the folder below which each service works, where there is one user for all."""

    def __init__(self, wanted: forms.Wanted, told: report.Report, users: list[str], work: str, others: bool, proc: str = "/proc") -> None:
        self._wanted, self._told, self._work, self._others, self._proc = wanted, told, work, others, proc
        self._uids = {uid for uid in map(_uid, users) if uid}

    def search(self) -> None:
        parents = {pid: parent for pid in self._pids() if (parent := self._parent(pid)) is not None}
        for pid in parents:
            argv = self._read(pid, "cmdline")
            if argv is None:
                continue
            self._told.count("processes")
            for name, form in self._wanted.found(argv):
                self._told.hit(self._called(pid, "argv"), name, form)
            if self._of_a_service(pid, parents):
                self._told.left_out("environ", OWN)
                continue
            for name, form in self._wanted.found(self._read(pid, "environ") or b""):
                self._told.hit(self._called(pid, "environ"), name, form)

    def _pids(self) -> list[int]:
        return [int(name) for name in os.listdir(self._proc) if name.isdigit()]

    def _parent(self, pid: int) -> int | None:
        try:
            with open(f"{self._proc}/{pid}/stat", "rb") as stream:
                return int(stream.read().rpartition(b")")[2].split()[1])
        except OSError:
            return None

    def _of_a_service(self, pid: int, parents: dict[int, int]) -> bool:
        """It or what it is a child of runs as a service's user, or works in a service's folder."""
        while pid > 1:
            try:
                if os.stat(f"{self._proc}/{pid}").st_uid in self._uids:
                    return True
                if self._work and (os.readlink(f"{self._proc}/{pid}/cwd") + "/").startswith(self._work.rstrip("/") + "/"):
                    return True
            except OSError:
                pass
            pid = parents.get(pid, 0)
        return False

    def _read(self, pid: int, what: str) -> bytes | None:
        """None when it has ended or may not be read."""
        try:
            with open(f"{self._proc}/{pid}/{what}", "rb") as stream:
                return stream.read()
        except PermissionError:
            if self._others:
                self._told.left_out(what, "of processes of other users and of those that hide it: root sees them")
            else:
                self._told.not_seen(self._called(pid, what), "Permission denied")
        except OSError:
            pass
        return None

    def _called(self, pid: int, what: str) -> str:
        try:
            program = os.path.basename(os.readlink(f"{self._proc}/{pid}/exe"))
        except OSError:
            program = "?"
        return f"{what} of process {pid} ({program})"


def _uid(user: str) -> int:
    import pwd

    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return 0
