# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables a playbook reads: its own, those of the playbooks that it imports, and those of the roles. From the files, so that no list has to be kept."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jinja2
import yaml
from jinja2 import nodes

ROOT = Path(__file__).parents[2]
# what stands here is an expression without braces
EXPRESSIONS = {"when", "that", "until", "changed_when", "failed_when"}
INCLUDES = {"include_role", "import_role"}
JINJA = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=True)


class _Yaml(yaml.SafeLoader):
    """Vaulted and unsafe values are strings here."""


_Yaml.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


@cache
def read_by(playbook: Path) -> frozenset[str]:
    found: set[str] = set()
    for file in [playbook, *(playbook.parent / playbook.stem).glob("*.yml")]:
        content = yaml.load(file.read_text(encoding="utf-8"), _Yaml)  # noqa: S506 -- a SafeLoader
        found |= _variables(content)
        for key, value in _pairs(content):
            if key.endswith("import_playbook"):
                found |= read_by((file.parent / value).resolve())
            elif key.rpartition(".")[2] in INCLUDES or key == "role":
                found |= _read_by_role(value["name"] if isinstance(value, dict) else value)
            elif key == "roles":
                found |= {name for role in value if isinstance(role, str) for name in _read_by_role(role)}
            elif key == "vars_prompt":
                found |= {one["name"] for one in value}
    return frozenset(found)


@cache
def _read_by_role(name: str) -> frozenset[str]:
    folder = ROOT / "roles" / name.removeprefix("mcp.tenancy.")
    found: set[str] = set()
    for file in folder.glob("meta/argument_specs.yml"):
        specs = yaml.safe_load(file.read_text(encoding="utf-8"))["argument_specs"]
        found |= {option for spec in specs.values() for option in spec.get("options") or {}}
    for file in [*folder.glob("tasks/**/*.yml"), *folder.glob("vars/*.yml"), *folder.glob("defaults/*.yml")]:
        content = yaml.load(file.read_text(encoding="utf-8"), _Yaml)  # noqa: S506 -- a SafeLoader
        found |= _variables(content)
        for key, value in _pairs(content):
            if key.rpartition(".")[2] in INCLUDES and value["name"] != name:
                found |= _read_by_role(value["name"])
    for file in folder.glob("templates/**/*.j2"):
        found |= _names(file.read_text(encoding="utf-8"))
    return frozenset(found)


def _variables(content: object) -> set[str]:
    found: set[str] = set()
    for key, value in _pairs(content):
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and ("{{" in text or "{%" in text):
                found |= _names(text)
            elif isinstance(text, str) and key in EXPRESSIONS:
                found |= _names("{{ " + text + " }}")
    return found


def _names(template: str) -> set[str]:
    return {name.name for name in JINJA.parse(template).find_all(nodes.Name)}


def _pairs(content: object) -> Iterator[tuple[str, object]]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield str(key), value
            yield from _pairs(value)
    elif isinstance(content, list):
        for one in content:
            yield from _pairs(one)
