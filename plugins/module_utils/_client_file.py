# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""The configuration that MCP clients read (``mcpServers``): other people's entries are kept, ours are replaced by rename, 0600 throughout."""

from __future__ import annotations

import json
import os
import stat

from ansible_collections.mcp.tenancy.plugins.module_utils import _atomic_file


class ClientFileError(Exception):
    """The file cannot be used; its text says why and what next."""


class ClientFile:
    """The clients' configuration on this host."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.content = self._read()

    def _read(self) -> dict:
        try:
            with open(self.path, encoding="utf-8") as stream:
                content = json.load(stream)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            why = type(error).__name__
            raise ClientFileError(f"The client configuration {self.path} cannot be read: {why}. Next: repair it or move it away, then run again.") from None
        if not isinstance(content, dict) or not isinstance(content.get("mcpServers", {}), dict):
            raise ClientFileError(f"The client configuration {self.path} is not a client configuration. Next: name another file, or move this one away.")
        return content

    def entries(self) -> dict[str, object]:
        return self.content.get("mcpServers", {})

    def entry(self, name: str) -> object:
        return self.entries().get(name)

    def is_private(self) -> bool:
        """Whether there is nothing to hide, or nobody else to hide it from."""
        try:
            status = os.lstat(self.path)
        except FileNotFoundError:
            return True
        return stat.S_IMODE(status.st_mode) == 0o600 and status.st_uid == os.geteuid()

    def write(self, name: str | None = None, entry: dict | None = None) -> None:
        """Replace the file by rename, with that entry changed; without it when ``entry`` is None."""
        if entry is not None:
            self.content.setdefault("mcpServers", {})[name] = entry
        elif name is not None:
            self.entries().pop(name, None)
        try:
            _atomic_file.write(self.path, json.dumps(self.content, indent=2).encode() + b"\n")
        except OSError as error:
            why = error.strerror
            raise ClientFileError(
                f"The client configuration {self.path} cannot be written: {why}. Next: make its folder and room for it, then run again."
            ) from None
