# SPDX-License-Identifier: GPL-3.0-or-later
"""Links between pages, their anchors, and files of the repository that pages name."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.docs import markdown

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"(?:docs|roles|tests|molecule|scripts|services|playbooks|plugins|requirements|guard|demo)/[\w./-]*\w")


def pages() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, check=True)
    return sorted(path for path in listed.stdout.decode().split("\0") if path and (ROOT / path).is_file())


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_links_lead_somewhere() -> None:
    wrong = []
    for page in pages():
        for link in markdown.links(text(ROOT / page)):
            if re.match(r"(https?|mailto):", link.text):
                continue
            name, _, anchor = link.text.partition("#")
            target = ((ROOT / page).parent / name).resolve() if name else ROOT / page
            if not target.is_relative_to(ROOT) or not target.exists():
                wrong.append(f"{page}:{link.line}: {link.text}: no such file")
            elif anchor and anchor not in markdown.anchors(text(target)):
                wrong.append(f"{page}:{link.line}: {link.text}: no such heading")
    assert wrong == []


def test_files_that_pages_name_are_there() -> None:
    wrong = []
    for page in pages():
        for span in markdown.spans(text(ROOT / page)):
            name = span.text.split("::")[0]
            if NAMED.fullmatch(name) and not (ROOT / name).exists():
                wrong.append(f"{page}:{span.line}: {span.text}")
    assert wrong == []


def test_every_page_in_docs_is_reached_from_the_readme() -> None:
    reached, left = {ROOT / "README.md"}, [ROOT / "README.md"]
    while left:
        page = left.pop()
        for link in markdown.links(text(page)):
            target = (page.parent / link.text.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.is_file() and target not in reached:
                reached.add(target)
                left.append(target)
    assert sorted(str(path.relative_to(ROOT)) for path in {*(ROOT / "docs").glob("**/*.md")} - reached) == []


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("# The life of a host\n", {"the-life-of-a-host"}),
        ("## Another vault key: `rekey.yml`\n", {"another-vault-key-rekeyyml"}),
        ("# A\n## A\n```\n# B\n```\n", {"a", "a-1"}),
        ("# With [a link](x.md), and under_score\n", {"with-a-link-and-under_score"}),
    ],
)
def test_anchors_are_those_of_git_hosts(page: str, expected: set[str]) -> None:
    assert markdown.anchors(page) == expected


def test_what_is_code_is_no_link() -> None:
    page = "A [link](a.md#b), `[no](c.md)`, ![a picture](d.png).\n\n```md\n[no](e.md)\n```\n\n  ```\n  [no](f.md)\n  ```\n"
    assert [link.text for link in markdown.links(page)] == ["a.md#b", "d.png"]
    assert [span.text for span in markdown.spans(page)] == ["[no](c.md)"]
    assert [block.line for block in markdown.blocks(page)] == [4, 8]
