# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Where in the inventory's files a variable was written, and what is written there that should not be.

ansible-core tags what it reads from YAML with file and line. It has no public way to ask for them yet, so where the private one is gone, nothing is told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from ansible_collections.mcp.tenancy.plugins.module_utils._problem import Problem

try:
    from ansible._internal._datatag._tags import Origin
except ImportError:
    Origin = None

PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
#: A database's URL with a password in it.
LOGIN = re.compile(r"\b(?:postgres(?:ql)?(?:\+\w+)?|mongodb(?:\+srv)?|rediss?)://[^\s:@/'\"{}]*:[^\s@/'\"{}]+@", re.IGNORECASE)
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
#: Variables that hold all others once more.
ANSIBLES = {"vars", "hostvars", "groups"}


def line(variables: dict[str, Any], place: str) -> str:
    """``file:line`` of ``place`` (``mcp_environments[0].postgres.port``), or of the nearest part around it that was written in a file; else ``""``."""
    found, value = "", variables
    for number, name in PART.findall(place):
        key = int(number) if number else name
        if isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        elif isinstance(value, dict) and key in value:
            if value is not variables:  # of a variable that is set in several places the name's tag is that of the first
                found = _tag(next(one for one in value if one == key)) or found
            value = value[key]
        else:
            break
        found = _tag(value) or found
    return found


def logins(variables: dict[str, Any], folder: str) -> list[Problem]:
    """Logins and keys that stand in clear in variables from files below ``folder``. What is vault-encrypted is not text here and is no mistake."""
    found = []
    for name, value in variables.items():
        if name in ANSIBLES:
            continue
        for place, text in _texts(str(name), value):
            where = _tag(text)
            what = "a database login" if LOGIN.search(text) else "a private key" if PRIVATE_KEY.search(text) else ""
            if what and where and os.path.abspath(where.rpartition(":")[0]).startswith(os.path.abspath(folder) + os.sep):
                step = "move it into the team's encrypted .env, and change it if it was ever committed"
                found.append(Problem(place, f"holds {what} in clear", step))
    return found


def _texts(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name in list(value):
            yield from _texts(f"{place}.{name}", value[name])
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from _texts(f"{place}[{index}]", value[index])


def _tag(value: Any) -> str:
    origin = Origin.get_tag(value) if Origin else None
    if origin is None or not origin.path:
        return ""
    path = os.path.relpath(origin.path)
    return f"{origin.path if path.startswith('..') else path}:{origin.line_num or 1}"
