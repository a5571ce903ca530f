# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's markup (C(…), O(…), V(…)) as Markdown. antsibull-docs' own parser reads it; what is written is Markdown that people can read as text too."""

from __future__ import annotations

import re
from collections.abc import Callable

from antsibull_docs_parser import dom
from antsibull_docs_parser.format import LinkProvider
from antsibull_docs_parser.md import MDFormatter, to_md
from antsibull_docs_parser.parser import Context, parse


class _Readable(MDFormatter):
    """Backticks in the place of HTML, and a backslash only before what Markdown would take for its own."""

    def format_text(self, part: dom.TextPart) -> str:
        return re.sub(r"([\\`*_\[\]<])", r"\\\1", part.text)

    def format_code(self, part: dom.CodePart) -> str:
        return code(part.text)

    def format_option_value(self, part: dom.OptionValuePart) -> str:
        return code(part.value)

    def format_option_name(self, part: dom.OptionNamePart, url: str | None) -> str:
        return self._option_like(part)

    def format_return_value(self, part: dom.ReturnValuePart, url: str | None) -> str:
        return self._option_like(part)

    @staticmethod
    def _option_like(part: dom.OptionNamePart | dom.ReturnValuePart) -> str:
        return code(part.name if part.value is None else f"{part.name}={part.value}")

    def format_error(self, part: dom.ErrorPart) -> str:
        raise ValueError(part.message)

    def format_plugin(self, part: dom.PluginPart, url: str | None) -> str:
        return self._plugin(part.plugin.fqcn, url)

    def format_module(self, part: dom.ModulePart, url: str | None) -> str:
        return self._plugin(part.fqcn, url)

    @staticmethod
    def _plugin(name: str, url: str | None) -> str:
        return f"[{code(name)}]({url})" if url else code(name)


class _Links(LinkProvider):
    def __init__(self, link: Callable[[str, str], str | None]):
        self._link = link

    def plugin_link(self, plugin: dom.PluginIdentifier) -> str | None:
        return self._link(plugin.type, plugin.fqcn)


def code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def paragraphs(text: str | list[str] | None, name: str, kind: str, link: Callable[[str, str], str | None], entry_point: str | None = None) -> list[str]:
    """Each paragraph of a description as one line of Markdown. Markup that is wrong is a ValueError."""
    of = dom.PluginIdentifier(fqcn=name, type=kind)
    found = [text] if isinstance(text, str) else list(text or [])
    context = Context(current_plugin=of, role_entrypoint=entry_point)
    return [
        " ".join(to_md(parse(one, context, errors="exception"), formatter=_Readable(), link_provider=_Links(link), current_plugin=of).split()) for one in found
    ]
