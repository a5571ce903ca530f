# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What a service of a compose file runs: the stdio server that ``mcpgateway.translate`` wraps, and with which connection string. Pure.

The commands are split as a shell does (``shlex``) before variables are put in, so a password can never become a word of a command. The rules for variables
are those of Compose: https://docs.docker.com/reference/compose-file/interpolation/
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Packages of database servers → engine. Compared without scope version, so ``mongodb-mcp-server@latest`` is one of them.
PACKAGES = {
    "@modelcontextprotocol/server-postgres": "postgres",
    "@zeddotdev/postgres-context-server": "postgres",
    "postgres-mcp": "postgres",
    "mongodb-mcp-server": "mongodb",
    "mcp-mongo-server": "mongodb",
}
#: Where these servers look for a connection string that is no argument.
VARIABLES = {"postgres": ("DATABASE_URI", "DATABASE_URL"), "mongodb": ("MDB_MCP_CONNECTION_STRING", "MONGODB_URI")}
TRANSLATE = "mcpgateway.translate"
RUNNERS = ("npx", "uvx", "node", "python", "python3")
_ENDS = {"&&", "||", ";", "|", "&"}
_REFERENCE = re.compile(
    r"(?P<shell>\$\$)(?:\{(?P<shell_braced>[A-Za-z_]\w*)\}|(?P<shell_bare>[A-Za-z_]\w*))"
    r"|\$(?P<dollar>\$)"
    r"|\$\{(?P<braced>[A-Za-z_]\w*)(?:(?P<operator>:?[-?+])(?P<word>[^}]*))?\}"
    r"|\$(?P<bare>[A-Za-z_]\w*)"
)


@dataclass(frozen=True)
class Setting:
    """One variable of a clear file. ``place`` is ``file:line``; ``plain`` says that no program would put another variable into the value."""

    name: str
    value: str = field(repr=False)
    place: str
    plain: bool = True


@dataclass(frozen=True)
class Server:
    """The stdio server of a service. ``engine`` is empty for what is no database. ``variables``: what its connection string came from."""

    engine: str
    package: str
    connection: str = field(default="", repr=False)
    variables: tuple[Setting, ...] = ()
    missing: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()


def server(service: Mapping[str, Any], project: Mapping[str, Setting], files: Mapping[str, Mapping[str, Setting]]) -> Server | None:
    """The stdio server of one service, None when it runs no ``translate``.

    ``project``: the variables that Compose puts into the file. ``files``: by their names those of the service's ``env_file``.
    Raises ``ValueError`` with words that are safe to print when the command cannot be read.
    """
    words = _words(service)
    started = next((index for index, word in enumerate(words) if word == TRANSLATE), None)
    if started is None:
        return None
    stdio = _option(words[started + 1 :], "--stdio")
    if stdio is None:
        raise ValueError("translate has no --stdio")
    command = _split(stdio)
    place, package = next(((index, _unversioned(word)) for index, word in enumerate(command) if _unversioned(word) in PACKAGES), (None, ""))
    if place is None:
        return Server("", _safe(next((word for word in command if not word.startswith("-") and word not in RUNNERS), "")))
    engine, inside = PACKAGES[package], _inside(service, project, files)
    texts = [word for word in command[place + 1 :] if not word.startswith("-") and (word.startswith("$") or "://" in word)]
    texts += [word.partition("=")[2] for word in command[place + 1 :] if re.match(r"--connection-?string=", word, re.IGNORECASE)]
    if texts:
        return Server(engine, package, *_resolved(texts[0], project, inside))
    named = next((inside[name] for name in VARIABLES[engine] if name in inside), None)
    return Server(engine, package, named.value, (named,), (), () if named.plain else (named.name,)) if named else Server(engine, package)


def _words(service: Mapping[str, Any]) -> list[str]:
    """The command as one list of words, the script of ``sh -c`` taken apart."""
    words: list[str] = []
    for part in (service.get("entrypoint"), service.get("command")):
        given = _split(part) if isinstance(part, str) else [str(word) for word in part] if isinstance(part, list) else []
        words += given
    script = next(
        (index + 1 for index, word in enumerate(words[:-1]) if re.fullmatch(r"-[a-z]*c", word) and words[index - 1].rpartition("/")[2] in ("sh", "bash")), None
    )
    return _split(words[script]) if script is not None else words


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        raise ValueError("its command has an unclosed quote") from None


def _option(words: list[str], name: str) -> str | None:
    for index, word in enumerate(words):
        if word in _ENDS:
            return None
        if word == name and index + 1 < len(words):
            return words[index + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def _unversioned(word: str) -> str:
    return word[:1] + word[1:].partition("@")[0]


def _safe(word: str) -> str:
    """The name of a package; nothing for a word that may be something else, since it is shown."""
    return _unversioned(word) if re.fullmatch(r"@?[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?(@[A-Za-z0-9._^~-]+)?", word) else ""


def _inside(service: Mapping[str, Any], project: Mapping[str, Setting], files: Mapping[str, Mapping[str, Setting]]) -> dict[str, Setting]:
    """The variables of the container: those of ``env_file``, then ``environment``, as Compose has it."""
    found: dict[str, Setting] = {}
    for name in env_files(service):
        found |= files.get(name, {})
    given = service.get("environment") or {}
    if isinstance(given, list):
        given = dict(str(one).partition("=")[::2] if "=" in str(one) else (str(one), None) for one in given)
    for name, value in given.items() if isinstance(given, Mapping) else ():
        if value is None:
            if name in project:
                found[name] = project[name]
            continue
        text, variables, missing, unsure = _resolved(str(value), project, {})
        origin = variables[0] if len(variables) == 1 else Setting(name, text, "")
        if not missing:
            found[name] = Setting(origin.name, text, origin.place, not unsure)
    return found


def env_files(service: Mapping[str, Any]) -> list[str]:
    """The names in ``env_file``, as they are written."""
    given = service.get("env_file") or []
    listed = given if isinstance(given, list) else [given]
    return [str(one.get("path", "")) if isinstance(one, Mapping) else str(one) for one in listed]


def _resolved(text: str, project: Mapping[str, Setting], inside: Mapping[str, Setting]) -> tuple[str, tuple[Setting, ...], tuple[str, ...], tuple[str, ...]]:
    """The text with its variables put in, those variables, those that are not set, those whose value is not certain."""
    variables, missing, unsure = [], [], []

    def put(match: re.Match) -> str:
        if match["dollar"]:
            return "$"
        name = match["shell_braced"] or match["shell_bare"] or match["braced"] or match["bare"]
        setting = (inside if match["shell"] else project).get(name)
        operator, word = match["operator"] or "", match["word"] or ""
        present = setting is not None and (setting.value or not operator.startswith(":"))
        if operator.endswith("+"):
            return word if present else ""
        if not present and operator.endswith("-"):
            return word
        if not present:
            missing.append(name)
            return ""
        variables.append(setting)
        if not setting.plain:
            unsure.append(setting.name)
        return setting.value

    return _REFERENCE.sub(put, text), tuple(variables), tuple(missing), tuple(unsure)
