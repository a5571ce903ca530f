# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of a page, as a shell would take them apart. Pure."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass

from . import markdown

SHELLS = ("sh", "bash", "console")
OURS = re.compile(r"(ansible-playbook|ansible-vault|ansible-doc|make|scripts/[\w-]+|[a-z_]+\.yml|python3? -m (?:tests|mcp_bridge)[\w.]*)(?: |$)")


@dataclass(frozen=True)
class Command:
    line: int
    words: tuple[str, ...]
    in_block: bool

    @property
    def program(self) -> str:
        return self.words[0]

    @property
    def playbook(self) -> str | None:
        """Of `ansible-playbook deploy.yml …`, and of `deploy.yml …` as the pages have it in running text."""
        after = self.words[1:] if self.program.endswith("ansible-playbook") else self.words
        return next((word for word in after if re.fullmatch(r"[a-z_]+\.yml", word)), None)

    def after(self, *options: str) -> list[str]:
        """The values of an option."""
        separate = [value for option, value in zip(self.words, self.words[1:], strict=False) if option in options]
        return separate + [word.split("=", 1)[1] for word in self.words if "=" in word and word.split("=", 1)[0] in options]

    @property
    def extra_variables(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for value in self.after("-e", "--extra-vars"):
            if value.startswith("{"):
                found |= json.loads(value)
            elif not value.startswith("@"):
                found |= dict(word.split("=", 1) for word in shlex.split(value))
        return found


def commands(page: str) -> list[Command]:
    found = []
    for block in markdown.blocks(page):
        if block.language in SHELLS:
            for number, line in enumerate(block.text.replace("\\\n", "  ").splitlines()):
                found += _split(line.removeprefix("$ "), block.line + number, True)
    for span in markdown.spans(page):
        # in running text: our own commands, options of them, and lines of a crontab
        if OURS.match(span.text) or re.match(r"--?[a-z]", span.text) or " && " in span.text:
            found += _split(span.text, span.line, False)
    return sorted(found, key=lambda one: one.line)


def _split(text: str, line: int, in_block: bool) -> list[Command]:
    lexer = shlex.shlex(re.sub(r" \d>&\d", "", text), posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError as error:
        raise ValueError(f"line {line}: {text}: {error}") from None
    found, part = [], []
    for word in [*words, "&&"]:
        if word in ("&&", "||", "|", ";"):
            while part and re.match(r"[A-Z_]+=|\d+>", part[0]):
                part = part[1:]
            # flock -n .rotate .venv/bin/ansible-playbook …
            start = next((place for place, word in enumerate(part) if word.endswith("ansible-playbook")), 0)
            part = part[start:]
            if part:
                found.append(Command(line, tuple(part), in_block))
            part = []
        else:
            part.append(word)
    return found
