# SPDX-License-Identifier: GPL-3.0-or-later
"""Newline-delimited messages out of a stream of chunks, in bounded memory. No I/O."""

from __future__ import annotations

import re

TAIL = 512  # bytes kept of a line that is too long: where JSON-RPC servers put the id
ID_AT_THE_END = re.compile(rb'"id"\s*:\s*(\d{1,18})\s*\}\s*\Z')


class Lines:
    """``feed`` returns whole lines; of a line longer than ``limit`` bytes only :class:`TooLong` remains."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._length = 0

    def feed(self, chunk: bytes) -> list[bytes | TooLong]:
        """Lines that are complete now, without their line ends; empty ones are left out."""
        found: list[bytes | TooLong] = []
        while (end := chunk.find(b"\n")) >= 0:
            self._add(chunk[:end])
            line = self._take()
            if line:
                found.append(line)
            chunk = chunk[end + 1 :]
        self._add(chunk)
        return found

    def _add(self, piece: bytes) -> None:
        if not piece:
            return
        self._length += len(piece)
        self._parts.append(piece)
        if self._length > self._limit:
            self._parts = [b"".join(self._parts)[-TAIL:]]

    def _take(self) -> bytes | TooLong:
        whole, length = b"".join(self._parts), self._length
        self._parts, self._length = [], 0
        return TooLong(whole, length) if length > self._limit else whole.strip()


class TooLong:
    """A line that was dropped: its length in bytes, and the id in its last bytes if there is one."""

    def __init__(self, tail: bytes, length: int) -> None:
        self.length = length
        found = ID_AT_THE_END.search(tail.rstrip())
        self.identity = int(found[1]) if found else None
