# SPDX-License-Identifier: GPL-3.0-or-later
"""From ansible-doc's answer to pages. Pure: nothing of the machine that it was asked on (paths of files, versions) gets into a page."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator

from . import markup

COLLECTION = "mcp.tenancy."
KINDS = {
    "role": ("Roles", "roles", "roles/{}/meta/argument_specs.yml"),
    "module": ("Modules", "modules", "plugins/modules/{}.py"),
    "filter": ("Filters", "filters", "plugins/filter/{}.yml"),
    "lookup": ("Lookups", "lookups", "plugins/lookup/{}.py"),
}


def pages(dump: dict) -> dict[str, str]:
    """Path below docs/reference → text."""
    found = {"README.md": _index(dump)}
    for kind in KINDS:
        for name in sorted(dump[kind]):
            page = _Page(kind, name, dump)
            found[page.path] = page.role() if kind == "role" else page.plugin()
    return found


def _path(kind: str, name: str) -> str:
    return f"{KINDS[kind][1]}/{name.removeprefix(COLLECTION)}.md"


def _head(kind: str, name: str, entry: dict) -> dict:
    """What says what it is about: of a role, its entry point main or else its first one."""
    if kind != "role":
        return entry["doc"]
    points = entry["entry_points"]
    return points.get("main") or points[min(points)]


def _index(dump: dict) -> str:
    text = [
        "# Reference",
        "",
        "Made by `make reference` from the roles' `meta/argument_specs.yml` and the plugins' documentation; `make lint` says when it is out of date.",
        "On a control node: `ansible-doc -t role mcp.tenancy.edge`, `ansible-doc -t module mcp.tenancy.gateway_registry`.",
        "What a team's declaration may say is the role [team](roles/team.md).",
    ]
    for kind, (title, *_) in KINDS.items():
        text += ["", f"## {title}", "", f"| {kind} | what it is |", "|---|---|"]
        for name, entry in sorted(dump[kind].items()):
            short = markup.paragraphs(_head(kind, name, entry)["short_description"], name, kind, lambda *_: None)
            text.append(f"| [{name.removeprefix(COLLECTION)}]({_path(kind, name)}) | {_cell(short)} |")
    return "\n".join(text) + "\n"


class _Page:
    def __init__(self, kind: str, name: str, dump: dict):
        self.kind, self.name, self.dump = kind, name, dump
        self.path = _path(kind, name)
        self.entry = dump[kind][name]
        self.point: str | None = None

    def role(self) -> str:
        text = self._title()
        shown: dict[str, str] = {}
        for point, spec in sorted(self.entry["entry_points"].items(), key=lambda one: (one[0] != "main", one[0])):
            self.point = point
            text += ["", f"## Entry point `{point}`", "", *self._prose([spec["short_description"] + "."]), *self._description(spec)]
            options = spec.get("options") or {}
            same = shown.setdefault(json.dumps(options, sort_keys=True), point)
            if options and same != point:
                text += ["", f"Its options are those of [`{same}`](#entry-point-{same})."]
            elif options:
                text += ["", *self._options(options)]
        return "\n".join(text) + "\n"

    def plugin(self) -> str:
        doc = self.entry["doc"]
        text = [*self._title(), "", *self._prose([doc["short_description"] + "."]), *self._description(doc)]
        if doc.get("requirements"):
            text += ["", "Needs, where it runs: " + "; ".join(self._prose(doc["requirements"])) + "."]
        if doc.get("positional"):
            text += ["", f"Options that may come by their place: {', '.join(markup.code(one.strip()) for one in str(doc['positional']).split(','))}."]
        if doc.get("options"):
            text += ["", "## Options", "", *self._options(doc["options"])]
        if doc.get("attributes"):
            text += ["", "## What it supports", "", "| | | |", "|---|---|---|"]
            for name, one in sorted(doc["attributes"].items()):
                said = self._prose(one["description"]) + self._prose(one.get("details"))
                text.append(f"| {markup.code(name)} | {one['support']} | {_cell(said)} |")
        if (self.entry.get("examples") or "").strip():
            text += ["", "## Examples", "", "```yaml", self.entry["examples"].strip("\n"), "```"]
        if self.entry.get("return"):
            text += ["", "## What it returns", "", "| name | type | when | what |", "|---|---|---|---|"]
            for name, one in _flat(self.entry["return"]):
                text.append(f"| {markup.code(name)} | {_type(one)} | {_cell(self._prose(one.get('returned')))} | {_cell(self._prose(one['description']))} |")
        also = [markup.paragraphs(f"P({one['plugin']}#{one['plugin_type']})" if "plugin" in one else f"M({one['module']})", self.name, self.kind, self._link)[0]
                for one in doc.get("seealso") or [] if "plugin" in one or "module" in one]  # fmt: skip
        if also:
            text += ["", "See also " + ", ".join(also) + "."]
        return "\n".join(text) + "\n"

    def _title(self) -> list[str]:
        source = KINDS[self.kind][2].format(self.name.removeprefix(COLLECTION))
        return [f"# {self.kind.capitalize()} `{self.name}`", "", f"<!-- made by `make reference` from {source}: change it there -->"]

    def _description(self, doc: dict) -> list[str]:
        return [line for one in self._prose(doc.get("description")) for line in ("", one)]

    def _options(self, options: dict) -> list[str]:
        text = ["| option | type | default | what it says |", "|---|---|---|---|"]
        for name, one in _flat(options):
            said = self._prose(one.get("description"))
            if one.get("choices"):
                said.append("One of " + ", ".join(markup.code(_value(choice)) for choice in one["choices"]) + ".")
            default = "**required**" if one.get("required") else markup.code(_value(one["default"])) if one.get("default") is not None else ""
            text.append(f"| {markup.code(name)} | {_type(one)} | {_cell([default] if default else [])} | {_cell(said)} |")
        return text

    def _prose(self, text: str | list[str] | None) -> list[str]:
        return markup.paragraphs(text, self.name, self.kind, self._link, self.point)

    def _link(self, kind: str, name: str) -> str | None:
        if name not in self.dump.get(kind, {}) or (kind, name) == (self.kind, self.name):
            return None
        return posixpath.relpath(_path(kind, name), posixpath.dirname(self.path))


def _flat(options: dict, above: str = "") -> Iterator[tuple[str, dict]]:
    """Options with those below them, named as O(…) names them: teams, teams[].name."""
    for name, one in sorted(options.items()):
        yield above + name, one
        below = one.get("suboptions") or one.get("options") or one.get("contains") or {}
        yield from _flat(below, above + name + ("[]." if one.get("type") == "list" else "."))


def _type(one: dict) -> str:
    kind = {"raw": "any"}.get(one.get("type", "str"), one.get("type", "str"))
    return f"{kind} of {one['elements']}" if one.get("elements") else kind


def _value(value: object) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _cell(lines: list[str]) -> str:
    return "<br>".join(lines).replace("|", "\\|")
