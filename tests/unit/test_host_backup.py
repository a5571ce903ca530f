# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup of a host has whose gateway shares its database with others, and what is put back of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _gateway_copy
from ansible_collections.mcp.tenancy.plugins.modules import host_backup


def paths(folder: Path) -> dict[str, str]:
    (folder / "state").mkdir(exist_ok=True)
    names = {"gateway_database": "state/mcp.db", "store": "credentials.json", "client_config": "client.json", "state": "state", "work": "work", "run": "run"}
    return {name: str(folder / path) for name, path in {**names, "etc": "etc", "log": "log"}.items()}


def test_a_shared_database_is_not_in_it_and_nothing_of_one_is_put_back(tmp_path: Path) -> None:
    place = paths(tmp_path)
    Path(place["client_config"]).write_text("{}")
    taken = host_backup.take(place, shared=True)
    assert list(taken) == ["client_config"]
    Path(place["client_config"]).unlink()
    assert host_backup.place(taken, place, "", shared=True) == 0
    assert Path(place["client_config"]).read_text() == "{}" and not Path(place["gateway_database"]).exists()


def test_a_gateway_with_a_database_of_its_own_cannot_be_put_back_from_it(tmp_path: Path) -> None:
    with pytest.raises(_gateway_copy.CopyError, match=r"no database of the gateway.*Next: "):
        host_backup.place({}, paths(tmp_path), "", shared=False)
    with pytest.raises(_gateway_copy.CopyError, match="run deploy"):
        host_backup.take(paths(tmp_path), shared=False)
