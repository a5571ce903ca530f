# SPDX-License-Identifier: GPL-3.0-or-later
"""Declarations that pages show are held against the rules that a deploy holds a team's against. A block with an ellipsis shows a part and is only read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration_check
from tests.docs import markdown

ROOT = Path(__file__).parents[2]
BLOCKS = [
    pytest.param(block.text, id=f"{page.relative_to(ROOT)}:{block.line}")
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "roles").glob("*/README.md"))]
    for block in markdown.blocks(page.read_text(encoding="utf-8"))
    if block.language == "yaml"
]
ONE = [{"name": "dev", "postgres": {"host": "db.team-a.internal", "database": "team_a_dev", "ca": "ca.pem"}}]


def shown(text: str) -> dict:
    """The variables of a block; of one that shows a part of an environment, that environment."""
    content = yaml.safe_load(text)
    if isinstance(content, list) and content and isinstance(content[0], dict) and {"postgres", "mongodb"} & content[0].keys():
        content = {"mcp_environments": content}
    return content if isinstance(content, dict) and any(str(name).startswith("mcp_") for name in content) else {}


@pytest.mark.parametrize("text", BLOCKS)
def test_what_a_page_shows_would_be_taken(text: str) -> None:
    variables = shown(text)
    if not variables or "…" in text:
        return
    if "mcp_edge" in variables:  # shows every choice beside the others
        variables["mcp_edge"] = {key: value for key, value in variables["mcp_edge"].items() if key not in ("acme", "ui")}
    assert [str(one) for one in _declaration_check.problems({"mcp_team": "team_a", "mcp_environments": ONE, **variables})] == []


def test_there_are_declarations() -> None:
    assert sum(1 for block in BLOCKS if shown(block.values[0])) >= 8
