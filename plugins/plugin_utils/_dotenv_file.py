# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""The dialect of every ``.env`` of ours: python-dotenv's, without interpolation, read strictly and written so that it reads back byte for byte."""

from __future__ import annotations

import io
import re

try:
    from dotenv.parser import parse_stream
except ImportError:  # told when it is needed, so that the plugin can be loaded and documented without it
    parse_stream = None

NAME = re.compile(r"[A-Z][A-Z0-9_]*")


class DotenvError(ValueError):
    """A list of ``(line, message)``; messages hold no value."""

    def __init__(self, mistakes: list[tuple[int, str]]) -> None:
        super().__init__("; ".join(f"line {line}: {message}" for line, message in mistakes))
        self.mistakes = mistakes


def parse(text: str) -> dict[str, str]:
    """Names and values in the order of the file. Raises :class:`DotenvError` with every mistake."""
    if parse_stream is None:
        raise DotenvError([(0, "the Python library python-dotenv is missing on the control node (pip install python-dotenv)")])
    values: dict[str, str] = {}
    mistakes: list[tuple[int, str]] = []
    for binding in parse_stream(io.StringIO(text)):
        line = binding.original.line + len(binding.original.string) - len(binding.original.string.lstrip("\n"))
        if binding.error:
            mistakes.append((line, "cannot be read as NAME=value (an unclosed quote?)"))
        elif binding.key is None:
            continue
        elif not NAME.fullmatch(binding.key):
            mistakes.append((line, f"'{binding.key}' is not a name" if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", binding.key) else "does not start with a name"))
        elif binding.value is None:
            mistakes.append((line, f"{binding.key} has no value"))
        elif binding.key in values:
            mistakes.append((line, f"{binding.key} is set a second time"))
        elif "\0" in binding.value:
            mistakes.append((line, f"{binding.key} has a NUL character"))
        else:
            values[binding.key] = binding.value
    if mistakes:
        raise DotenvError(mistakes)
    return values


def render(values: dict[str, str], heading: str = "") -> str:
    """The file's text. Raises ``ValueError`` naming the variable if it would not read back as it is."""
    text = "".join(f"# {line}\n" for line in heading.splitlines())
    text += "".join(f"{name}={_quote(value)}\n" for name, value in values.items())
    back = parse(text)
    for name, value in values.items():
        if back.get(name) != value:
            raise ValueError(f"{name} cannot be written to a .env byte for byte")
    return text


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
