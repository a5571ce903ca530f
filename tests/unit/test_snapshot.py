# SPDX-License-Identifier: GPL-3.0-or-later
"""What a snapshot of a host sees, on real files; the units of a host with systemd are Molecule's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.mcp.tenancy.plugins.action import host_record as action
from ansible_collections.mcp.tenancy.plugins.module_utils import _snapshot
from ansible_collections.mcp.tenancy.plugins.modules import host_record

MARKS = {20001: "3.ab12cd34"}


@pytest.fixture
def scope(tmp_path: Path) -> dict:
    (tmp_path / "etc").mkdir(mode=0o755)
    (tmp_path / "etc/services.json").write_text("{}\n")
    (tmp_path / "python").write_text("#!/bin/sh\n")
    (tmp_path / "sysusers.conf").write_text("g root -\nu root -\n")
    paths = [str(tmp_path / name) for name in ("etc", "etc/services.json", "etc/not-there")]
    return {
        "paths": paths,
        "programs": [str(tmp_path / "python"), "no-such-program"],
        "packages": [],
        "sysusers": str(tmp_path / "sysusers.conf"),
        "prefix": "mcp-tenancy-no-such-team-",
        "revisions_directory": str(tmp_path / ".revisions"),
        "bridges": {"postgres-dev": 20001},
    }


def look(scope: dict) -> dict[str, str]:
    return _snapshot.taken(scope, lambda port: {"credential": MARKS[port]})


def test_nothing_changed_nothing_differs(scope: dict) -> None:
    assert _snapshot.differences(look(scope), look(scope)) == []


def content(folder: Path) -> None:
    (folder / "etc/services.json").write_text("[]\n")  # as long as before


def mode(folder: Path) -> None:
    (folder / "etc/services.json").chmod(0o600)


def gone(folder: Path) -> None:
    (folder / "etc/services.json").unlink()


def link(folder: Path) -> None:
    gone(folder)
    (folder / "etc/services.json").symlink_to(folder / "sysusers.conf")


def appeared(folder: Path) -> None:
    (folder / "etc/not-there").touch()


def folder_mode(folder: Path) -> None:
    (folder / "etc").chmod(0o700)


def other_program(folder: Path) -> None:
    os.utime(folder / "python", ns=(1, 1))


def user(folder: Path) -> None:
    (folder / "sysusers.conf").write_text("g root -\nu no-such-user -\n")


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (content, ["{}/etc/services.json"]),
        (mode, ["{}/etc/services.json"]),
        (gone, ["{}/etc/services.json"]),
        (link, ["{}/etc/services.json"]),
        (appeared, ["{}/etc/not-there"]),
        (folder_mode, ["{}/etc"]),
        (other_program, ["program {}/python"]),
        (user, ["users that are missing"]),
    ],
)
def test_a_change_is_seen_and_named(scope: dict, tmp_path: Path, change: Callable[[Path], None], names: list[str]) -> None:
    before = look(scope)
    change(tmp_path)
    assert _snapshot.differences(before, look(scope)) == [name.format(tmp_path) for name in names]


@pytest.mark.parametrize("said", [None, {}, {"credential": "2.0f0f0f0f"}])
def test_a_bridge_on_another_login_or_silent_is_seen(scope: dict, said: dict | None) -> None:
    assert _snapshot.differences(look(scope), _snapshot.taken(scope, lambda port: said)) == ["bridge postgres-dev"]


def test_a_package_that_is_missing_is_seen(scope: dict) -> None:
    before = look(scope)
    assert _snapshot.differences(before, look({**scope, "packages": ["no-such-package"]})) == ["packages that are missing"]


def test_a_unit_that_is_down_is_named() -> None:
    assert _snapshot.not_running({"unit a.service": "active enabled no - 1", "unit b.service": "failed enabled no - 1", "/etc": "x"}) == ["unit b.service"]


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"format": 0}', "{}"])
def test_a_record_that_cannot_be_used_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "record").write_text(text)
    assert host_record.compare(str(tmp_path / "record"), "digest")["why"] == "there is no record of a whole deploy"


def test_a_record_answers_for_its_inputs_and_its_facts(scope: dict, tmp_path: Path) -> None:
    scope, path = {**scope, "bridges": {}}, str(tmp_path / "record")
    assert host_record.write(path, "digest", scope, {"gateway": "/g"})["in_order"]
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert host_record.compare(path, "digest") == {"in_order": True, "differs": [], "why": "", "remembered": {"gateway": "/g"}}
    assert "is another one" in host_record.compare(path, "other")["why"]
    content(tmp_path)
    assert host_record.compare(path, "digest")["differs"] == [f"{tmp_path}/etc/services.json"]


def test_another_file_of_the_collection_is_another_digest(tmp_path: Path) -> None:
    for name in action.SOURCES:
        (tmp_path / name).mkdir()
    (tmp_path / "roles/a").write_text("x")
    before = action.collection_digest(tmp_path)
    (tmp_path / "roles/a.pyc").write_text("compiled")
    assert action.collection_digest(tmp_path) == before
    (tmp_path / "roles/a").rename(tmp_path / "roles/b")
    assert action.collection_digest(tmp_path) != before
