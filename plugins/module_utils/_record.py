# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""The record of the last whole deploy, on its host: compared with what is there now, and written. Answers are those of M(mcp.tenancy.host_record).

Uses the standard library only: the control node may pipe it into a host's Python (plugin_utils/_piped.py).
"""

from __future__ import annotations

import json
import os
import time

from ansible_collections.mcp.tenancy.plugins.module_utils import _atomic_file, _snapshot, _systemd

#: Of another form of this file nothing is believed.
FORMAT = 2


def read(path: str) -> dict:
    """The record, or an empty one where there is none that can be used."""
    try:
        with open(path, encoding="utf-8") as stream:
            record = json.load(stream)
        return record if record["format"] == FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def compare(path: str, inputs: str) -> dict:
    """Whether the host is as it was recorded, and would be made from the same ``inputs``. Never raises: what cannot be looked at is not in order."""
    try:
        return _compared(path, inputs)
    except (OSError, _systemd.SystemdError) as error:
        return not_seen(error)


def write(path: str, inputs: str, scope: dict, until: int) -> dict:
    """A host on which something is down is not recorded: a later deploy has to look at it."""
    try:
        return _written(path, inputs, scope, until)
    except (OSError, _systemd.SystemdError) as error:
        return not_seen(error)


def not_seen(error: Exception) -> dict:
    return {"in_order": False, "differs": [], "why": f"the host cannot be looked at: {error}"}


def _compared(path: str, inputs: str) -> dict:
    record = read(path)
    differs, why = [], ""
    if not record:
        why = "there is no record of a whole deploy"
    elif record["inputs"] != inputs:
        why = "the declaration, the .env or the collection is another one than at the last whole deploy"
    elif 0 < record["until"] <= time.time():
        why = "a client's token is due for another one"
    else:
        differs = _snapshot.differences(record["facts"], _snapshot.taken(record["scope"]))
        why = f"changed since the last whole deploy: {', '.join(differs)}" if differs else ""
    return {"in_order": not why, "differs": differs, "why": why}


def _written(path: str, inputs: str, scope: dict, until: int) -> dict:
    facts = _snapshot.taken(scope)
    down = _snapshot.not_running(facts)
    if down:
        if os.path.exists(path):
            os.unlink(path)
        return {"in_order": False, "differs": down, "why": f"not recorded, not running: {', '.join(down)}"}
    record = {"format": FORMAT, "inputs": inputs, "scope": scope, "facts": facts, "until": until}
    if read(path) != record:
        _atomic_file.write(path, json.dumps(record, indent=1).encode())
    return {"in_order": True, "differs": [], "why": ""}
