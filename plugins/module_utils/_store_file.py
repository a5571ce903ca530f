# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""The store that is a file on the team's store host. What another store has to offer is this class: read, acquire, write, release, copy.

The file is ``{"version": 12, "document": ciphertext, "fence": 4, "lease": {"holder", "fence", "expires"} or None}``. The document is encrypted
with the team's key, which no host has. Every change is one rename, under a lock that ends with the process.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.mcp.tenancy.plugins.module_utils import _atomic_file

EMPTY = {"version": 0, "document": "", "fence": 0, "lease": None}


class StoreError(Exception):
    """Why the store did not do it, with the next step. ``holder`` names who has the lease, where that is why."""

    def __init__(self, message: str, holder: str = "") -> None:
        super().__init__(message)
        self.holder = holder


class FileStore:
    """One team's store on this host. ``clock`` gives seconds since the epoch; only this host's clock counts for a lease."""

    def __init__(self, path: str, clock: object = time.time) -> None:
        self.path, self._clock = Path(path), clock

    def read(self) -> dict:
        """The file's content; an empty one where there is none. Raises StoreError."""
        try:
            held = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return dict(EMPTY)
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.path} cannot be read ({type(error).__name__}). Next: bring back a copy of it from another host or a backup") from None
        if set(held) != set(EMPTY):
            raise StoreError(f"{self.path} is not a store of this version. Next: bring back a copy of it from another host or a backup")
        return held

    def acquire(self, holder: str, seconds: float, instead_of: str = "") -> dict:
        """Take the lease, and the content with it. ``instead_of`` names a holder that is known to be gone. Raises StoreError with ``holder``."""
        with self._locked():
            held = self.read()
            lease = held["lease"]
            left = lease["expires"] - self._clock() if lease else 0
            if lease and left > 0 and lease["holder"] not in (holder, instead_of):
                step = f"wait until it has ended, or {left:.0f} s until its lease has"
                raise StoreError(f"the credentials are being changed by {lease['holder']}. Next: {step}, then run again", lease["holder"])
            held["fence"] += 1
            held["lease"] = {"holder": holder, "fence": held["fence"], "expires": self._clock() + seconds}
            self._replace(held)
            return held

    def write(self, document: str, version: int, base: int, fence: int, seconds: float) -> dict:
        """Replace the document of version ``base`` and renew the lease. Raises StoreError when either is somebody else's by now."""
        with self._locked():
            held = self._of(fence)
            if held["version"] != base:
                raise StoreError(f"the store is at version {held['version']}, this run started from {base}. Next: run again")
            held.update(version=version, document=document)
            held["lease"]["expires"] = self._clock() + seconds
            self._replace(held)
            return held

    def release(self, fence: int) -> None:
        """Give the lease back. One that was taken over meanwhile stays with who has it."""
        with self._locked():
            held = self.read()
            if held["lease"] and held["lease"]["fence"] == fence:
                held["lease"] = None
                self._replace(held)

    def copy(self, document: str, version: int, *, check: bool = False) -> bool:
        """Keep a copy of another host's document, unless a newer one is here. Whether that is (or would be) a change."""
        with self._locked() if not check else contextlib.nullcontext():
            held = self.read()
            if held["version"] > version or (held["version"] == version and held["document"] == document):
                return False
            if not check:
                self._replace({**held, "version": version, "document": document})
            return True

    def _of(self, fence: int) -> dict:
        held = self.read()
        if not held["lease"] or held["lease"]["fence"] != fence:
            who = held["lease"]["holder"] if held["lease"] else "nobody"
            raise StoreError(f"the lease of this run has ended and {who} has it now, so nothing was written. Next: run again", who)
        return held

    def _replace(self, content: dict) -> None:
        try:
            _atomic_file.write(self.path, json.dumps(content).encode())
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written: {error.strerror}. Next: make room or correct the folder's owner, then run again") from None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """No two runs change the store at once."""
        if not self.path.parent.is_dir():
            raise StoreError(f"there is no folder {self.path.parent}. Next: run deploy.yml, which makes it")
        with _atomic_file.alone(self.path.parent):
            yield
