# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of a file in pieces that overlap, so that nothing is missed between two. What is compressed is opened."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from typing import BinaryIO

PIECE = 1 << 20
OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
#: The beginning of what the standard library cannot open → the command that can.
COMMANDS = {b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}
#: Opened by the standard library, and everything that can go wrong in it.
BROKEN = (OSError, EOFError, lzma.LZMAError, zlib.error)


class ClosedError(Exception):
    """A compressed file that nothing here opens."""


class BrokenError(Exception):
    """A compressed file that nothing opens to its end. What comes before was read."""


def pieces(stream: BinaryIO, overlap: int) -> Iterator[bytes]:
    """Each begins with the last ``overlap`` bytes of the one before."""
    before = b""
    while read := stream.read(PIECE):
        yield before + read
        before = (before + read)[-overlap:] if overlap else b""


def compressed(beginning: bytes) -> bool:
    return beginning.startswith((*OPENERS, *COMMANDS))


def opened(path: str, overlap: int) -> Iterator[bytes]:
    """What is in a compressed file. Raises :class:`ClosedError`, :class:`BrokenError`."""
    with open(path, "rb") as stream:
        beginning = stream.read(6)
    for magic, opener in OPENERS.items():
        if beginning.startswith(magic):
            try:
                with opener(path, "rb") as stream:
                    yield from pieces(stream, overlap)
            except BROKEN as error:
                raise BrokenError(f"is broken, and was opened up to there ({type(error).__name__})") from None
    for magic, command in COMMANDS.items():
        if beginning.startswith(magic):
            yield from _by_command(command, path, overlap)


def _by_command(command: str, path: str, overlap: int) -> Iterator[bytes]:
    if not shutil.which(command):
        raise ClosedError(f"is compressed, and there is no {command} to open it")
    argv = [command, "--decompress", "--stdout", "--quiet", "--", path]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        yield from pieces(running.stdout, overlap)
    if running.returncode:
        raise BrokenError(f"is broken, and was opened up to there ({command} ended with {running.returncode})")
