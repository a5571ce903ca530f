# SPDX-License-Identifier: GPL-3.0-or-later
"""S4: how each file with secrets is written, on hosts and on the control node."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _atomic_file


@pytest.fixture
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize("there", [b"", b"what was there before"])
def test_s4_a_file_is_private_from_its_first_byte_and_takes_its_place_whole(tmp_path: Path, monkeypatch, open_umask, there: bytes) -> None:
    path, seen = tmp_path / ".env", []
    if there:
        path.write_bytes(there)  # by somebody else, and open to all

    def look(*_arguments: object) -> None:
        for one in tmp_path.iterdir():
            if one != path:
                seen.append((one.stat().st_mode & 0o777, one.read_bytes()))
        assert (path.read_bytes() if path.exists() else b"") == there, "until then the one before is there, whole"

    for name in ("fdopen", "fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *given, real=real: (look(), real(*given))[1])
    _atomic_file.write(path, b"a secret")
    assert seen == [(0o600, b""), (0o600, b"a secret"), (0o600, b"a secret")]
    assert (path.read_bytes(), path.stat().st_mode & 0o777, [*tmp_path.iterdir()]) == (b"a secret", 0o600, [path])


def test_s4_who_reads_meanwhile_has_the_file_of_before_and_not_a_part_of_the_next(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    _atomic_file.write(path, b"one")
    with open(path, "rb") as reader:
        _atomic_file.write(path, b"the other")
        assert reader.read() == b"one"


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_s4_a_write_that_fails_leaves_no_copy_and_the_file_as_it_was(tmp_path: Path, monkeypatch, fails: str) -> None:
    path = tmp_path / ".env"
    _atomic_file.write(path, b"one")

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space"):
        _atomic_file.write(path, b"the other")
    assert (path.read_bytes(), [*tmp_path.iterdir()]) == (b"one", [path])
