# SPDX-License-Identifier: GPL-3.0-or-later
"""What only a command tells: the journal, and what container engines know of their containers. Their output is searched while it comes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable

from tests.canary import forms, reading, report

UNIT = re.compile(rb"^(?:_SYSTEMD_UNIT|SYSLOG_IDENTIFIER)=(.*)$", re.MULTILINE)
#: Where journald keeps a journal, in memory or on disk.
JOURNALS = ("/var/log/journal", "/run/log/journal")
ENGINES = ("docker", "podman")


def journal(wanted: forms.Wanted, told: report.Report, since: str, others: bool) -> None:
    """Everything in it, by ``journalctl``, with all fields of all entries: what was said, and the argv of who said it."""
    if not any(map(os.path.isdir, JOURNALS)):
        told.left_out("journal", "there is none here")
        return
    if not shutil.which("journalctl"):
        told.not_seen("journal", "there is no journalctl to read it")
        return
    argv = ["journalctl", "--no-pager", "--quiet", "--all", "--output=export", *([f"--since={since}"] if since else [])]
    if os.geteuid() and others:
        told.left_out("journal", "root sees it")
        return
    if os.geteuid():
        told.not_seen("journal", "of the system: root sees it")
    stream(wanted, told, argv, "journal", lambda piece, place: f"journal, {_unit(piece, place)}")


def containers(wanted: forms.Wanted, told: report.Report, others: bool) -> None:
    """``inspect`` of each container, of each engine that is here."""
    for engine in filter(shutil.which, ENGINES):
        listed = subprocess.run([engine, "ps", "--all", "--quiet", "--no-trunc"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if listed.returncode:
            (told.left_out if others else told.not_seen)(f"{engine} inspect", f"{engine} does not answer this user")
            continue
        told.count(f"containers of {engine}", len(listed.stdout.split()))
        for container in listed.stdout.split():
            stream(wanted, told, [engine, "inspect", container], f"{engine} inspect {container[:12]}", None)


def stream(wanted: forms.Wanted, told: report.Report, argv: list[str], place: str, named: Callable[[bytes, int], str] | None) -> None:
    """The output of one command. ``named``: a nearer place, from a piece of the output and where in it the secret stands."""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        length = text(wanted, told, reading.pieces(running.stdout, max(wanted.longest - 1, 0)), place, named)
    if running.returncode:
        told.not_seen(place, f"{argv[0]} ended with {running.returncode}")
    told.count(f"bytes of {argv[0]}", length)


def text(wanted: forms.Wanted, told: report.Report, pieces: Iterable[bytes], place: str, named: Callable[[bytes, int], str] | None = None) -> int:
    length = 0
    for piece in pieces:
        length += len(piece)
        for at, name, form in wanted.places(piece):
            told.hit(named(piece, at) if named else place, name, form)
    return length


def _unit(piece: bytes, place: int) -> str:
    """Of the entry that has the place in it; entries have an empty line between them."""
    begin, end = piece.rfind(b"\n\n", 0, place) + 1, piece.find(b"\n\n", place)
    found = UNIT.search(piece[begin : end if end >= 0 else None])
    return found[1].decode(errors="replace") if found else "somewhere"
