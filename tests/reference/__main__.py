# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m tests.reference: write docs/reference anew. With --check: say what is out of date, and change nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from . import pages

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference"


def dump() -> dict:
    # --metadata-dump leaves out what it cannot read, so what it complains of is an error here
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-doc", "--metadata-dump", "mcp.tenancy"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False
    )
    if done.returncode:
        sys.exit(done.stderr.strip())
    return json.loads(done.stdout)["all"]


def differences(wanted: dict[str, str], folder: Path) -> list[str]:
    there = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()}
    return sorted(path for path in wanted.keys() | there.keys() if wanted.get(path) != there.get(path))


def main() -> None:
    wanted = pages.pages(dump())
    differ = differences(wanted, FOLDER)
    if "--check" in sys.argv[1:]:
        if differ:
            sys.exit("docs/reference is out of date; run make reference. It differs in: " + ", ".join(differ))
        return
    for path in differ:
        file = FOLDER / path
        if path in wanted:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[path], encoding="utf-8")
        else:
            file.unlink()
    print(f"docs/reference: {len(wanted)} pages, {len(differ)} changed")


if __name__ == "__main__":
    main()
