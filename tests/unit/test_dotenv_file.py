# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.mcp.tenancy.plugins.plugin_utils import _dotenv_file

VALUES = [
    "plain",
    "a'b",
    'a"b',
    "a\\b",
    "\\'",
    "\\\\n",
    "#not a comment",
    " leading",
    "trailing ",
    "$HOME ${X}",
    "a=b",
    "line\nbreak",
    "é漢",
    "",
    "x" * 4000,
    "`id`",
    "%41",
]


@pytest.mark.parametrize("value", VALUES)
def test_what_is_written_reads_back(value: str) -> None:
    assert _dotenv_file.parse(_dotenv_file.render({"BEFORE": "1", "NAME": value, "AFTER": "2"}, "a heading")) == {"BEFORE": "1", "NAME": value, "AFTER": "2"}


def test_what_people_write_is_read() -> None:
    text = '# comment\n\nexport A=1\nB = \'two\' # tail\nC="th\\"ree"\n'
    assert _dotenv_file.parse(text) == {"A": "1", "B": "two", "C": 'th"ree'}


def test_every_mistake_has_its_line_and_no_value() -> None:
    text = "GOOD=1\nGOOD=hunter2\nlower=hunter3\nNOVALUE\nOPEN='hunter4\n"
    with pytest.raises(_dotenv_file.DotenvError) as caught:
        _dotenv_file.parse(text)
    assert [line for line, _message in caught.value.mistakes] == [2, 3, 4, 5]
    assert "hunter" not in str(caught.value)
