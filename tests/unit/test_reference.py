# SPDX-License-Identifier: GPL-3.0-or-later
"""How a page of docs/reference is written. That the committed ones are of today is said by tests/lint."""

from __future__ import annotations

import pytest

from tests.reference import markup
from tests.reference.__main__ import differences
from tests.reference.pages import pages


def dump() -> dict:
    options = {"door": {"description": "Open|closed.", "type": "raw", "default": ""}}
    return {
        "role": {
            "mcp.tenancy.house": {
                "path": "/somebody/here/house",
                "entry_points": {
                    "main": {"short_description": "A house", "description": "With O(door).", "options": options},
                    "later": {"short_description": "The same house", "options": options},
                },
            }
        },
        "module": {
            "mcp.tenancy.build": {
                "doc": {
                    "short_description": "Build",
                    "description": ["See M(mcp.tenancy.build_info), M(ansible.builtin.copy); C(a_b) is a_b."],
                    "filename": "/somebody/here/build.py",
                    "options": {
                        "rooms": {
                            "type": "list",
                            "elements": "dict",
                            "required": True,
                            "description": "Rooms.",
                            "suboptions": {"size": {"type": "str", "choices": ["s", "l"], "default": "s", "description": "How large."}},
                        }
                    },
                },
                "examples": "- name: It\n  mcp.tenancy.build:\n",
                "return": {"walls": {"type": "dict", "returned": "always", "description": "W.", "contains": {"height": {"type": "int", "description": "m"}}}},
            },
            "mcp.tenancy.build_info": {"doc": {"short_description": "Look"}, "examples": "", "return": {}},
        },
        "filter": {},
        "lookup": {},
    }


def test_a_page_has_everything_that_is_below_an_option_under_the_name_that_markup_gives_it() -> None:
    page = pages(dump())["modules/build.md"]
    assert "| `rooms` | list of dict | **required** | Rooms. |" in page
    assert "| `rooms[].size` | str | `s` | How large.<br>One of `s`, `l`. |" in page
    assert "| `walls` | dict | always | W. |" in page and "| `walls.height` | int |  | m |" in page
    assert "```yaml\n- name: It\n" in page


def test_other_pages_are_linked_and_what_has_none_is_named() -> None:
    assert "See [`mcp.tenancy.build_info`](build_info.md), `ansible.builtin.copy`; `a_b` is a\\_b." in pages(dump())["modules/build.md"]
    assert "[build](modules/build.md)" in pages(dump())["README.md"]


def test_a_bar_does_not_end_a_cell_and_the_same_options_are_shown_once() -> None:
    page = pages(dump())["roles/house.md"]
    assert '| `door` | any | `""` | Open\\|closed. |' in page
    assert page.count("Open") == 1 and "Its options are those of [`main`](#entry-point-main)." in page


def test_nothing_of_the_machine_is_in_a_page() -> None:
    assert "/somebody" not in "".join(pages(dump()).values())


def test_wrong_markup_is_an_error() -> None:
    with pytest.raises(ValueError, match="O"):
        markup.paragraphs("O(unfinished", "mcp.tenancy.build", "module", lambda *_: None)


def test_what_is_out_of_date_missing_or_too_much_is_named(tmp_path) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "old.md").write_text("old")
    (tmp_path / "README.md").write_text("one")
    assert differences({"README.md": "one", "a.md": "two"}, tmp_path) == ["a.md", "modules/old.md"]
    assert differences({"README.md": "other"}, tmp_path) == ["README.md", "modules/old.md"]
