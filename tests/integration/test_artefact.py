# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ansible-galaxy collection build` ships: the collection, and nothing of whoever builds it."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PRIVATE = (
    "inventories/team_a/.env",
    "roles/team/.env",
    ".env",
    "team_a.key",
    "plugins/team.key",
    ".demo/client.json",
    ".cache/x",
    "inventories/team_a/hosts.yml",
)


def test_the_artefact_has_the_collection_and_nothing_private(tmp_path) -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(lambda name: name and (REPOSITORY / name).is_file(), tracked):
        (tmp_path / "collection" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / "collection" / name)
    for name in PRIVATE:
        (tmp_path / "collection" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "collection" / name).write_text("planted-secret\n")
    build = [REPOSITORY / ".venv/bin/ansible-galaxy", "collection", "build", "--output-path", tmp_path]
    subprocess.run(build, cwd=tmp_path / "collection", capture_output=True, check=True)
    (artefact,) = tmp_path.glob("mcp-tenancy-*.tar.gz")
    with tarfile.open(artefact) as archive:
        content = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
        assert not [member.name for member in archive if member.issym() or member.islnk()]
    assert not [name for name, text in content.items() if b"planted-secret" in text]
    assert {name.partition("/")[0] for name in content} >= {"MANIFEST.json", "README.md", "LICENSE", "meta", "playbooks", "plugins", "roles"}
    assert not {name.partition("/")[0] for name in content} & {"tests", "molecule", "demo", "inventories", "scripts"}
