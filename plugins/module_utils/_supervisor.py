# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""supervisord: its configuration (pure) and its control. Needs the ``supervisor`` library only where it talks to one."""

from __future__ import annotations

import http.client
import os
import shlex
import subprocess
import time
import xmlrpc.client
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.mcp.tenancy.plugins.module_utils import _atomic_file

SOCKET_LIMIT = 107  # bytes that Linux takes for the path of a UNIX socket
LOG_BYTES, LOG_BACKUPS = "10MB", 3
STOPPED_STATES = {"STOPPED", "EXITED", "FATAL", "UNKNOWN"}


class SupervisorError(Exception):
    """What went wrong, with the next step."""


@dataclass(frozen=True)
class Layout:
    """Where one supervisord has its things."""

    directory: Path
    runtime_directory: Path
    log_directory: Path
    supervisord: str

    @property
    def configuration(self) -> Path:
        return self.directory / "supervisord.conf"

    @property
    def socket(self) -> Path:
        return self.runtime_directory / "supervisor.sock"


@dataclass
class Outcome:
    """What was done, or would be done: names of programs by what happens to them."""

    started: list[str] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    before: str = ""
    after: str = ""
    supervisor: str = "running"  # or started, restarted, stopped

    @property
    def changed(self) -> bool:
        return bool(self.started or self.restarted or self.removed or self.before != self.after or self.supervisor != "running")


def render(programs: list[dict], layout: Layout) -> str:
    """The configuration file. ``programs`` as the options of ``mcp.tenancy.supervisor_programs``. Raises :class:`SupervisorError`."""
    if len(os.fsencode(layout.socket)) > SOCKET_LIMIT:
        raise SupervisorError(f"{layout.socket} is longer than {SOCKET_LIMIT} bytes. Next: choose a shorter runtime directory")
    sections = [
        ("unix_http_server", {"file": layout.socket, "chmod": "0700"}),
        ("rpcinterface:supervisor", {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"}),
        (
            "supervisord",
            {
                "logfile": layout.log_directory / "supervisord.log",
                "logfile_maxbytes": LOG_BYTES,
                "logfile_backups": LOG_BACKUPS,
                "pidfile": layout.runtime_directory / "supervisord.pid",
                "childlogdir": layout.log_directory,
                "directory": layout.directory,
                "umask": "077",
            },
        ),
        ("supervisorctl", {"serverurl": f"unix://{layout.socket}"}),
        *((f"program:{program['name']}", _program(program, layout)) for program in programs),
    ]
    # supervisord expands %(...)s, so every % of ours is doubled
    lines = ["; Written by mcp.tenancy.supervisor_programs; changes made by hand are lost."]
    for name, values in sections:
        lines += ["", f"[{name}]", *(f"{key}={str(value).replace('%', '%%')}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _program(program: dict, layout: Layout) -> dict:
    environment = {**(program.get("environment") or {}), "MCP_REVISION": program.get("revision") or ""}
    for text in [*program["command"], *environment.values()]:
        if "\n" in text or " ;" in text:
            raise SupervisorError(f"{program['name']}: a line break or ' ;' cannot stand in a supervisor's configuration")
    for name, value in environment.items():
        if '"' in value:
            raise SupervisorError(f"{program['name']}: the value of {name} has a double quote")
    return {
        "command": shlex.join(program["command"]),
        "directory": program["directory"],
        "environment": ",".join(f'{name}="{value}"' for name, value in sorted(environment.items())),
        "priority": program.get("priority") or 500,
        "autostart": "true",
        "autorestart": "true",
        "startsecs": 1 if program.get("start_seconds") is None else program["start_seconds"],
        "startretries": 100,  # with a pause that grows by a second each time
        "stopsignal": program.get("stop_signal") or "TERM",
        "stopwaitsecs": program.get("stop_wait_seconds") or 10,
        "stopasgroup": program.get("stop_as_group", "true"),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": layout.log_directory / f"{program['name']}.log",
        "stdout_logfile_maxbytes": LOG_BYTES,
        "stdout_logfile_backups": LOG_BACKUPS,
    }


class Control:
    """One supervisord, by its socket."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @property
    def _proxy(self) -> xmlrpc.client.ServerProxy:
        """A connection of its own for each call: the library's transport stays broken after a failed one."""
        from supervisor.xmlrpc import SupervisorTransport

        return xmlrpc.client.ServerProxy("http://localhost", transport=SupervisorTransport(None, None, f"unix://{self._layout.socket}"))

    def alive(self) -> bool:
        """Whether one answers; a socket that a killed one left behind does not."""
        try:
            return self._proxy.supervisor.getState()["statename"] == "RUNNING"
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False

    def pid(self) -> int:
        return self._proxy.supervisor.getPID()

    def is_of(self, supervisord: str) -> bool:
        """Whether the one that runs was started from this installation."""
        return supervisord in Path(f"/proc/{self.pid()}/cmdline").read_text().split("\0")

    def pending(self) -> tuple[list[str], list[str], list[str]]:
        """Programs added, changed and removed: the file against what supervisord has loaded. Reads only."""
        return tuple(self._proxy.supervisor.reloadConfig()[0])

    def states(self) -> dict[str, str]:
        return {process["name"]: process["statename"] for process in self._proxy.supervisor.getAllProcessInfo()}

    def update(self, added: list[str], changed: list[str], removed: list[str]) -> None:
        """Make supervisord run what its file says."""
        for name in [*changed, *removed]:
            self._proxy.supervisor.stopProcessGroup(name)
            self._proxy.supervisor.removeProcessGroup(name)
        for name in [*changed, *added]:
            self._proxy.supervisor.addProcessGroup(name)

    def start_program(self, name: str) -> None:
        try:
            self._proxy.supervisor.startProcess(name, False)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise

    def started_at(self, name: str) -> int:
        """When a program was started last, in seconds since the epoch; 0 of one that nobody can ask about."""
        try:
            return self._proxy.supervisor.getProcessInfo(name)["start"]
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return 0

    def stop_program(self, name: str) -> None:
        """Returns when it has ended. One that is not there, or does not run, has."""
        try:
            self._proxy.supervisor.stopProcess(name)
        except xmlrpc.client.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString and "BAD_NAME" not in fault.faultString:
                raise

    def launch(self) -> None:
        """Start a supervisord, detached, with nothing of the caller's environment."""
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(self._layout.directory)}
        # there is no AnsibleModule here, hence not run_command
        # pylint: disable-next=ansible-bad-function
        done = subprocess.run(
            [self._layout.supervisord, "-c", str(self._layout.configuration)],
            env=environment,
            cwd=self._layout.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if done.returncode:
            raise SupervisorError(f"supervisord did not start: {(done.stderr or done.stdout).strip()[-500:]}")
        _wait(self.alive, 30, f"supervisord did not answer on {self._layout.socket}. Next: look into {self._layout.log_directory}/supervisord.log")

    def shutdown(self) -> None:
        """Stop every program, then supervisord itself; returns when it is gone."""
        pid = self.pid()
        self._proxy.supervisor.shutdown()
        _wait(lambda: not _exists(pid), 90, f"supervisord ({pid}) did not end. Next: look into {self._layout.log_directory}/supervisord.log")

    def wait_running(self, names: list[str], seconds: float) -> None:
        """Until all run; raises :class:`SupervisorError` naming what does not, its state and its log."""

        def waiting() -> dict[str, str]:
            return {name: state for name, state in self.states().items() if name in names and state != "RUNNING"}

        deadline = time.monotonic() + seconds
        while (left := waiting()) and time.monotonic() < deadline and "FATAL" not in left.values():
            time.sleep(0.1)
        if left:
            told = ", ".join(f"{name} is {state} (log: {self._layout.log_directory}/{name}.log)" for name, state in sorted(left.items()))
            raise SupervisorError(f"{told}. Next: read the log, correct the cause, run again")


def _wait(condition: object, seconds: float, message: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SupervisorError(message)
        time.sleep(0.05)


def _exists(pid: int) -> bool:
    try:
        with Path(f"/proc/{pid}/stat").open() as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ensure_started(programs: list[dict], layout: Layout, check: bool, seconds: float) -> Outcome:
    """Read, plan, apply: the programs run as described. With ``check`` nothing is changed."""
    outcome, names = Outcome(after=render(programs, layout)), [program["name"] for program in programs]
    if layout.configuration.exists():
        outcome.before = layout.configuration.read_text()
    control = Control(layout)
    alive = control.alive()
    fresh = alive and control.is_of(layout.supervisord)
    if not fresh:
        outcome.supervisor = "restarted" if alive else "started"
    if check:
        _predict(control, outcome, names, fresh)
        return outcome
    _prepare(layout)
    if outcome.before != outcome.after:
        _atomic_file.write(layout.configuration, outcome.after.encode())
    if alive and not fresh:
        control.shutdown()
    if not fresh:
        control.launch()
        outcome.started = names
    else:
        added, changed, removed = control.pending()
        control.update(added, changed, removed)
        outcome.started, outcome.restarted, outcome.removed = added, changed, removed
        for name, state in control.states().items():
            if state in STOPPED_STATES and name not in [*added, *changed]:
                control.start_program(name)
                outcome.started.append(name)
    control.wait_running(names, seconds)
    return outcome


def resume(control: Control) -> None:
    """The programs of the file as it is run, as the supervisor that is there runs them."""
    added, changed, removed = control.pending()
    control.update(added, changed, removed)
    for name, state in control.states().items():
        if state in STOPPED_STATES and name not in [*added, *changed]:
            control.start_program(name)


def _predict(control: Control, outcome: Outcome, names: list[str], fresh: bool) -> None:
    if not fresh:
        outcome.started = names
        return
    added, changed, removed = control.pending()  # what an earlier run wrote and did not apply
    outcome.started, outcome.restarted, outcome.removed = added, changed, removed
    outcome.started += [name for name, state in control.states().items() if state in STOPPED_STATES and name not in [*added, *changed]]


def ensure_stopped(layout: Layout, check: bool, remove: bool) -> Outcome:
    """Nothing of it runs any more; with ``remove`` its configuration goes too."""
    outcome = Outcome()
    if layout.configuration.exists() and remove:
        outcome.before = layout.configuration.read_text()
    control = Control(layout)
    if control.alive():
        outcome.supervisor, outcome.removed = "stopped", sorted(control.states())
        if not check:
            control.shutdown()
    if not check and remove:
        layout.configuration.unlink(missing_ok=True)
    return outcome


def _prepare(layout: Layout) -> None:
    for folder in (layout.directory, layout.log_directory, layout.runtime_directory):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = layout.runtime_directory.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise SupervisorError(f"{layout.runtime_directory} is not ours alone. Next: find out who made it, then remove it")
