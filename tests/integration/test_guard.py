# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard in real git repositories, through its hook; and over ordinary files of well-known collections, where it must keep quiet."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from guard.scan import scan
from tests.integration.conftest import REPOSITORY, environment_of_nobody
from tests.unit.test_guard import drawn, private_key


class Repository:
    """A repository of somebody, with the hook."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        for name, value in (("user.name", "Alice"), ("user.email", "alice@team-a.example"), ("commit.gpgsign", "false")):
            self.git("config", name, value)
        self.secret = drawn()
        installed = self.run(REPOSITORY / "scripts/install-guard", folder)
        assert installed.returncode == 0, installed.stdout
        self.write("README.md", "nothing\n")
        self.git("add", ".")
        assert self.commit().returncode == 0

    def run(self, *command: object) -> subprocess.CompletedProcess:
        given = {**environment_of_nobody(), "GIT_CONFIG_GLOBAL": "/dev/null"}
        return subprocess.run(
            [*map(str, command)], cwd=self.folder, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120
        )

    def git(self, *arguments: object) -> str:
        done = self.run("git", *arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def commit(self, *arguments: str) -> subprocess.CompletedProcess:
        return self.run("git", "commit", "-q", "-m", "a change", *arguments)

    def guard(self, *arguments: str) -> subprocess.CompletedProcess:
        return self.run(REPOSITORY / "scripts/guard", *arguments)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    @property
    def url(self) -> str:
        return f"postgresql://reader:{self.secret}@db.internal/shop"


@pytest.fixture
def repository(tmp_path) -> Repository:
    return Repository(tmp_path / "repository")


def staged(name: str, content: Callable[[Repository], str | bytes]) -> Callable[[Repository], None]:
    def plant(repository: Repository) -> None:
        repository.write(name, content(repository))
        repository.git("add", "-f", name)

    return plant


def renamed(repository: Repository) -> None:
    """It was committed before there was a guard; now it moves."""
    staged("old.txt", lambda r: r.url)(repository)
    repository.commit("--no-verify")
    repository.git("mv", "old.txt", "new.txt")


def in_a_change(repository: Repository) -> None:
    """A large file of which one line changes."""
    lines = [f"line {number}" for number in range(2000)]
    staged("large.txt", lambda _r: "\n".join(lines))(repository)
    repository.commit()
    staged("large.txt", lambda r: "\n".join([*lines[:1000], r.url, *lines[1000:]]))(repository)


def staged_and_taken_out_of_the_working_tree(repository: Repository) -> None:
    staged("index.txt", lambda r: r.url)(repository)
    repository.write("index.txt", "nothing\n")


def a_link_whose_target_says_it(repository: Repository) -> None:
    os.symlink(f"nowhere?{repository.url.replace('/', '%2F', 0)}", repository.folder / "link")
    repository.git("add", "link")


def a_file_that_became_a_link(repository: Repository) -> None:
    """And back again: a change of type."""
    os.symlink("README.md", repository.folder / "a.txt")
    repository.git("add", "a.txt")
    repository.commit()
    (repository.folder / "a.txt").unlink()
    staged("a.txt", lambda r: r.url)(repository)


def a_database(repository: Repository) -> None:
    path = repository.folder / "mcp.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE gateways (url TEXT)")
        database.execute("INSERT INTO gateways VALUES (?)", [repository.url])
    database.close()
    repository.git("add", "mcp.db")


def client(repository: Repository) -> str:
    entry = {"type": "http", "url": "https://mcp.team-a.example/servers/x/mcp", "headers": {"Authorization": f"Bearer {repository.secret}"}}
    return json.dumps({"mcpServers": {"team-a-dev": entry}}, indent=2)


PLANTED = {
    "a staged file": staged("notes.txt", lambda r: f"psql {r.url}\n"),
    "a renamed file": renamed,
    "one line of a large file": in_a_change,
    "a patch": staged("fix.patch", lambda r: f"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-nothing\n+URL = '{r.url}'\n"),
    "YAML": staged("group_vars/all.yml", lambda r: f"---\ndatabase:\n  admin_password: {r.secret}\n"),
    "JSON": staged("settings.json", lambda r: json.dumps({"auth": {"client_secret": r.secret}})),
    "a URL": staged("docs/how.md", lambda r: f"Open <{r.url}> and look.\n"),
    "a clear .env, ignored and forced": staged(".env", lambda r: f"POSTGRES_DEV_CONNECTION_STRING='{r.url}'\n"),
    "a vault key": staged("keys/team_a.key", lambda _r: secrets.token_hex(32) + "\n"),
    "a client configuration": staged("client.json", client),
    "a header file": staged("team.headers", lambda r: f"Authorization: Bearer {r.secret}\n"),
    "a private key": staged("tls/server.pem", lambda _r: private_key()),
    "UTF-16": staged("windows.txt", lambda r: f"url={r.url}\r\n".encode("utf-16")),
    "a database file": a_database,
    "the target of a link": a_link_whose_target_says_it,
    "a file in the place of a link": a_file_that_became_a_link,
    "the index alone": staged_and_taken_out_of_the_working_tree,
    "an odd name": staged("a\n b é.txt", lambda r: r.url),
}


def test_every_planted_secret_is_stopped(repository) -> None:
    """By the hook; and what was committed without it is found by CI, also when a later commit took it out again."""
    start, let_through, said = repository.git("rev-parse", "HEAD"), [], []
    for where, plant in PLANTED.items():
        plant(repository)
        head, done = repository.git("rev-parse", "HEAD"), repository.commit()
        if done.returncode == 0 or "Nothing of this may be committed" not in done.stdout or repository.git("rev-parse", "HEAD") != head:
            let_through.append(where)
        said.append(done.stdout)
        repository.commit("--no-verify")
    assert let_through == [] and repository.secret not in "".join(said)
    tree = repository.guard("tree")
    assert tree.returncode == 1 and len({line.partition(":")[0] for line in tree.stdout.splitlines()[1:-2]}) >= len(PLANTED) - 1, tree.stdout
    repository.git("rm", "-rqf", ".")
    repository.commit("--allow-empty", "--no-verify")
    assert repository.guard("tree").returncode == 0
    history = repository.guard("commits", f"{start.strip()}..HEAD")
    assert history.returncode == 1 and repository.secret not in history.stdout


def test_what_is_in_order_passes(repository) -> None:
    """A secret that goes, an encrypted .env, a link to a file outside, and secrets that are not part of the commit."""
    repository.write("old.txt", f"keep\n{repository.url}\n")
    repository.git("add", "old.txt")
    repository.commit("--no-verify")
    repository.write("old.txt", "keep\n")
    repository.write("inventories/a/.env", "$ANSIBLE_VAULT;1.2;AES256;a\n3132\n")
    outside = repository.folder.parent / "outside.txt"
    outside.write_text(repository.url)
    os.symlink(outside, repository.folder / "link")
    repository.git("add", "-f", ".")
    repository.write("not-staged.txt", repository.url)
    assert repository.commit().returncode == 0
    assert repository.guard("files", "link", "old.txt").returncode == 0
    found = repository.guard("files", "link", "not-staged.txt")
    assert found.returncode == 1 and "not-staged.txt:1" in found.stdout and repository.secret not in found.stdout


def test_commit_with_a_path_and_commit_all_are_looked_at_too(repository) -> None:
    """git makes an index of its own for these."""
    repository.write("README.md", repository.url)
    for arguments in (("-a",), ("README.md",)):
        assert "README.md:1" in repository.commit(*arguments).stdout
    assert repository.git("status", "--porcelain") == " M README.md\n"


def test_a_list_of_what_is_allowed(repository) -> None:
    repository.write("a.txt", repository.url)
    repository.write(".mcp-guard.yml", 'allowed: [{path: a.txt, rule: connection string with a password, count: 1, reason: "A test, made up."}]')
    repository.git("add", ".")
    assert repository.commit().returncode == 0 and repository.guard("tree").returncode == 0
    repository.write("a.txt", f"{repository.url}\n{repository.url}2\n")
    repository.git("add", ".")
    assert repository.commit().returncode != 0, "there is one more than was allowed"
    repository.write("a.txt", "nothing\n")
    repository.git("add", ".")
    idle = repository.guard("tree")
    assert idle.returncode == 1 and "more than is found" in idle.stdout
    repository.write(".mcp-guard.yml", "allowed: [{}]")
    broken = repository.commit()
    assert broken.returncode != 0 and "allowed[0]" in broken.stdout


def test_another_hook_is_left_alone(tmp_path) -> None:
    folder = tmp_path / "other"
    subprocess.run(["git", "init", "-q", folder], check=True)
    hook = folder / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 0\n")
    done = subprocess.run([REPOSITORY / "scripts/install-guard", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "is left alone" in done.stderr and hook.read_text() == "#!/bin/sh\nexit 0\n"


#: Of every twentieth file of the package `ansible` the ones in which something is found, and why that is as it should be: each is an example that was made to
#: look like a secret, and nothing but its place says that it is none.
DOCUMENTATION, SCENARIO = "a value in a module's documentation that looks like a real one", "the key of a test, written into its scenario"
EXPLAINED = {
    "community/vmware/plugins/connection/vmware_tools.py": DOCUMENTATION,
    "community/zabbix/molecule/zabbix_proxy_psk/molecule.yml": SCENARIO,
    "cyberark/pas/plugins/modules/cyberark_account.py": DOCUMENTATION,
    "openstack/cloud/plugins/modules/application_credential.py": DOCUMENTATION,
    "purestorage/flashblade/plugins/modules/purefb_export.py": DOCUMENTATION,
    "purestorage/flashblade/plugins/modules/purefb_realm.py": DOCUMENTATION,
    "purestorage/flashblade/plugins/modules/purefb_virtualhost.py": DOCUMENTATION,
}


def test_ordinary_files_raise_no_alarm_that_is_not_explained() -> None:
    """More than a thousand, of ninety collections. What Molecule runs on has them; it is the same environment."""
    made = subprocess.run([REPOSITORY / "scripts/venv", ".cache/molecule", "requirements/molecule.txt"], cwd=REPOSITORY, check=False)
    assert made.returncode == 0
    (collections,) = (REPOSITORY / ".cache/molecule/lib").glob("python3.*/site-packages/ansible_collections")
    files = sorted(str(path.relative_to(collections)) for path in collections.rglob("*") if path.is_file() and not path.is_symlink() and path.suffix != ".pyc")
    some = files[::20]
    assert len(some) >= 1000
    alarms = {name for name in some if scan(name, (collections / name).read_bytes())}
    assert alarms == EXPLAINED.keys(), "what is new needs a reason here or another rule; what is gone needs no reason"
