# SPDX-License-Identifier: GPL-3.0-or-later
"""``scripts/guard staged | tree | commits RANGE | files NAME …``: exit 1 when something secret is found, 2 when it could not be searched."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from guard import allowed, repository
from guard.scan import Hit, scan

COLUMNS = ("where", "what", "what to do")


def main() -> int:
    parser = argparse.ArgumentParser(prog="guard", description="Searches for credentials that must not be committed. No value is printed.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("staged", help="what the next commit adds or changes")
    kinds.add_parser("tree", help="everything that is tracked")
    kinds.add_parser("commits", help="what each commit of a range adds or changes").add_argument("range")
    kinds.add_parser("files", help="files by their names").add_argument("name", nargs="*")
    arguments = parser.parse_args()
    try:
        top = repository.root(Path.cwd())
        entries = allowed.read(top)
        hits = [hit for path, raw in _looked_at(top, arguments) for hit in scan(path, raw)]
    except (repository.GitError, allowed.AllowedError, OSError) as error:
        print(f"guard: {error}", file=sys.stderr)
        return 2
    left = allowed.without(sorted(hits), entries)
    idle = allowed.idle(entries) if arguments.kind == "tree" else []
    _tell(left, idle)
    return 1 if left or idle else 0


def _looked_at(top: Path, arguments: argparse.Namespace) -> Iterable[tuple[str, bytes]]:
    if arguments.kind == "files":
        return repository.files(top, arguments.name)
    wanted = {"staged": repository.staged, "tree": repository.tracked}.get(arguments.kind)
    return repository.contents(top, wanted(top) if wanted else repository.commits(top, arguments.range))


def _tell(hits: list[Hit], idle: list[allowed.Entry]) -> None:
    rows = [COLUMNS, *((f"{hit.path}:{hit.line}" if hit.line else hit.path, hit.rule, hit.step) for hit in hits)]
    if hits:
        widths = [max(len(row[index]) for row in rows) for index in range(len(COLUMNS))]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        print(f"\nNothing of this may be committed. What is no secret: name it in {allowed.FILE}, with the reason (docs/guard.md).")
    for entry in idle:
        print(f"{allowed.FILE}: {entry.path} ({entry.rule}) is there for more than is found ({entry.used}). Next: take it out, or correct its count.")


if __name__ == "__main__":
    sys.exit(main())
