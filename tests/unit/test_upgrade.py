# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept before another installation takes over, once, and what comes back. Nothing runs here; that is in tests/integration and Molecule."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _upgrade


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, str]:
    """A team's folder after a deploy, without a supervisor."""
    found = _declaration.paths({"mcp_root": str(tmp_path / "team"), "mcp_runtime_directory": str(tmp_path / "run")})
    for name in ("etc", "bin", "state", "log"):
        Path(found[name]).mkdir(parents=True)
    manifest(found, "old")
    Path(found["record"]).write_text("{}")
    write(found, "one")
    return found


def manifest(paths: dict[str, str], version: str) -> None:
    command = [f"{paths['lib']}/gateway-{version}/bin/mcpgateway"]
    Path(paths["manifest"]).write_text(json.dumps({"services": {"gateway": {"command": command}}}))
    Path(f"{paths['bin']}/mcp_gateway_front.py").write_text(version)


def write(paths: dict[str, str], text: str) -> None:
    connection = sqlite3.connect(paths["gateway_database"])
    with connection:
        connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
        connection.execute("INSERT INTO t VALUES (?)", [text])
    connection.close()


def held(paths: dict[str, str]) -> list[str]:
    connection = sqlite3.connect(paths["gateway_database"])
    found = [text for (text,) in connection.execute("SELECT x FROM t")]
    connection.close()
    return found


def test_nothing_is_kept_where_the_same_runs_or_nothing_does(paths) -> None:
    assert not _upgrade.Upgrade(paths, "").begin(f"{paths['lib']}/gateway-old")
    Path(paths["gateway_database"]).unlink()
    assert not _upgrade.Upgrade(paths, "").begin(f"{paths['lib']}/gateway-new")
    assert not (Path(paths["root"]) / "before").exists() and Path(paths["record"]).exists()


def test_what_was_cut_off_goes_on_with_the_database_of_before_the_first_try(paths) -> None:
    assert _upgrade.Upgrade(paths, "").begin(f"{paths['lib']}/gateway-new")
    manifest(paths, "new")
    write(paths, "by a migration")
    assert _upgrade.Upgrade(paths, "").begin(f"{paths['lib']}/gateway-new"), "the second try"
    assert not Path(paths["record"]).exists(), "no deploy takes this host for one in order"
    assert _upgrade.Upgrade(paths, "").back()["from"].endswith("gateway-old")
    assert held(paths) == ["one"] and Path(f"{paths['bin']}/mcp_gateway_front.py").read_text() == "old"
    assert _upgrade.Upgrade(paths, "").running().endswith("gateway-old")


def test_who_goes_back_by_hand_gets_the_database_of_before(paths) -> None:
    _upgrade.Upgrade(paths, "").begin(f"{paths['lib']}/gateway-new")
    manifest(paths, "new")
    write(paths, "by a migration")
    assert not _upgrade.Upgrade(paths, "").begin(f"{paths['lib']}/gateway-old"), "the one of before is no upgrade"
    assert held(paths) == ["one"] and _upgrade.Upgrade(paths, "").begun() == {}


def test_a_third_version_begins_from_the_first(paths) -> None:
    _upgrade.Upgrade(paths, "").begin(f"{paths['lib']}/gateway-new")
    manifest(paths, "new")
    write(paths, "by a migration")
    assert _upgrade.Upgrade(paths, "").begin(f"{paths['lib']}/gateway-third")
    assert held(paths) == ["one"] and _upgrade.Upgrade(paths, "").begun()["from"].endswith("gateway-old")
