# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planted is found in each place, what may be there is exempt by name, and what cannot be read is told."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import os
import secrets
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from ansible_collections.mcp.tenancy.plugins.plugin_utils import _piped
from tests.canary import commands, dumps, exemptions, files, forms, processes, report, search

REPOSITORY = Path(__file__).resolve().parents[2]
VALUE = secrets.token_hex(12) + "@:/ '\"é"
SECRETS = {"POSTGRES_DEV": VALUE, "token": secrets.token_urlsafe(24)}
ROOT = os.geteuid() == 0


def found(folder: Path, **order: object) -> dict:
    told = search.machine({"secrets": SECRETS, "folders": [{"path": str(folder)}], **order})
    assert not any(VALUE[:24] in str(part) for part in told.values()), "a report has names only"
    return told


@pytest.fixture(params=[True, False], ids=["grep", "no grep"])
def folder(request, tmp_path, monkeypatch) -> Path:
    if not request.param:
        monkeypatch.setattr(files.shutil, "which", lambda _name: None)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "content"),
    {
        "clear": f"password: {VALUE}\n".encode(),
        "percent-encoded": f"postgresql://u:{quote(VALUE, safe='')}@db/shop".encode(),
        "base64": base64.b64encode(f"user:{VALUE}".encode()),
        "json": json.dumps({"invocation": {"password": VALUE}}).encode(),
        "binary": os.urandom(3000) + VALUE.encode() + os.urandom(3000),
        "UTF-16 beside it": "text".encode("utf-16") + VALUE.encode(),
        "gz": gzip.compress(b"line\n" * 999 + VALUE.encode()),
        "bz2": bz2.compress(VALUE.encode()),
        "xz": lzma.compress(VALUE.encode()),
    }.items(),
)
def test_a_file(folder, name: str, content: bytes) -> None:
    deep = folder / "a/b c\n"
    deep.mkdir(parents=True)
    (deep / f"{name}'").write_bytes(content)
    (folder / "innocent").write_text("nothing")
    told = found(folder)
    assert [(place, secret) for place, secret, _form in told["hits"]] == [(str(deep / f"{name}'"), "POSTGRES_DEV")]
    assert told["looked"]["files"] == 2 and told["unseen"] == []


def test_where_two_pieces_meet_and_in_a_file_too_large_for_a_line(folder, monkeypatch) -> None:
    monkeypatch.setattr(files, "LARGE", 10)
    (folder / "large").write_bytes(b"x" * (files.reading.PIECE - 7) + VALUE.encode() + b"x" * 99)
    assert [hit[1] for hit in found(folder)["hits"]] == ["POSTGRES_DEV"]


def test_the_name_of_a_file_and_its_report(tmp_path) -> None:
    (tmp_path / f"{VALUE[:24]}.log").write_text(VALUE)
    assert {hit[0] for hit in found(tmp_path)["hits"]} == {f"{tmp_path}: a name in it", "(not shown: there is a secret in it)"}


def test_no_link_is_followed_and_what_is_older_is_left_alone(tmp_path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/secret").write_text(VALUE)
    (tmp_path / "here").mkdir()
    (tmp_path / "here/link").symlink_to(tmp_path / "there/secret")
    (tmp_path / "here/folder").symlink_to(tmp_path / "there")
    os.mkfifo(tmp_path / "here/fifo")
    assert found(tmp_path / "here")["hits"] == []
    changed = (tmp_path / "there/secret").stat().st_mtime
    assert found(tmp_path / "here", folders=[{"path": str(tmp_path), "since": changed + 1}])["hits"] == []
    assert len(found(tmp_path / "here", folders=[{"path": str(tmp_path), "since": changed}])["hits"]) == 1


def test_what_is_left_out_is_told(tmp_path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/secret").write_text(VALUE)
    told = found(tmp_path, skip={str(tmp_path / "lib"): "installed"})
    assert told["hits"] == [] and told["exempt"] == [(str(tmp_path / "lib"), "installed")]


def test_an_exempt_file_holds_what_it_may_and_is_private(tmp_path) -> None:
    file = tmp_path / "run/gateway/client.json"
    file.parent.mkdir(parents=True)
    file.write_text(SECRETS["token"])
    file.chmod(0o600)
    exempt = [{"path": f"{tmp_path}/run/*/client.json", "reason": "client configuration", "only": ["tok*"]}]
    told = found(tmp_path, exempt=exempt)
    assert told["hits"] == [] and told["exempt"] == [(str(file), "client configuration")]
    file.write_text(SECRETS["token"] + VALUE)
    assert [hit[1] for hit in found(tmp_path, exempt=exempt)["hits"]] == ["POSTGRES_DEV"]
    file.write_text(SECRETS["token"])
    file.chmod(0o640)
    assert [hit[2] for hit in found(tmp_path, exempt=exempt)["hits"]] == ["others than its owner may read it (0640)"]
    (tmp_path / "run/client.json").write_text(SECRETS["token"])
    assert len(found(tmp_path, exempt=exempt)["hits"]) == 2, "a place has one depth"


def test_what_is_exempt_on_tmpfs_lies_on_tmpfs(tmp_path) -> None:
    one = {"path": "/run/x", "reason": "", "memory": True}
    kinds = exemptions.Exemptions([one], [("/run", "tmpfs"), ("/", "ext4"), ("/run/disk", "ext4")])
    assert kinds.wrong("/run/x", one, 0o400) == ""
    assert kinds.wrong("/run/disk/x", one, 0o400) == kinds.wrong("/running", one, 0o400) == "it does not lie on tmpfs"


@pytest.mark.skipif(ROOT, reason="root reads everything")
def test_what_cannot_be_read_is_told(tmp_path) -> None:
    (tmp_path / "closed").write_text(VALUE)
    (tmp_path / "closed").chmod(0)
    assert found(tmp_path)["unseen"] == [(str(tmp_path / "closed"), "Permission denied")]
    (tmp_path / "closed").chmod(0o600)


def test_what_cannot_be_opened_is_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(files.reading.shutil, "which", lambda _name: None)
    (tmp_path / "core.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(99))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(os.urandom(999))[:500])
    told = found(tmp_path)
    assert told["unseen"] == [(str(tmp_path / "core.zst"), "is compressed, and there is no zstd to open it")]
    assert told["exempt"] == [(str(tmp_path / "cut.gz"), "is broken, and was opened up to there (EOFError)")]
    (tmp_path / "core.zst").unlink()  # so that who searches /tmp need not wonder


def test_an_error_of_the_system_is_told(tmp_path, monkeypatch) -> None:
    def refused(path: str, _mode: str) -> object:
        raise PermissionError(files.errno.EACCES, "no", path)

    (tmp_path / "closed").write_text(VALUE)
    monkeypatch.setattr(files, "open", refused, raising=False)
    assert found(tmp_path)["unseen"] == [(str(tmp_path / "closed"), "Permission denied")]


@pytest.mark.parametrize("what", ["argv", "environ"])
def test_a_process(tmp_path, what: str) -> None:
    code = "import sys; print('there', flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", code, *([VALUE] if what == "argv" else [])]
    environment = {**os.environ, **({"PGPASSWORD": VALUE} if what == "environ" else {})}
    with subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path) as running:
        running.stdout.readline()
        told = found(tmp_path / "none", processes=True, others=True)
        service = found(tmp_path / "none", processes=True, others=True, work=str(tmp_path))
        running.stdin.close()
    assert [(place.partition(" (")[0], name) for place, name, _form in told["hits"]] == [(f"{what} of process {running.pid}", "POSTGRES_DEV")]
    assert bool(service["hits"]) == (what == "argv"), "a service's own variables are in its environment, and nothing of it is in an argv"
    assert ("environ", processes.OWN) in service["exempt"]


def test_a_journal_by_the_unit_that_said_it() -> None:
    entries = [
        f"__CURSOR=1\n_SYSTEMD_UNIT={unit}\nMESSAGE={text}"
        for unit, text in (("a.service", "hello"), ("b.service", f"login with {VALUE}"), ("c.service", "bye"))
    ]
    wanted = forms.Wanted(SECRETS)
    told = report.Report(wanted.hidden)
    program = f"import sys; sys.stdout.write({'\n\n'.join(entries)!r})"
    commands.stream(wanted, told, [sys.executable, "-c", program], "journal", lambda piece, at: f"journal, {commands._unit(piece, at)}")
    assert told.hits == {("journal, b.service", "POSTGRES_DEV", "as it is")}
    commands.stream(wanted, told, [sys.executable, "-c", "import sys; sys.exit(3)"], "docker inspect", None)
    assert [place for place, _why in told.unseen] == ["docker inspect"]


def test_core_dumps_are_looked_for_where_the_kernel_puts_them(tmp_path) -> None:
    pattern = tmp_path / "core_pattern"
    for text, folder in (("/srv/cores/core.%e.%p\n", "/srv/cores"), ("|/usr/lib/systemd/systemd-coredump %P\n", None), ("core\n", None)):
        pattern.write_text(text)
        assert [one["path"] for one in dumps.folders(str(pattern))] == [*dumps.FOLDERS, *([folder] if folder else [])]


def test_tokens_of_a_machines_own_file_are_looked_for_there(tmp_path) -> None:
    token = secrets.token_urlsafe(30)
    clients = tmp_path / "client.json"
    clients.write_text(json.dumps({"mcpServers": {"team-dev": {"headers": {"Authorization": f"Bearer {token}"}}}}))
    (tmp_path / "log").write_text(f"GET / {token}")
    told = found(tmp_path / "log", tokens=[str(clients), str(tmp_path / "none")])
    assert told["hits"] == [(str(tmp_path / "log"), "token of team-dev", "as it is")]
    clients.write_text("{}")
    assert found(tmp_path / "log", tokens=[str(clients)])["unseen"] == [(str(clients), "its tokens could not be read (KeyError)")]


def piped(order: dict) -> subprocess.CompletedProcess:
    text = _piped.Program("search", "safely", folder=REPOSITORY / "tests/canary", package="tests.canary").text({"order": order})
    return subprocess.run([sys.executable, "-IS", "-"], input=text, capture_output=True, check=False, cwd="/")


def test_what_goes_wrong_on_a_host_is_told_without_a_value() -> None:
    done = piped({"secrets": SECRETS, "folders": [{VALUE: VALUE}]})
    told = json.loads(done.stdout)
    assert done.stderr == b"" and told["hits"] == [] and told["unseen"][0][0] == "all of it" and told["unseen"][0][1].startswith("KeyError in files.py")
    assert VALUE[:24].encode() not in done.stdout


def test_a_host_answers_the_same_with_the_standard_library_alone(tmp_path) -> None:
    """As one text for its Python, which has the secrets on its stdin and nowhere else."""
    (tmp_path / "log").write_text(VALUE)
    order = {"secrets": {**SECRETS, "pin": "12"}, "folders": [{"path": str(tmp_path)}], "processes": True, "others": True}
    done = piped(order)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["hits"] == [[str(tmp_path / "log"), "POSTGRES_DEV", "as it is"]] and told["unseen"] == [
        ["secret pin", "has fewer than 6 bytes, which are found by chance"]
    ]
    assert told["looked"]["processes"] > 3 and VALUE[:24].encode() not in done.stdout


def test_a_table_shows_names_that_are_no_text(tmp_path) -> None:
    (tmp_path / "a\nb").write_text(VALUE)
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff")).write_text(VALUE)
    said = report.text({"here": found(tmp_path)})
    assert f"{tmp_path}/a\\nb " in said and f"{tmp_path}/\\udcff " in said and said.encode()


def test_the_exit_and_the_table() -> None:
    clean = {"hits": [], "unseen": [], "exempt": [["/key", "the vault key"]], "looked": {"files": 3}}
    blind, dirty = {**clean, "unseen": [["/x", "Permission denied"]]}, {**clean, "hits": [["/log", "TOKEN", "base64"]]}
    assert [report.status(told) for told in ({"a": clean}, {"a": clean, "b": dirty, "c": blind}, {"a": blind, "b": clean})] == [0, 1, 2]
    said = report.text({"here": clean, "host gw1": dirty, "host gw2": blind})
    assert said.endswith("1 hits; 1 places could not be looked at")
    for line in ("host gw1  /log   TOKEN   base64", "host gw2  /x     Permission denied", "here      /key   the vault key", "here: looked at 3 files"):
        assert line in said, said
