# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of the documentation, held against what is there. What needs hosts or a demo is run by the tests in RUN_BY."""

from __future__ import annotations

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest

from tests.docs.commands import Command, commands
from tests.docs.variables import ROOT, read_by

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    + [path for folder in ("roles", "services", "inventories") for path in (ROOT / folder).glob("**/README.md")]
)
PLAYBOOKS = sorted(path.name for path in ROOT.glob("[a-z]*.yml") if "import_playbook" in path.read_text(encoding="utf-8"))
# who runs a documented playbook for real
RUN_BY = {
    "backup.yml": "tests/chaos/test_lost_host.py",
    "client.yml": "tests/integration/test_clients.py",
    "deploy.yml": "tests/integration/database_tls/test_deploys.py",
    "import.yml": "tests/integration/test_import.py",
    "init.yml": "tests/integration/test_init.py",
    "own_secrets.yml": "tests/integration/test_own_secrets.py",
    "rekey.yml": "tests/integration/test_rekey.py",
    "remove.yml": "tests/chaos/test_lost_host.py",
    "restore.yml": "tests/chaos/test_lost_host.py",
    "rotate.yml": "tests/integration/test_rotation.py",
    "schedule.yml": "molecule/default/tests/test_schedule.py",
    "status.yml": "tests/integration/test_rotation.py",
    "user_credential.yml": "tests/integration/test_users_stored.py",
    "verify.yml": "tests/integration/database_tls/test_deploys.py",
}
# the same for what is no playbook: how it begins in the pages, who runs it, by which words. Targets of make that are tests themselves are left out
ALSO_RUN_BY = {
    "make demo": ("tests/integration/conftest.py", 'make("demo")'),
    "make demo-stop": ("tests/integration/conftest.py", 'make("demo-stop")'),
    "make hooks": ("tests/integration/test_guard.py", "scripts/install-guard"),
    "scripts/guard": ("tests/integration/test_guard.py", '"scripts/guard"'),
    "make demo-clean": ("tests/chaos/test_demo_ends.py", '"demo-clean"'),
    "ansible-vault edit": ("tests/integration/test_demo.py", '"ansible-vault", "edit"'),
    "ansible-vault encrypt": ("tests/unit/test_edge_material.py", '"ansible-vault"), "encrypt"'),
    "python -m mcp_bridge.audit": ("services/mcp_bridge/tests/test_bounds.py", '"mcp_bridge.audit"'),
    "ansible-vault view": ("tests/integration/test_demo.py", '"ansible-vault", "view"'),
    "mcp/bin/npx -y mcporter@0.9.0": ("tests/integration/npm_client.py", "mcporter"),
    "python -m mcp_bridge": ("services/mcp_bridge/tests/running_bridge.py", '"mcp_bridge"'),
}
TESTS = r"make (test|lint|unit|integration|conformance|molecule|chaos|soak|pictures|reference|guard|venv|bench[\w-]*)$"
# programs of other people's in blocks of commands; whoever adds one has thought about whether every reader has it
OTHERS = {".", "chmod", "export", "$EDITOR", "mcp/bin/pip", "mcp/bin/npx"}
# options that running text names alone and that are no playbook's: git's, mcporter's, the MCP Inspector's; the end of a name
OTHERS_OPTIONS = {"--no-verify", "--config", "--cli", "--method", "-users"}


@cache
def found(page: str) -> list[Command]:
    return commands((ROOT / page).read_text(encoding="utf-8"))


EVERY = [(page, command) for page in PAGES for command in found(page)]


def mistakes(check) -> str:
    return "\n".join(f"{page}:{command.line}: {said}: {' '.join(command.words)}" for page, command in EVERY for said in check(page, command))


def is_placeholder(text: str) -> bool:
    return re.search(r"\b[A-Z][A-Z]+\b|…", text) is not None


@cache
def playbook_options() -> set[str]:
    done = subprocess.run([ROOT / ".venv/bin/ansible-playbook", "--help"], capture_output=True, text=True, check=True)
    return set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", done.stdout, re.IGNORECASE))


@cache
def options_of(package: str) -> set[str]:
    """Those that a package of tests, or the bridge, gives to argparse. None where there is no such package."""
    base = ROOT / "services/mcp_bridge/src" if package.startswith("mcp_bridge") else ROOT
    path = base / package.replace(".", "/")
    files = [*path.glob("*.py")] if path.is_dir() else [path.with_suffix(".py")]
    assert files and all(file.is_file() for file in files), f"there is no {package}"
    return {option for file in files for option in re.findall(r"add_argument\(\s*\"(--[\w-]+)\"", file.read_text(encoding="utf-8"))}


def test_there_are_pages_and_commands() -> None:
    assert len(PAGES) > 30 and len(EVERY) > 150 and len(PLAYBOOKS) > 10


def test_playbooks_are_there() -> None:
    def check(_page: str, command: Command):
        if command.playbook is not None and command.playbook not in PLAYBOOKS:
            yield "no such playbook"
        if command.in_block and command.program.endswith("ansible-playbook") and command.playbook is None:
            yield "no playbook"

    assert mistakes(check) == ""


def test_every_playbook_is_documented_and_run_for_real_by_a_test() -> None:
    documented = {command.playbook for _, command in EVERY if command.playbook}
    assert documented == set(PLAYBOOKS)
    assert sorted(RUN_BY) == PLAYBOOKS, "each documented playbook has a test that runs it"
    for playbook, test in RUN_BY.items():
        assert f'"{playbook}"' in (ROOT / test).read_text(encoding="utf-8"), f"{test} does not run {playbook}"


def test_what_is_no_playbook_is_run_by_a_test_too_or_said_not_to_be() -> None:
    begins = {
        " ".join(command.words[: 3 if command.words[1:2] in (("-m",), ("-y",)) else 2])
        for _, command in EVERY
        if not command.playbook and len(command.words) > 1
    }
    ours = {one for one in begins if re.match(r"(make|ansible-vault|python -m mcp_bridge|mcp/bin/npx)\b", one) and not re.match(TESTS, one)}
    assert ours | {"scripts/guard"} == {*ALSO_RUN_BY}
    for test, words in ALSO_RUN_BY.values():
        text = (ROOT / test).read_text(encoding="utf-8").replace(".venv/bin/", "")
        assert words in text, f"{test} has no {words}"


def test_versions_are_those_that_tests_have() -> None:
    locked = json.loads((ROOT / "tests/clients/package.json").read_text(encoding="utf-8"))["dependencies"]
    named = {word for _, command in EVERY for word in command.words if word.partition("@")[0] in locked and "@" in word}
    assert named == {f"{name}@{version}" for name, version in locked.items()}


def test_extra_variables_are_read_by_the_playbook() -> None:
    everything = frozenset().union(*(read_by(ROOT / playbook) for playbook in PLAYBOOKS))

    def check(_page: str, command: Command):
        readable = read_by(ROOT / command.playbook) if command.playbook in PLAYBOOKS else everything
        for name in command.extra_variables:
            if name not in readable:
                yield f"nothing reads {name}"

    assert mistakes(check) == ""


def test_options_are_known() -> None:
    packages = [match[1] for page in PAGES for match in re.finditer(r"-m ((?:tests|mcp_bridge)[\w.]*)", (ROOT / page).read_text(encoding="utf-8"))]

    def check(_page: str, command: Command):
        given = {word.split("=")[0] for word in command.words if re.match(r"--?[a-zA-Z]", word)}
        if command.playbook and command.program != "ansible-vault":
            known = playbook_options()
        elif len(command.words) > 2 and command.words[1] == "-m" and re.match(r"tests\b|mcp_bridge\b", command.words[2]):
            known = options_of(command.words[2]) | {"-m"}
        elif command.program.startswith("-"):
            makefile = re.findall(r"-m (tests\.\w+)", (ROOT / "Makefile").read_text(encoding="utf-8"))
            known = playbook_options() | OTHERS_OPTIONS | {option for package in {*packages, *makefile} for option in options_of(package)}
        else:
            return
        for option in sorted(given - known):
            if not re.fullmatch(r"-v+", option):
                yield f"unknown option {option}"

    assert mistakes(check) == ""


def test_inventories_are_there_or_made_by_a_command_before() -> None:
    def check(page: str, command: Command):
        for inventory in command.after("-i", "--inventory"):
            before = [one for one in found(page) if one.line < command.line]
            made = [one for one in before if one.playbook == "init.yml" or f"inventories/{one.extra_variables.get('team')}" == inventory]
            if not is_placeholder(inventory) and not (ROOT / inventory / "hosts.yml").is_file() and not made:
                yield f"there is no {inventory}, and no command before makes it"
        if command.playbook == "import.yml" and (ROOT / "inventories" / command.extra_variables.get("team", "NAME")).exists():
            yield "that team is there already, so the import would be refused"

    assert mistakes(check) == ""


def test_limits_and_tags_are_known() -> None:
    hosts = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("inventories/*/hosts.yml"))
    files = [path for folder in ("roles", "playbooks") for path in (ROOT / folder).glob("**/*.yml")]
    tags = {tag for path in files for tag in re.findall(r"^\s+tags: (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)}

    def check(_page: str, command: Command):
        for limit in command.after("-l", "--limit"):
            if not is_placeholder(limit) and f"{limit}:" not in hosts:
                yield f"no inventory has {limit}"
        for tag in command.after("-t", "--tags", "--skip-tags"):
            if command.program != "ansible-doc" and tag not in tags and command.playbook:
                yield f"nothing has the tag {tag}"

    assert mistakes(check) == ""


def test_make_has_the_target_and_reads_its_variables() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][\w-]*):", makefile, re.M))

    def check(_page: str, command: Command):
        if command.program != "make":
            return
        for word in command.words[1:]:
            name, is_variable, value = word.partition("=")
            if not is_variable and name not in targets:
                yield f"no target {name}"
            if is_variable and f"$({name}" not in makefile:
                yield f"the Makefile does not read {name}"
            if name == "SCENARIO" and not (ROOT / "molecule" / value / "molecule.yml").is_file():
                yield f"no scenario {value}"

    assert mistakes(check) == ""
    named = {target for line in re.findall(r"^\.PHONY: (.*)$", makefile, re.M) for target in line.split()}
    assert named == targets, "each target is in .PHONY"


def test_scripts_can_be_run() -> None:
    guarded = set(re.findall(r"add_parser\(\"(\w+)\"", (ROOT / "guard/__main__.py").read_text(encoding="utf-8")))

    def check(_page: str, command: Command):
        if command.program.startswith("scripts/") and not os.access(ROOT / command.program, os.X_OK):
            yield "cannot be executed"
        if command.program == "scripts/guard" and not guarded.issuperset(command.words[1:2]):
            yield "the guard knows nothing of that name"

    assert mistakes(check) == ""


def test_ansible_doc_is_asked_for_what_is_there() -> None:
    folders = {
        "module": "plugins/modules/{}.py",
        "filter": "plugins/filter/{}.yml",
        "lookup": "plugins/lookup/{}.py",
        "role": "roles/{}/meta/argument_specs.yml",
    }

    def check(_page: str, command: Command):
        if command.program == "ansible-doc":
            for kind in command.after("-t"):
                if not (ROOT / folders[kind].format(command.words[-1].removeprefix("mcp.tenancy."))).is_file():
                    yield "there is no such plugin"

    assert mistakes(check) == ""


def test_blocks_have_programs_that_a_reader_has() -> None:
    def check(_page: str, command: Command):
        ours = command.playbook or command.program in ("make", "ansible-vault", "ansible-doc") or command.program.startswith("scripts/")
        if command.in_block and not ours and not re.search(r"(^|/)python3?$", command.program) and command.program not in OTHERS:
            yield "somebody else's program"

    assert mistakes(check) == ""


def test_playbooks_pass_their_syntax_check() -> None:
    def check(playbook: str) -> str:
        argv = [ROOT / ".venv/bin/ansible-playbook", playbook, "-i", "inventories/team_a", "--syntax-check"]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else f"{playbook}: {done.stderr}"

    with ThreadPoolExecutor(2) as pool:
        assert [said for said in pool.map(check, PLAYBOOKS) if said] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("make demo   # the gateway's", [("make", "demo")]),
        ("A=1 B=2 make x && cd /y | logger -t z 2>&1", [("make", "x"), ("cd", "/y"), ("logger", "-t", "z")]),
        ("""deploy.yml -e '{"a": ["b"]}' -e "c=d e=f" -e @g""", [("deploy.yml", "-e", '{"a": ["b"]}', "-e", "c=d e=f", "-e", "@g")]),
    ],
)
def test_commands_are_taken_apart_as_a_shell_does(text: str, words: list[tuple[str, ...]]) -> None:
    taken = commands(f"Text.\n\n```sh\n{text}\n```\n")
    assert [one.words for one in taken] == words and {one.line for one in taken} == {4}
    if "deploy" in text:
        assert taken[0].extra_variables == {"a": ["b"], "c": "d", "e": "f"}
