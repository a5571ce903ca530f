# SPDX-License-Identifier: GPL-3.0-or-later
"""One line a call: who, what, when, how it ended; never a value. Each line carries the digest of the one before it, so a gap shows."""

from __future__ import annotations

import datetime
import hashlib
import logging
import os
import sys
from pathlib import Path

import orjson

log = logging.getLogger("mcp_bridge")
FIRST = "0" * 64
LAST_LINE = 64 * 1024  # bytes at the end of the file in which the last line is looked for


class Audit:
    """Appends to a file, 0600. Without a file it does nothing."""

    def __init__(self, path: Path | None, service: str) -> None:
        self._service, self._file, self._chain = service, -1, FIRST
        if path is not None:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._chain = self._last_digest()

    def _last_digest(self) -> str:
        size = os.fstat(self._file).st_size
        lines = os.pread(self._file, LAST_LINE, max(0, size - LAST_LINE)).splitlines()
        if lines and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")  # a line that was cut off stays, as evidence, on a line of its own
        return digest(lines[-1]) if lines else FIRST

    def write(self, who: str, method: str, tool: str | None, generation: int, outcome: str, milliseconds: float, about: dict[str, str] | None = None) -> None:
        """``about``: more of who it was. A disk that is full must not stop the service: the gap is logged, and the chain shows it."""
        if self._file < 0:
            return
        line = orjson.dumps(
            {
                "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
                "service": self._service,
                "who": who,
                **(about or {}),
                "method": method,
                "tool": tool,
                "generation": generation,
                "outcome": outcome,
                "ms": round(milliseconds, 2),
                "previous": self._chain,
            }
        )
        try:
            os.write(self._file, line + b"\n")
        except OSError as error:
            log.error("the audit line of a call was not written: %s", error.strerror)
            return
        self._chain = digest(line)


def digest(line: bytes) -> str:
    """What the next line carries."""
    return hashlib.sha256(line).hexdigest()


def broken(path: Path) -> int | None:
    """Number of the first line that does not follow from the one before it, None for a whole chain."""
    chain = FIRST
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, 1):
            line = raw.rstrip(b"\n")
            try:
                if orjson.loads(line)["previous"] != chain:
                    return number
            except (orjson.JSONDecodeError, KeyError, TypeError):
                return number
            chain = digest(line)
    return None


def main(names: list[str]) -> int:
    """A line for each file. 0: every chain is whole; 1: one is not; 2: one could not be read, or none was named."""
    worst = 0 if names else 2
    if not names:
        print("python -m mcp_bridge.audit FILE…: is a line missing, or was one changed?", file=sys.stderr)
    for name in names:
        try:
            line = broken(Path(name))
        except OSError as error:
            print(f"{name}: cannot be read ({error.strerror})", file=sys.stderr)
            worst = 2
            continue
        print(f"{name}: " + ("the chain is whole" if line is None else f"line {line} does not follow from the one before it"))
        worst = max(worst, int(line is not None))
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
