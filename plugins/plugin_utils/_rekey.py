# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Another vault key for a team: its encrypted files on the control node, and the key's file itself.

The next key lies beside the key's file, ``NAME.next``, from the first step to the last. While it is there everything of ours is written with it and read
with either (:meth:`TeamEnv.keys`), so a run may end anywhere, and whatever runs meanwhile helps it on. The last step is one rename, after which the key of
before is gone.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ansible.errors import AnsibleError

from ansible_collections.mcp.tenancy.plugins.module_utils import _atomic_file
from ansible_collections.mcp.tenancy.plugins.module_utils._problem import Problem
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _team_env

MARK = b"$ANSIBLE_VAULT;"
#: A whole file, or a value below ``!vault |``: a header, then lines of hexadecimal digits that are indented like it.
BLOCK = re.compile(rb"(?m)^(?P<indent>[ \t]*)(?P<header>\$ANSIBLE_VAULT;[^\r\n]*)\r?\n(?P<body>(?:(?P=indent)[0-9a-f]+[ \t]*(?:\r?\n|\Z))+)")
#: What lies beside an inventory and is nobody's secrets.
LEFT_OUT = {".git", ".venv", ".cache", ".collections", "node_modules", "__pycache__"}
#: Bytes of a file in which values below ``!vault |`` are looked for.
LARGEST = 16 * 1024 * 1024


class Rekey:
    """``folder``: the team's inventory, all of whose files are looked at. ``others``: files of the team that are elsewhere."""

    def __init__(self, env: _team_env.TeamEnv, folder: Path, others: Iterable[Path] = ()) -> None:
        self.env, self._folder, self._others = env, folder, list(others)

    @property
    def under_way(self) -> bool:
        return self.env.next_key_file.exists()

    def problems(self, new_key_file: Path | None = None) -> list[Problem]:
        """What is in the way, all of it; nothing was changed."""
        found = []
        keys = self.env.keys()
        if new_key_file is not None:
            found += self._not_to_be_taken(new_key_file, keys)
        if self.env.key_file.exists() and self.env.read_key(self.env.key_file) not in keys:
            step = f"move it away: the new key will be there, and this one is not what --vault-id {self.env.team}@FILE gives"
            found.append(Problem(str(self.env.key_file), "holds another key than the one that the team uses", step))
        for path in self.files():
            found += [Problem(str(path), what, step) for what, step in self._unreadable(path, keys)]
        return found

    def _not_to_be_taken(self, path: Path, keys: list[bytes]) -> list[Problem]:
        try:
            given = self.env.read_key(path)
        except _team_env.TeamEnvError as error:
            return error.problems
        if self.under_way and given != keys[0]:
            return [
                Problem(str(path), "is another key than the one to which a run before began to change", "run rekey.yml without a key to finish that one first")
            ]
        if not self.under_way and given in keys:
            return [Problem(str(path), "is the key that the team has already", "give another one, or none to have one made")]
        return []

    def begin(self, new_key_file: Path | None = None) -> None:
        """The next key is there: the given one, or one that is made. One that a run before left is kept."""
        if self.under_way:
            return
        content = _team_env.new_key() if new_key_file is None else self.env.read_key(new_key_file) + b"\n"
        _atomic_file.write(self.env.next_key_file, content)

    def files(self) -> list[Path]:
        """The files with something encrypted: the operator's ``.env`` first, then those that Ansible itself reads, which should not be apart for long."""
        found = {path.resolve(): None for path in (self.env.path, *self._others) if path.is_file() and _has_vault(path)}
        for place, folders, names in os.walk(self._folder):
            folders[:] = sorted(set(folders) - LEFT_OUT)
            for path in (Path(place, name) for name in sorted(names)):
                if path.is_file() and _has_vault(path):
                    found[path.resolve()] = None
        return list(found)

    def waiting(self) -> list[Path]:
        """The files of which something is not encrypted with the key of now."""
        return [path for path in self.files() if self._carried(path.read_bytes()) != path.read_bytes()]

    def carry(self) -> list[Path]:
        """Encrypt with the key of now what still is under one before, file by file, each by rename and with the mode that it had."""
        done = []
        for path in self.files():
            with self.env.locked() if path == self.env.path.resolve() else contextlib.nullcontext():
                before = path.read_bytes()
                after = self._carried(before)
                if after != before:
                    _atomic_file.write(path, after, path.stat().st_mode & 0o777)
                    done.append(path)
        return done

    def finish(self) -> None:
        """The next key takes the place of the one before. Raises :class:`TeamEnvError` while a file here still needs that one."""
        if waiting := self.waiting():
            raise _team_env.TeamEnvError([Problem(str(path), "still is under the key before", "run rekey.yml again") for path in waiting])
        os.replace(self.env.next_key_file, self.env.key_file)

    def _carried(self, raw: bytes) -> bytes:
        keys = self.env.keys()

        def again(found: re.Match) -> bytes:
            text = _text_of(found)
            for number, key in enumerate(keys):
                try:
                    clear = _team_env.decrypt(text, key, self.env.team)
                except AnsibleError:
                    continue
                if number == 0:
                    return found.group()
                name = _vault_id(found) or self.env.team
                lines = _team_env.encrypt(clear, keys[0], name).splitlines()
                return b"".join(found["indent"] + line + b"\n" for line in lines)
            return found.group()  # somebody else's

        return BLOCK.sub(again, raw)

    def _unreadable(self, path: Path, keys: list[bytes]) -> Iterator[tuple[str, str]]:
        raw = path.read_bytes()
        blocks = list(BLOCK.finditer(raw))
        if len(blocks) != raw.count(MARK):
            yield "has something encrypted in a form that cannot be changed in place", "write it as a whole file or as !vault | with lines below"
        for found in blocks:
            line = raw.count(b"\n", 0, found.start()) + 1
            if _vault_id(found) == self.env.team and not any(_opens(_text_of(found), key, self.env.team) for key in keys):
                yield f"line {line}: is the team's by its vault id, and opens with none of its keys", "remove it, or encrypt it with the team's key"


def opens(text: bytes, keys: list[bytes], team: str) -> list[int]:
    """Which of the keys, by their places in the list, open a text."""
    return [number for number, key in enumerate(keys) if _opens(text, key, team)]


def _opens(text: bytes, key: bytes, team: str) -> bool:
    try:
        _team_env.decrypt(text, key, team)
    except AnsibleError:
        return False
    return True


def _has_vault(path: Path) -> bool:
    """A whole file may be of any size, as a backup is; values are looked for in files that can be a person's."""
    with path.open("rb") as file:
        whole = file.read(len(MARK)) == MARK
    return whole or (path.stat().st_size <= LARGEST and MARK in path.read_bytes())


def _text_of(found: re.Match) -> bytes:
    return b"\n".join(line.strip() for line in found.group().split(b"\n"))


def _vault_id(found: re.Match) -> str:
    """The id in the header ``$ANSIBLE_VAULT;1.2;AES256;ID``; empty where there is none."""
    parts = found["header"].decode(errors="replace").strip().split(";")
    return parts[3] if len(parts) > 3 else ""
