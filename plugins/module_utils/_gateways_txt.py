# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""``gateways.txt``: one MCP server a line, ``name|url|transport``; lines that begin with ``#`` are comments. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

TRANSPORTS = ("SSE", "STREAMABLEHTTP")
NAME = re.compile(r"[A-Za-z0-9_.\- ]{1,100}")
HEADING = "# name|url|transport: the virtual servers of team {team}. No secret is in here; each caller's token comes from client.yml.\n"


class LineError(ValueError):
    """What is wrong with a line, in words that are safe to print, and where: ``column`` counts from 1."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(message)
        self.column = column


@dataclass(frozen=True)
class Gateway:
    """One line. ``line`` counts from 1, 0 for one that is yet to be written."""

    name: str
    url: str
    transport: str
    line: int = 0


def parse(text: str) -> tuple[list[Gateway], list[tuple[int, int, str]]]:
    """The gateways, and what is wrong as ``(line, column, message)``. Where the transport is left out it follows from the URL, as in the guide."""
    found: list[Gateway] = []
    wrong: list[tuple[int, int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            one = entry(line, number)
        except LineError as error:
            wrong.append((number, error.column, str(error)))
            continue
        if one.name in {other.name for other in found}:
            wrong.append((number, 1, f"{one.name} is there a second time"))
        else:
            found.append(one)
    return found, wrong


def entry(line: str, number: int = 0) -> Gateway:
    """One line. Raises :class:`LineError`."""
    fields = line.split("|")
    starts = [len("|".join(fields[:index])) + 1 + (index > 0) for index in range(len(fields))]
    if len(fields) < 2:
        raise LineError(1, "is not name|url|transport")
    if len(fields) > 3:
        raise LineError(starts[3], "has a fourth field")
    name, url, transport = (field.strip() for field in [*fields, ""][:3])
    if not NAME.fullmatch(name):
        raise LineError(starts[0], "has no name of letters, digits, _ . - and spaces")
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise LineError(starts[1], "has no http or https URL")
    if parts.username is not None or parts.password is not None:
        raise LineError(starts[1], "has a login in its URL")
    transport = transport.upper() or ("SSE" if parts.path.rstrip("/").endswith("/sse") else "STREAMABLEHTTP")
    if transport not in TRANSPORTS:
        raise LineError(starts[2], f"has a transport that is neither {' nor '.join(TRANSPORTS)}")
    return Gateway(name, url, transport, number)


def render(team: str, gateways: Iterable[Gateway]) -> str:
    """The file's text, ordered by name. Raises :class:`LineError` for what would not read back."""
    lines = [f"{one.name}|{one.url}|{one.transport}" for one in sorted(gateways, key=lambda one: one.name)]
    for line in lines:
        entry(line)
    return HEADING.format(team=team) + "".join(f"{line}\n" for line in lines)
