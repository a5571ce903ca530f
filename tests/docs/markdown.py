# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a Markdown page that can be wrong: code, links, anchors. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

FENCE = re.compile(r"^ *(```+|~~~+) *([\w-]*)")


@dataclass(frozen=True)
class Part:
    line: int
    text: str
    language: str = ""


def blocks(page: str) -> list[Part]:
    """Fenced blocks of code."""
    return _split(page)[0]


def spans(page: str) -> list[Part]:
    """Code within lines."""
    return [Part(line.line, found[2].strip()) for line in prose(page) for found in re.finditer(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", line.text)]


def links(page: str) -> list[Part]:
    """Where links and pictures lead."""
    found = []
    for line in prose(page):
        without_code = re.sub(r"(`+).+?\1", lambda code: "x" * len(code[0]), line.text)
        found += [Part(line.line, one[1]) for one in re.finditer(r"\]\(([^()\s]+)\)", without_code)]
    return found


def anchors(page: str) -> set[str]:
    """The names that Git hosts give to headings: lower case, without punctuation, a blank is a dash, the second of its name ends in -1."""
    found: dict[str, int] = {}
    names = set()
    for line in prose(page):
        if heading := re.match(r"#{1,6} +(.*?)(?: +#+)?$", line.text):
            text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading[1])
            name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            names.add(f"{name}-{found[name]}" if name in found else name)
            found[name] = found.get(name, 0) + 1
    return names


def prose(page: str) -> list[Part]:
    """Lines that are no block of code."""
    return _split(page)[1]


def _split(page: str) -> tuple[list[Part], list[Part]]:
    code, text = [], []
    fence, begun, language, held = "", 0, "", []
    for number, line in enumerate(page.splitlines(), 1):
        match = FENCE.match(line)
        if not fence and match:
            fence, begun, language, held = match[1], number + 1, match[2], []
        elif fence and line.strip() == fence:
            code.append(Part(begun, "\n".join(held) + "\n", language))
            fence = ""
        elif fence:
            held.append(line)
        else:
            text.append(Part(number, line))
    return code, text
