# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/security.md names tests; they are there, and each invariant of the design has some."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs import markdown

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/security.md"
INVARIANTS = [f"{letter}{number}" for letter, last in (("S", 6), ("B", 3), ("R", 5), ("U", 3)) for number in range(1, last + 1)]
FOLDERS = ("tests", "molecule", "services/mcp_bridge/tests")


@cache
def files(name: str) -> list[Path]:
    """`test_users.py` is any of that name, `tests/unit/test_users.py` is that one."""
    if "/" in name:
        whole = [*ROOT.glob(name)]
        return whole or [path for folder in FOLDERS for path in (ROOT / folder).glob(f"**/{name}")]
    return sorted({path for folder in FOLDERS for path in (ROOT / folder).glob(f"**/{name}")})


@cache
def names_in(path: Path) -> list[str]:
    return re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)


def named(text: str) -> list[tuple[int, str, str]]:
    """Line, file, test or nothing. `::test_…` without a file is one of the file before it; an ellipsis stands for the rest of the name."""
    found, file = [], ""
    for span in markdown.spans(text):
        match = re.fullmatch(r"([\w/*.-]*test_[\w*]+\.py)?(?:::(test_\w*…?))?", span.text)
        if match and (match[1] or match[2]):
            file = match[1] or file
            found.append((span.line, file, match[2] or ""))
    return found


def test_every_test_that_is_named_is_there() -> None:
    missing = []
    for line, file, test in named(PAGE.read_text(encoding="utf-8")):
        those = files(file)
        if not those:
            missing.append(f"{line}: {file}")
        elif test and not any(one.startswith(test[:-1]) if test.endswith("…") else one == test for path in those for one in names_in(path)):
            missing.append(f"{line}: {file}::{test}")
    assert missing == []


def test_every_case_of_the_conformance_suite_that_is_named_is_there() -> None:
    cases = {name for path in (ROOT / "tests/conformance").glob("cases_*.py") for name in re.findall(r"def case_(\w+)", path.read_text(encoding="utf-8"))}
    named_ones = {name for row in re.findall(r"conformance: ((?:`\w+`(?:, )?)+)", PAGE.read_text(encoding="utf-8")) for name in re.findall(r"`(\w+)`", row)}
    assert named_ones and named_ones <= cases


@pytest.mark.parametrize("invariant", INVARIANTS)
def test_each_invariant_has_a_promise_and_its_tests_by_full_name(invariant: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert f"| **{invariant}** " in page, "among the promises"
    (entry,) = re.findall(rf"^- \*\*{invariant}\*\* (.*?)(?=^- \*\*|^$)", page, re.MULTILINE | re.DOTALL)
    those = named(entry)
    assert those and all(file.count("/") >= 2 and test and not test.endswith("…") for _, file, test in those)
    assert [f"{file}::{test}" for _, file, test in those if not (ROOT / file).is_file() or test not in names_in(ROOT / file)] == []


def test_no_other_invariant_is_claimed() -> None:
    listed = re.findall(r"^- \*\*([A-Z]\d)\*\* ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == INVARIANTS


def test_a_wrong_name_is_found() -> None:
    assert named("`test_a.py::test_b_…`, `::test_c` and `x.py`, `tests/unit/test_d.py`") == [
        (1, "test_a.py", "test_b_…"),
        (1, "test_a.py", "test_c"),
        (1, "tests/unit/test_d.py", ""),
    ]
    assert files("test_nothing_of_the_kind.py") == []
