# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of the team's key that ends anywhere: what is there can be opened at every instant, and the next run gets to the end."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _credentials
from ansible_collections.mcp.tenancy.plugins.modules import host_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _backups, _credentials_file, _rekey, _team_env
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_env import TeamEnv, TeamEnvError

UNSEAL = Path(__file__).parents[2] / "roles/host_tools/files/mcp-unseal"


class KilledError(BaseException):
    """The process ends here."""


class Team:
    """A team's files on the control node: a ``.env``, a whole vaulted file, vaulted values among clear ones, somebody else's vault, a key elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.elsewhere = folder / "inventory", folder / "edge.pem"
        (self.folder / "group_vars/team_a").mkdir(parents=True)
        self.env = TeamEnv("team_a", str(self.folder / ".env"), str(folder / "keys/team_a.key"))
        self.env.create_key()
        self.first = self.env.key()
        self.env.write({"A": "hunter2 é"})
        self.whole, self.values, self.foreign = (self.folder / f"group_vars/team_a/{name}.yml" for name in ("whole", "values", "foreign"))
        self.whole.write_bytes(_team_env.encrypt(b"a: 1\n", self.first, "team_a"))
        self.whole.chmod(0o644)
        block = b"".join(b"      " + line + b"\n" for line in _team_env.encrypt(b"one", self.first, "team_a").splitlines())
        self.values.write_bytes(b"list:\n  - name: !vault |\n" + block + b"  - clear\nlast: !vault |\n" + block.rstrip(b"\n"))
        self.foreign.write_bytes(_team_env.encrypt(b"b: 2\n", b"o" * 32, "others"))
        self.elsewhere.write_bytes(_team_env.encrypt(b"KEY", self.first, "team_a"))

    @property
    def rekey(self) -> _rekey.Rekey:
        return _rekey.Rekey(TeamEnv("team_a", str(self.env.path), str(self.env.key_file)), self.folder, [self.elsewhere])

    def run(self) -> None:
        rekey = self.rekey
        assert rekey.problems() == []
        rekey.begin()
        rekey.carry()
        rekey.finish()

    def secrets(self, keys: list[bytes]) -> list[bytes]:
        """Everything that is encrypted, in clear; raises when something does not open."""
        texts = [found for path in (self.env.path, self.whole, self.values, self.elsewhere) for found in _rekey.BLOCK.finditer(path.read_bytes())]
        return [_team_env.decrypt(_rekey._text_of(found), keys, "team_a") for found in texts]


def killed_before(monkeypatch: pytest.MonkeyPatch, number: int, work: Callable[[], None]) -> bool:
    """Whether ``work`` came to its rename of that number, and ended there."""
    real, count = os.replace, []

    def replace(*arguments: object) -> None:
        count.append(1)
        if len(count) == number:
            raise KilledError
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        try:
            work()
        except KilledError:
            return True
    return False


def test_all_that_is_the_teams_opens_with_the_new_key_alone_and_nothing_else_was_touched(tmp_path: Path) -> None:
    team = Team(tmp_path)
    clear, foreign, text = team.secrets([team.first]), team.foreign.read_bytes(), team.values.read_text()
    team.run()
    (new,) = team.env.keys()
    assert new != team.first and len(bytes.fromhex(new.decode())) == 32
    assert team.secrets([new]) == clear and team.env.read() == {"A": "hunter2 é"} and team.foreign.read_bytes() == foreign
    with pytest.raises(_team_env.AnsibleError):
        team.secrets([team.first])
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (team.env.key_file, team.env.path, team.whole)]
    assert modes == [0o600, 0o600, 0o644]
    assert sorted(path.name for path in team.env.key_file.parent.iterdir()) == ["team_a.key"], "the key before is nowhere"
    lines = [line for line in team.values.read_text().splitlines() if not line.strip().isalnum()]
    assert lines == [line for line in text.splitlines() if not line.strip().isalnum()], "what is clear stays as it is, line by line"


def test_a_run_that_ends_before_any_of_its_renames_leaves_everything_readable_and_the_next_one_finishes(tmp_path: Path, monkeypatch) -> None:
    number = 0
    while True:
        number += 1
        team = Team(tmp_path / str(number))
        clear = team.secrets([team.first])
        if not killed_before(monkeypatch, number, team.run):
            break
        begun = team.env.next_key_file.exists()
        assert team.secrets(team.env.keys()) == clear and team.env.read() == {"A": "hunter2 é"}, f"rename {number}"
        assert len(team.env.keys()) == 1 + begun
        promised = team.env.key()
        team.run()
        (new,) = team.env.keys()
        assert team.secrets([new]) == clear and (new == promised) == begun, "one that was begun is finished with its own key"
    assert number == 7, "the next key, five files, the key's own"


def test_a_whole_file_is_carried_whatever_its_size_and_large_files_of_others_are_not_read_for_values(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(_rekey, "LARGEST", 1000)
    team = Team(tmp_path)
    backup, large = team.folder / "backups/gw1-20260102T030405Z.backup", team.folder / "large.yml"
    backup.parent.mkdir()
    backup.write_bytes(_team_env.encrypt(b"x" * 2000, team.first, "team_a"))
    large.write_bytes(b"# " + b"x" * 1000 + b"\n" + team.values.read_bytes())
    before = large.read_bytes()
    assert backup in team.rekey.files() and large not in team.rekey.files()
    team.run()
    assert _team_env.decrypt(backup.read_bytes(), team.env.key(), "team_a") == b"x" * 2000 and large.read_bytes() == before


def test_a_hosts_newest_backup_is_not_one_of_a_host_with_a_longer_name(tmp_path: Path) -> None:
    for host, taken_at in (("gw", "2026-01-02T03:04:05Z"), ("gw", "2026-01-03T00:00:00Z"), ("gw-1", "2026-05-01T00:00:00Z")):
        (tmp_path / _backups.name(host, taken_at)).touch()
    assert [path.name for path in (_backups.newest(tmp_path, "gw"), _backups.newest(tmp_path, "gw-1"))] == [
        "gw-20260103T000000Z.backup",
        "gw-1-20260501T000000Z.backup",
    ]
    assert _backups.newest(tmp_path, "g") is None and len(_backups.everyones(tmp_path)) == 3


def test_what_is_written_while_it_is_under_way_is_under_the_next_key(tmp_path: Path) -> None:
    team = Team(tmp_path)
    team.rekey.begin()
    team.env.write({"A": "2"})
    new = team.env.key_file.with_name("team_a.key.next").read_bytes().strip()
    assert _team_env.decrypt(team.env.path.read_bytes(), new, "team_a") and team.env.key() == new
    with_vault_id = TeamEnv("team_a", str(team.env.path), str(team.env.key_file), [("team_a", _team_env.VaultSecret(team.first))])
    assert with_vault_id.keys() == [new, team.first] and with_vault_id.read() == {"A": "2"}


def test_a_key_that_is_given_is_taken_and_mistakes_are_told_before_anything_is_touched(tmp_path: Path) -> None:
    team = Team(tmp_path)
    given = tmp_path / "given.key"
    for content, mode, what in ((b"short", 0o600, "too short"), (b"g" * 64, 0o644, "others than its owner"), (team.first, 0o600, "has already")):
        given.write_bytes(content)
        given.chmod(mode)
        assert [what in str(problem) for problem in team.rekey.problems(given)] == [True]
    given.write_bytes(b"g" * 64)
    team.whole.write_bytes(_team_env.encrypt(b"x", b"l" * 32, "team_a"))
    team.values.write_bytes(b'a: {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\\n6162"}\n')
    assert {str(problem).split(":")[0].rpartition("/")[2] for problem in team.rekey.problems(given)} == {"whole.yml", "values.yml"}
    assert not team.rekey.under_way
    team.whole.unlink()
    team.values.unlink()
    team.rekey.begin(given)
    assert team.env.key() == b"g" * 64
    given.write_bytes(b"h" * 64)
    assert "began to change" in str(team.rekey.problems(given)[0])
    with pytest.raises(TeamEnvError, match="still is under the key before"):
        team.rekey.finish()
    team.rekey.carry()
    team.rekey.finish()
    assert team.env.keys() == [b"g" * 64]


def test_s5_logins_of_before_are_known_under_another_key() -> None:
    document = _credentials_file.labelled(_credentials.empty("t"), b"k" * 32)
    known = _credentials_file.label(document)("login", "password")
    held = {"version": 0, "document": _credentials_file.sealed(document, b"k" * 32)}
    opened = _credentials_file.opened(held, [b"n" * 32, b"k" * 32], "t")
    again = {"version": 0, "document": _credentials_file.sealed(opened, b"n" * 32)}
    assert _credentials_file.label(_credentials_file.opened(again, b"n" * 32, "t"))("login", "password") == known


class OnHost:
    """A host's ``.env`` and key, and the module that replaces them."""

    def __init__(self, folder: Path) -> None:
        self.env, self.key = folder / ".env", folder / "vault.key"
        self.write(b"1" * 64, {self.key: b"1" * 64 + b"\n", self.env: self.sealed(b"1" * 64)})
        self.params = {"path": str(self.env), "key_path": str(self.key)}

    @staticmethod
    def sealed(key: bytes) -> bytes:
        return _team_env.encrypt(b"A='1'\n", key, "team_a")

    @staticmethod
    def write(_key: bytes, files: dict[Path, bytes]) -> None:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def rekey(self, key: bytes) -> None:
        wanted = {str(self.key): key + b"\n", str(self.env): self.sealed(key)}
        changed = [*wanted, *([f"{self.key}.next"] if Path(f"{self.key}.next").exists() else [])]
        host_env.replace(self, wanted, changed)


def unseal() -> object:
    loader = importlib.machinery.SourceFileLoader("mcp_unseal", str(UNSEAL))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("mcp_unseal", loader))
    loader.exec_module(module)
    return module


def test_a_hosts_services_can_be_started_before_each_rename_of_its_key_and_file(tmp_path: Path, monkeypatch) -> None:
    tool, number = unseal(), 0
    while True:
        number += 1
        host = OnHost(tmp_path / str(number))
        killed = killed_before(monkeypatch, number, lambda host=host: host.rekey(b"2" * 64))
        assert tool.decrypt(host.env, host.key, "") == {"A": "1"}, f"rename {number}"
        if not killed:
            break
        host.rekey(b"2" * 64)
        assert tool.decrypt(host.env, host.key, "") == {"A": "1"} and host.key.read_bytes().strip() == b"2" * 64
        assert sorted(path.name for path in host.env.parent.iterdir()) == [".env", "vault.key"]
    assert number == 4


def test_a_key_that_opens_nothing_is_told_with_the_next_step(tmp_path: Path) -> None:
    host = OnHost(tmp_path / "h")
    host.key.write_bytes(b"x" * 64)
    with pytest.raises(SystemExit, match=r"cannot be decrypted with .*Next: run deploy.yml again"):
        unseal().decrypt(host.env, host.key, "")
    host.key.unlink()
    with pytest.raises(SystemExit, match=r"vault.key cannot be read"):
        unseal().decrypt(host.env, host.key, "")
