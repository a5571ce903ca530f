# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Writes a new team: inventory, vault key and encrypted ``.env``. All of it or nothing; what is there is never overwritten."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from ansible.module_utils.common.yaml import yaml_dump

from ansible_collections.mcp.tenancy.plugins.module_utils import _init
from ansible_collections.mcp.tenancy.plugins.module_utils._problem import Problem
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_env import TeamEnv


def key_file(given: dict) -> Path:
    """Where the key of ``given``'s ``team`` is made."""
    return Path(str(given.get("key_file") or f"~/.config/mcp-tenancy/{given.get('team')}.key")).expanduser()


def in_the_way(ca: Path, key: Path, folder: Path, named: bool) -> list[Problem]:
    """Why it cannot be written here; ``named`` says that there is a name of a team."""
    found = []
    if not ca.is_file():
        found.append(Problem("init_ca", f"there is no file {ca}", "name the PEM file of the CA that signed the databases' certificates"))
    if named and folder.exists():
        found.append(Problem(str(folder), "is there already, and nothing is overwritten", "choose another team, or remove the folder"))
    if named and key.exists():
        found.append(Problem(str(key), "is there already, and nothing is overwritten", "give another init_key_file, or remove the key if nothing uses it"))
    return found


def write(made: _init.NewTeam, ca: Path, key: Path, folder: Path) -> None:
    """The whole folder appears at once; the key, which nothing needs before, comes first."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        for name, text in _init.files(made, lambda value: yaml_dump(value, sort_keys=False)).items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(text)
        (work / _init.CA_FILE).parent.mkdir()
        shutil.copyfile(ca, work / _init.CA_FILE)
        env = TeamEnv(made.declaration["mcp_team"], str(work / ".env"), str(key))
        env.create_key()
        env.write(made.env)
        work.chmod(0o755)
        os.rename(work, folder)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
