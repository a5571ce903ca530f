# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Another installation of the gateway takes over from the one that runs, or does not. What is needed to go back is kept until it answers.

``<root>/before`` holds files and units as they were, and ``upgrade.json`` in it, which is written last: where it is, an upgrade was begun and not ended.
The database as it was is ``state/before-upgrade.db``; it stays when the upgrade is over, until the next one.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import time
from pathlib import Path

from ansible_collections.mcp.tenancy.plugins.module_utils import _atomic_file, _gateway_copy, _gateway_database, _supervisor, _systemd

#: Below the team's folder: what says how services are started, and what is in front of the gateway's application.
KEPT = ("etc/services.json", "etc/firewall.nft", "etc/supervisord.conf", "bin/mcp_gateway_*.py")
POLL_SECONDS = 0.3


class UpgradeError(Exception):
    """Why the gateway did not take over, or could not be brought back, with the next step."""


class Upgrade:
    """One host. ``paths``: as :func:`_declaration.paths`; ``prefix``: of the units, empty under the supervisor."""

    def __init__(self, paths: dict[str, str], prefix: str) -> None:
        self._root, self._paths, self._prefix = Path(paths["root"]), paths, prefix
        self._folder, self._copy = self._root / "before", f"{paths['state']}/before-upgrade.db"

    # What is there

    def running(self) -> str:
        """The installation that the host's manifest starts; empty where there is none, or nothing to lose yet."""
        try:
            manifest = json.loads(Path(self._paths["manifest"]).read_text())
        except (FileNotFoundError, ValueError):
            return ""
        return str(Path(manifest["services"]["gateway"]["command"][0]).parents[1]) if os.path.exists(self._paths["gateway_database"]) else ""

    def begun(self) -> dict:
        """``{"from", "to"}`` of an upgrade that was begun and not ended; empty for none."""
        try:
            return json.loads((self._folder / "upgrade.json").read_text())
        except (FileNotFoundError, ValueError):
            return {}

    # Steps

    def begin(self, installation: str) -> bool:
        """Keep what is needed to go back, once. Whether another installation is to take over."""
        begun = self.begun()
        if begun and begun["to"] != installation:  # cut off, and now something else is wanted
            self.back()
            self._forget()
            begun = {}
        before = self.running()
        if begun or before in ("", installation):
            return bool(begun)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700)
        for path in self._kept_files(self._root):
            target = self._folder / path.relative_to(self._root)
            target.parent.mkdir(exist_ok=True, mode=0o700)
            shutil.copy2(path, target)
        if self._prefix:
            found = self._units().found([])
            units = [{"name": name, "content": text, "revision": found.revisions.get(name, ""), "reload": False} for name, text in found.files.items()]
            _atomic_file.write(self._folder / "units.json", json.dumps(units).encode())
        _gateway_copy.kept(self._paths["gateway_database"], self._copy)
        _atomic_file.write(self._folder / "upgrade.json", json.dumps({"from": before, "to": installation}).encode())
        Path(self._paths["record"]).unlink(missing_ok=True)  # whatever becomes of this, the next deploy has to look at everything
        return True

    def end(self, port: int, seconds: float) -> None:
        """Once it answers there is nothing to go back for. Raises UpgradeError where it does not."""
        if self.begun():
            self._wait(port, seconds)
            self._forget()

    def back(self, port: int = 0, seconds: float = 0) -> dict:
        """What ran before, with its database; with ``port``: and it answers. ``{"from", "to"}``. Raises UpgradeError."""
        begun = self.begun()
        if not begun:
            return {}
        for path in self._kept_files(self._folder):
            target = self._root / path.relative_to(self._folder)
            _atomic_file.write(target, path.read_bytes(), path.stat().st_mode & 0o777)
        if self._prefix:
            self._back_under_systemd(port)
        else:
            self._back_under_supervisor(port)
        if port:
            self._wait(port, seconds)
            self._forget()
        return begun

    # Parts

    @staticmethod
    def _kept_files(root: Path) -> list[Path]:
        return [Path(path) for pattern in KEPT for path in sorted(glob.glob(f"{glob.escape(str(root))}/{pattern}"))]

    def _units(self) -> _systemd.Host:
        return _systemd.Host(self._prefix, f"{self._paths['run']}/.revisions")

    def _database_back(self) -> None:
        _gateway_copy.put_back(self._paths["gateway_database"], Path(self._copy).read_bytes())

    def _back_under_systemd(self, start: int) -> None:
        host, units = self._units(), json.loads((self._folder / "units.json").read_text())
        host.write(units)
        host.stop(f"{self._prefix}gateway")
        self._database_back()
        if start:
            host.apply(units, _systemd.plan(units, host.found([unit["name"] for unit in units])))

    def _back_under_supervisor(self, start: int) -> None:
        layout = _supervisor.Layout(*(Path(self._paths[name]) for name in ("etc", "run", "log")), "")
        control = _supervisor.Control(layout)
        if control.alive():
            control.stop_program("gateway")
        self._database_back()
        if start:
            _supervisor.resume(control)

    def _wait(self, port: int, seconds: float) -> None:
        """Raises UpgradeError when it does not answer in time, or ends instead."""
        deadline, started = time.monotonic() + seconds, self._started()
        while not _gateway_database.answers(port):
            now = self._started()
            ended = started and now != started
            if ended or time.monotonic() > deadline:
                what = "ends as it starts" if ended else f"does not answer within {seconds:g} s"
                raise UpgradeError(f"the gateway {what}. Next: see {self._log()}")
            started = started or now
            time.sleep(POLL_SECONDS)

    def _started(self) -> int:
        """When the supervisor started it, in seconds; 0 where systemd has said already that it is up."""
        if self._prefix:
            return 0
        layout = _supervisor.Layout(*(Path(self._paths[name]) for name in ("etc", "run", "log")), "")
        return _supervisor.Control(layout).started_at("gateway")

    def _log(self) -> str:
        return f"journalctl -u {self._prefix}gateway" if self._prefix else f"{self._paths['log']}/gateway.log"

    def _forget(self) -> None:
        (self._folder / "upgrade.json").unlink()
        shutil.rmtree(self._folder)
