# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""The units of one team on one host: files against what systemd has loaded against what runs. Reads, plans, applies.

Whether something is restarted depends on what was started, never on what this run wrote: a run that was cut off is finished by the next one.
What was started is known by the label that a unit leaves when it starts (``mcp-unseal --revision``).
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.mcp.tenancy.plugins.module_utils import _atomic_file

UNIT_FOLDER = Path("/etc/systemd/system")
PROPERTIES = "Id,ActiveState,SubState,Result,NeedDaemonReload,UnitFileState,LoadState"


class SystemdError(Exception):
    """Why the units do not run as described, with the next step."""


@dataclass
class Plan:
    """What is to be done, by unit."""

    write: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    enable: list[str] = field(default_factory=list)
    start: list[str] = field(default_factory=list)
    restart: list[str] = field(default_factory=list)
    reload: list[str] = field(default_factory=list)
    reload_manager: bool = False

    def __bool__(self) -> bool:
        return any((self.write, self.remove, self.enable, self.start, self.restart, self.reload, self.reload_manager))


@dataclass(frozen=True)
class Found:
    """What is on the host: contents of unit files, what systemd says of each unit, the label of what was started."""

    files: dict[str, str]
    states: dict[str, dict[str, str]]
    revisions: dict[str, str]


def plan(units: list[dict], found: Found) -> Plan:
    """From the units as they should be and what is there to what is to be done. Pure."""
    wanted, planned = {unit["name"]: unit for unit in units}, Plan()
    planned.write = [name for name, unit in wanted.items() if found.files.get(name) != unit["content"]]
    planned.remove = sorted(set(found.files) - set(wanted))
    stale = [name for name, state in found.states.items() if state.get("NeedDaemonReload") == "yes"]
    planned.reload_manager = bool(planned.write or planned.remove or stale)
    for name, unit in wanted.items():
        state = found.states.get(name, {})
        if "[Install]" in unit["content"] and state.get("UnitFileState") != "enabled":
            planned.enable.append(name)
        if state.get("ActiveState") not in ("active", "reloading", "activating"):
            planned.start.append(name)
        elif unit["revision"] and found.revisions.get(name) != unit["revision"]:
            (planned.reload if _can_reload(unit, found.revisions.get(name, "")) else planned.restart).append(name)
    return planned


def _can_reload(unit: dict, left: str) -> bool:
    """What stands before a dot in a label is what no reload can change."""
    start, dot, _rest = unit["revision"].partition(".")
    return unit["reload"] and (not dot or left.partition(".")[0] == start)


class Host:
    """systemd and the files of the units whose names begin with ``prefix``."""

    def __init__(self, prefix: str, revisions: str, folder: Path = UNIT_FOLDER) -> None:
        self._prefix, self._revisions, self._folder = prefix, Path(revisions), folder

    def found(self, names: list[str]) -> Found:
        files = {path.name: path.read_text() for path in sorted(self._folder.glob(f"{self._prefix}*")) if path.is_file()}
        labels = {}
        for name in {*files, *names}:
            label = self._label(name)
            if label.exists():
                labels[name] = label.read_text()
        return Found(files, self.states(sorted({*files, *names})), labels)

    def _label(self, unit: str) -> Path:
        """mcp-unseal names it after the service."""
        return self._revisions / unit.removeprefix(self._prefix).removesuffix(".service")

    def states(self, names: list[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        blocks = self._ask("show", "--property", PROPERTIES, "--", *names).strip().split("\n\n")
        told = [dict(line.split("=", 1) for line in block.splitlines()) for block in blocks]
        return {state["Id"]: state for state in told}

    def apply(self, units: list[dict], planned: Plan) -> None:
        """Files, then the manager, then what runs. What goes, goes once nothing that is loaded needs it any more."""
        contents = {unit["name"]: unit["content"] for unit in units}
        for name in planned.write:
            _atomic_file.write(self._folder / name, contents[name].encode(), 0o644)
        if planned.reload_manager:
            self._ask("daemon-reload")
        if planned.remove:
            self._ask("disable", "--now", "--", *planned.remove)
            for name in planned.remove:
                (self._folder / name).unlink(missing_ok=True)
            self._ask("daemon-reload")
        if planned.enable:
            self._ask("enable", "--quiet", "--", *planned.enable)
        for verb, names in (("reload", planned.reload), ("restart", planned.restart), ("start", planned.start)):
            self._go(verb, names)

    def write(self, units: list[dict]) -> None:
        """The files of these units, known to systemd; nothing is started or stopped."""
        for unit in units:
            _atomic_file.write(self._folder / unit["name"], unit["content"].encode(), 0o644)
        self._ask("daemon-reload")

    def stop(self, prefix: str) -> None:
        """Everything loaded whose name begins so: sockets first, which would start their services again for the next caller."""
        listed = self._ask("list-units", "--all", "--plain", "--no-legend", f"{prefix}*").splitlines()
        names = sorted({line.split()[0] for line in listed if line.strip()}, key=lambda name: not name.endswith(".socket"))
        if names:
            self._ask("stop", "--", *names)

    def _go(self, verb: str, names: list[str]) -> None:
        if not names:
            return
        try:
            self._ask(verb, "--", *names)
        except SystemdError:
            bad = [name for name, state in self.states(names).items() if state["ActiveState"] != "active"]
            raise SystemdError("\n".join(map(self._last_words, bad or names))) from None

    def _last_words(self, name: str) -> str:
        state = self.states([name]).get(name, {})
        said = _run(["journalctl", "--unit", name, "--lines", "5", "--output", "cat", "--no-pager"]).stdout.strip()
        return f"{name} is {state.get('ActiveState')} ({state.get('Result')}). It said: {said}\nNext: journalctl -u {name}; correct the cause, run again"

    @staticmethod
    def _ask(*arguments: str) -> str:
        done = _run(["systemctl", "--no-pager", *arguments])
        if done.returncode:
            raise SystemdError(f"systemctl {arguments[0]}: {done.stderr.strip()}. Next: correct the cause, run again")
        return done.stdout


def _run(command: list[str]) -> subprocess.CompletedProcess:
    # there is no AnsibleModule here, hence not run_command
    # pylint: disable-next=ansible-bad-function
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=900)
