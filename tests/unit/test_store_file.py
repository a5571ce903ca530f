# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils._store_file import FileStore, StoreError


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> FileStore:
    return FileStore(str(tmp_path / "credentials.json"), clock)


def test_a_write_needs_the_lease_and_the_version_that_it_started_from(store: FileStore) -> None:
    assert store.read()["version"] == 0
    mine = store.acquire("me", 60)
    store.write("cipher 1", 1, 0, mine["fence"], 60)
    assert store.read()["document"] == "cipher 1" and store.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StoreError, match="at version 1, this run started from 0"):
        store.write("cipher 2", 2, 0, mine["fence"], 60)
    store.release(mine["fence"])
    with pytest.raises(StoreError, match="nobody has it now, so nothing was written"):
        store.write("cipher 2", 2, 1, mine["fence"], 60)
    assert store.read()["document"] == "cipher 1"


def test_r3_a_second_controller_is_refused_until_the_first_has_ended_or_was_silent_for_too_long(store: FileStore, clock: Clock) -> None:
    first = store.acquire("first", 60)
    with pytest.raises(StoreError, match=r"are being changed by first\. Next: wait") as caught:
        store.acquire("second", 60)
    assert caught.value.holder == "first"
    clock.now += 61
    second = store.acquire("second", 60)
    assert second["fence"] > first["fence"]
    with pytest.raises(StoreError, match="second has it now"):
        store.write("of the first", 1, 0, first["fence"], 60)
    store.release(first["fence"])
    assert store.read()["lease"]["holder"] == "second", "who was overtaken takes nothing away"
    store.write("of the second", 1, 0, second["fence"], 60)


def test_a_write_renews_the_lease(store: FileStore, clock: Clock) -> None:
    mine = store.acquire("me", 60)
    clock.now += 50
    store.write("cipher", 1, 0, mine["fence"], 60)
    clock.now += 50
    with pytest.raises(StoreError, match="are being changed by me"):
        store.acquire("other", 60)


def test_a_holder_that_is_known_to_be_gone_is_followed_at_once(store: FileStore) -> None:
    store.acquire("gone", 60)
    assert store.acquire("me", 60, instead_of="gone")["lease"]["holder"] == "me"
    with pytest.raises(StoreError):
        store.acquire("third", 60, instead_of="gone")


def test_a_copy_never_takes_the_place_of_a_newer_one(store: FileStore) -> None:
    assert store.copy("five", 5, check=True) and store.read()["version"] == 0
    assert store.copy("five", 5) and not store.copy("five", 5) and not store.copy("four", 4)
    assert store.read()["document"] == "five"


@pytest.mark.parametrize("content", ["{", '{"version": 1}', "[]"])
def test_a_file_that_is_no_store_is_told_with_the_next_step(store: FileStore, content: str) -> None:
    store.path.write_text(content)
    with pytest.raises(StoreError, match=r"Next: bring back a copy"):
        store.read()


def test_a_folder_that_is_not_there_or_full(store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match=r"Next: run deploy\.yml"):
        FileStore(str(tmp_path / "none" / "credentials.json")).acquire("me", 60)
    monkeypatch.setattr(os, "fsync", lambda _handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StoreError, match=r"No space left on device\. Next: make room"):
        store.acquire("me", 60)
    assert [path.name for path in tmp_path.iterdir()] == [], "and nothing is left behind"


def _race(path: str, name: str, won: object) -> None:
    try:
        FileStore(path).acquire(name, 60)
        won.put(name)
    except StoreError:
        pass


def test_of_many_at_once_one_gets_the_lease(tmp_path: Path) -> None:
    won = multiprocessing.Queue()
    racers = [multiprocessing.Process(target=_race, args=(str(tmp_path / "s.json"), f"racer {n}", won)) for n in range(12)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert won.qsize() == 1
