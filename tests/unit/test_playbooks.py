# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds of every task of every playbook and role."""

from __future__ import annotations

import configparser
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


class _Yaml(yaml.SafeLoader):
    """Vaulted and unsafe values are strings here."""


_Yaml.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


def keywords(content: object) -> Iterator[str]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield str(key)
            yield from keywords(value)
    elif isinstance(content, list):
        for one in content:
            yield from keywords(one)


def test_s1_no_task_leaves_a_result_on_a_target_and_no_fact_is_kept() -> None:
    """An async task's result is a file on the target with everything that a module answers, and a fact cache one on the control node."""
    files = [*ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("roles/*/tasks/**/*.yml"), *ROOT.glob("roles/*/handlers/*.yml")]
    assert len(files) > 50
    for file in files:
        found = set(keywords(yaml.load(file.read_text(encoding="utf-8"), _Yaml)))  # noqa: S506 -- a SafeLoader
        assert not found & {"async", "poll", "cacheable"}, file
    settings = configparser.ConfigParser()
    settings.read(ROOT / "ansible.cfg")
    assert settings["connection"].getboolean("pipelining"), "a module and its arguments are piped and never a file"
    assert {"fact_caching", "fact_caching_connection"}.isdisjoint(settings["defaults"]) and settings["defaults"]["gathering"] == "explicit"
