# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that look at a file as a whole: its name and all of its text. Each yields ``(line, rule)``; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from guard.values import entropy, is_placeholder

CLEAR_ENV, VAULT_KEY, PRIVATE_KEY, CLIENT = "clear .env", "vault key", "private key", "client configuration with a token"
VAULT = "$ANSIBLE_VAULT;"
_ENV = re.compile(r"\.env(?:\.[A-Za-z0-9_-]+)*|[A-Za-z0-9_-]+\.env", re.IGNORECASE)
_EXAMPLE = re.compile(r"example|sample|template|dist$", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"^[ \t]*(?:export[ \t]+)?[A-Za-z_]\w*[ \t]*=[ \t]*(?P<value>\S[^\n]*)", re.MULTILINE)
_KEY_NAME = re.compile(r".*\.key|\.?vault[_.-]?(?:key|pass(?:word|wd)?)(?:[_.-]\w+)?|.*[_-]vault[_-](?:key|pass(?:word)?)(?:\.txt)?", re.IGNORECASE)
_CHECKSUM = re.compile(r"\.(?:sha\d*|sha\d+sum|md5|sum|digest|checksum)$", re.IGNORECASE)
_PRIVATE = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:\\[nr]|[\s\"'+,>#*|\\]|(?:Proc-Type|DEK-Info|Comment|Version): [^\n]{0,200}\n)*[A-Za-z0-9+/=]{40,}"
    r"|PuTTY-User-Key-File-\d: |AGE-SECRET-KEY-1[0-9A-Z]{50,}"
)
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASS|KEY|CONNECTION_STRING|DSN|AUTHORIZATION", re.IGNORECASE)


def found(path: str, text: str) -> Iterator[tuple[int, str]]:
    """Everything that a whole file says."""
    if text.startswith(VAULT):
        return
    name = PurePosixPath(path).name
    yield from _clear_env(name, text)
    yield from _private_keys(text)
    yield from _vault_key(name, text)
    yield from _client(name, text)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _clear_env(name: str, text: str) -> Iterator[tuple[int, str]]:
    if _ENV.fullmatch(name) and not _EXAMPLE.search(name):
        match = next((one for one in _ASSIGNMENT.finditer(text) if not one["value"].startswith("#")), None)
        if match:
            yield _line(text, match.start()), CLEAR_ENV


def _private_keys(text: str) -> Iterator[tuple[int, str]]:
    for match in _PRIVATE.finditer(text) if "PRIVATE KEY" in text or "PuTTY-User" in text or "AGE-SECRET" in text else ():
        yield _line(text, match.start()), PRIVATE_KEY


def _vault_key(name: str, text: str) -> Iterator[tuple[int, str]]:
    """One word that a machine drew and nothing else, or a file that is named like a key and has something else than PEM in it."""
    word = text.strip()
    if not word or "\n" in word or _CHECKSUM.search(name) or is_placeholder(word):
        return
    named = _KEY_NAME.fullmatch(name) and len(word) >= 8 and not re.match(r"-----BEGIN|ssh-|ecdsa-|sk-|#!", word)
    drawn = re.fullmatch(r"[0-9A-Fa-f]{48,256}", word) or (re.fullmatch(r"[A-Za-z0-9+/=_-]{40,256}", word) and re.search(r"\d", word) and entropy(word) >= 4.5)
    if named or (drawn and len(word) != 40):  # 40 digits are the name of a commit
        yield 1, VAULT_KEY


def _client(name: str, text: str) -> Iterator[tuple[int, str]]:
    """``mcpServers`` of MCP clients: headers that authorise, variables and arguments that are secrets."""
    if not re.search(r"\.(?:json|jsonc|code-workspace)$", name) or not re.search(r"\"(?:mcpServers|servers|mcp)\"", text):
        return
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return  # what is in its lines is found by the rules for lines
    for secret in _of_servers(content):
        yield _line(text, max(text.find(json.dumps(secret)[1:-1]), 0)), CLIENT


def _of_servers(content: object) -> Iterator[str]:
    servers = next((content[key] for key in ("mcpServers", "servers") if isinstance(content.get(key), dict)), {}) if isinstance(content, dict) else {}
    if not servers and isinstance(content, dict) and isinstance(content.get("mcp"), dict):
        yield from _of_servers(content["mcp"])
    for server in servers.values():
        for part in ("headers", "env") if isinstance(server, dict) else ():
            for key, value in (server[part] if isinstance(server.get(part), dict) else {}).items():
                said = re.sub(r"^(?:Bearer|Basic|Token)\s+", "", value) if isinstance(value, str) else ""
                if _SECRET_NAME.search(key) and len(said) >= 8 and not is_placeholder(said) and not re.match(r"[~/]", said):
                    yield value
