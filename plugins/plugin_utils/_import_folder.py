# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Reads the folder that is to be imported. Opens files for reading only, follows no link out of the folder, and never repeats what they hold."""

from __future__ import annotations

import hashlib
import io
import os
import re
from pathlib import Path

import yaml

from ansible_collections.mcp.tenancy.plugins.module_utils._import import LEFT, TAKEN, UNCLEAR, Compose, Finding, Folder, Registration
from ansible_collections.mcp.tenancy.plugins.module_utils._import_compose import Setting, env_files

try:
    from dotenv.parser import parse_stream
except ImportError:  # told when it is needed, so that the plugin can be loaded and documented without it
    parse_stream = None

LARGEST = 1024 * 1024
_EXAMPLE = re.compile(r"\.?(example|sample|template|dist|bak|orig|old)\b", re.IGNORECASE)
_COMPOSE = re.compile(r"(?:docker-)?compose(?:[.-](?P<environment>[A-Za-z0-9_-]+))?\.ya?ml")
_ENV = re.compile(r"\.env(?:\.(?P<after>[A-Za-z0-9_-]+))?|(?P<before>[A-Za-z0-9_-]+)\.env")
_LISTS = ("gateways.txt", "scripts/gateways.txt", "config/gateways.txt")
_NOT_NEEDED = {
    "virtual-servers.txt": "each environment gets one virtual server with its databases",
    "prompts.txt": "prompts are not registered by this collection",
    "resources.txt": "resources are not registered by this collection",
}
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class FolderError(Exception):
    """There is no folder to read; the text says what to do."""


class Reader:
    """``folder`` is what was read, ``certificates`` are files of nothing but certificates, ``stamp`` changes when a file does."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise FolderError(f"from: there is no folder {path}. Next: name the one that has the .env, the compose file and gateways.txt.")
        if parse_stream is None:
            raise FolderError("from: the Python library python-dotenv is missing on the control node. Next: pip install python-dotenv.")
        self._path, self._findings, self._read = path.resolve(), [], {}
        self._settings: dict[str, list[Setting]] = {}
        names = self._names()
        self.certificates = [name for name in names if re.search(r"\.(pem|crt|cer)$", name) and self._is_certificate(name)]
        # Compose reads the .env beside the file; one of the same environment is meant where there is one.
        envs = {name: self._environment(name) for name in names if self._is_env(name)}
        for name in envs:
            self._env(name)
        composes = [compose for name in names if _COMPOSE.fullmatch(Path(name).name) for compose in self._compose(name, envs)]
        lists = {name: text for name in _LISTS if name in names and (text := self._text(name)) is not None}
        self._say_what_is_not_read(names)
        self.folder = Folder([(envs[name], self._settings[name]) for name in envs if name in self._settings], composes, lists, findings=self._findings)

    @property
    def stamp(self) -> str:
        """Names, sizes and times of what was read: nothing of its content. Of a gateway's registrations a digest: a URL may have a key in it."""
        files = [f"{name}:{found.st_mtime_ns}:{found.st_size}:{found.st_ino}" for name, found in sorted(self._read.items())]
        registered = str(sorted((address, sorted(map(str, found))) for address, found in self.folder.registered.items()))
        return "|".join([*files, hashlib.sha256(registered.encode()).hexdigest()])

    def registered(self, address: str, registrations: list[Registration], findings: list[Finding]) -> None:
        """What an existing gateway has, beside the folder."""
        self.folder.registered[address] = registrations
        self._findings += findings

    def _names(self) -> list[str]:
        """Files of the folder, and of folders in it that are named like an environment or are the guide's."""
        found = []
        for entry in sorted(self._path.iterdir()):
            if entry.is_dir() and not entry.is_symlink() and (entry.name in ("scripts", "config") or (entry / ".env").is_file()):
                found += [f"{entry.name}/{one.name}" for one in sorted(entry.iterdir()) if one.is_file()]
            elif entry.is_file():
                found.append(entry.name)
        return found

    def _is_env(self, name: str) -> bool:
        return bool(_ENV.fullmatch(Path(name).name)) and not _EXAMPLE.search(Path(name).name)

    @staticmethod
    def _environment(name: str) -> str:
        """The environment that the name of a file says: ``.env.dev``, ``dev.env``, ``dev/.env``."""
        match = _ENV.fullmatch(Path(name).name)
        said = (match["after"] or match["before"] or "") if match else ""
        folder = str(Path(name).parent)
        return (said or ("" if folder in (".", "scripts", "config") else folder)).lower()

    def _say(self, where: str, what: str, verdict: str, how: str) -> None:
        self._findings.append(Finding(where, what, verdict, how))

    def _raw(self, name: str) -> bytes | None:
        path = self._path / name
        try:
            if self._path not in path.resolve().parents:
                return self._say(name, "file", UNCLEAR, "is a link out of the folder; put a copy in its place")
            with path.open("rb") as stream:
                status = os.fstat(stream.fileno())
                raw = stream.read(LARGEST + 1)
        except OSError as error:
            return self._say(name, "file", UNCLEAR, f"cannot be read ({error.strerror}); see to its rights")
        self._read[name] = status
        if len(raw) > LARGEST:
            return self._say(name, "file", UNCLEAR, "is larger than 1 MiB, so it is not what it is named after")
        return raw

    def _text(self, name: str) -> str | None:
        raw = self._raw(name)
        try:
            return raw if raw is None else raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            return self._say(name, "file", UNCLEAR, "is not UTF-8 text; save it as UTF-8")

    def _is_certificate(self, name: str) -> bool:
        raw = self._raw(name)
        return raw is not None and bool(_CERTIFICATE.search(raw)) and b"PRIVATE KEY" not in raw

    def _env(self, name: str) -> None:
        text = self._text(name)
        if text is None:
            return
        if text.startswith("$ANSIBLE_VAULT;"):
            self._say(name, "file", UNCLEAR, "is encrypted; it may be a team's already, or decrypt a copy with ansible-vault")
            return
        found: dict[str, Setting] = {}
        for binding in parse_stream(io.StringIO(text)):
            original = binding.original.string
            line = binding.original.line + len(original) - len(original.lstrip("\r\n"))
            where = f"{name}:{line}"
            if binding.error:
                self._say(where, "line", UNCLEAR, "cannot be read as NAME=value (an unclosed quote?)")
            elif binding.key is None:
                continue
            elif binding.value is None or not _NAME.fullmatch(binding.key):  # what stands there may be a piece of a password
                self._say(where, "line", UNCLEAR, "is not NAME=value with a name of capital letters, digits and _; correct it")
            elif binding.key in found:
                self._say(where, binding.key, UNCLEAR, f"is set a second time, after {found[binding.key].place}; only one of them can be meant")
                found[binding.key] = Setting(binding.key, binding.value, where, plain=False)
            else:
                quoted = original.partition("=")[2].lstrip().startswith("'")
                found[binding.key] = Setting(binding.key, binding.value, where, plain=quoted or not re.search(r"\$[A-Za-z_{]", binding.value))
        self._settings[name] = list(found.values())

    def _compose(self, name: str, envs: dict[str, str]) -> list[Compose]:
        text = self._text(name)
        if text is None:
            return []
        try:
            content, lines = yaml.safe_load(text), _lines(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            self._say(f"{name}:{mark.line + 1}" if mark else name, "file", UNCLEAR, "is not YAML that can be read; correct it there")
            return []
        services = content.get("services") if isinstance(content, dict) else None
        if not isinstance(services, dict):
            self._say(name, "file", UNCLEAR, "has no services, so it is no compose file")
            return []
        said = (_COMPOSE.fullmatch(Path(name).name)["environment"] or "").lower()
        said = "" if said == "override" else said or self._environment(f"{Path(name).parent}/.env")
        beside = [one for one in self._settings if Path(one).parent == Path(name).parent]
        project = next((one for one in beside if said and envs[one] == said), next((one for one in beside if Path(one).name == ".env"), None))
        found = {}
        for service, definition in services.items():
            if isinstance(definition, dict):
                found[str(service)] = (lines.get(str(service), 1), definition)
            else:
                self._say(f"{name}:{lines.get(str(service), 1)}", f"service {service}", UNCLEAR, "is no mapping")
        wanted = {one for _line, definition in found.values() for one in env_files(definition)}
        files = {one: self._variables(os.path.normpath(Path(name).parent / one)) for one in wanted}
        return [Compose(name, found, self._variables(project), files, said)]

    def _variables(self, name: str | None) -> dict[str, Setting]:
        return {setting.name: setting for setting in self._settings.get(name or "", [])}

    def _say_what_is_not_read(self, names: list[str]) -> None:
        for name in names:
            base = Path(name).name
            if base in _NOT_NEEDED:
                self._say(name, "file", LEFT, _NOT_NEEDED[base])
            elif re.match(r"\.env\b|.*\.env$", base) and not self._is_env(name):
                self._say(name, "file", LEFT, "an example or a copy by its name; rename it if it is meant")
        if len(self.certificates) == 1:
            self._say(self.certificates[0], "file", TAKEN, "the CA of the databases, unless import_ca names another file")
        elif self.certificates:
            self._say(", ".join(self.certificates), "files", UNCLEAR, "which one is the CA of the databases? Name it with -e import_ca=FILE")


def _lines(text: str) -> dict[str, int]:
    """Service → line of its name."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    services = next((value for key, value in root.value if key.value == "services"), None) if isinstance(root, yaml.MappingNode) else None
    return {str(key.value): key.start_mark.line + 1 for key, _value in services.value} if isinstance(services, yaml.MappingNode) else {}
