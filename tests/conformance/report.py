# SPDX-License-Identifier: GPL-3.0-or-later
"""The table: a case in each line, a wrapper in each column."""

from __future__ import annotations

import json
from dataclasses import astuple
from pathlib import Path

from tests.conformance.verdict import FAIL, NOT_APPLICABLE, PASS, Case, Verdict

Results = dict[str, dict[str, Verdict]]  # wrapper -> case -> verdict

MARKS = {PASS: "✓", FAIL: "**✗**", NOT_APPLICABLE: "–"}


def markdown(cases: list[Case], results: Results, versions: dict[str, str]) -> str:
    names = list(results)
    lines = [
        "| case | " + " | ".join(f"{name}<br>{versions[name]}" for name in names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for case in cases:
        cells = [_cell(results[name].get(case.name)) for name in names]
        lines.append(f"| {case.title} | " + " | ".join(cells) + " |")
    passes = [sum(verdict.state == PASS for verdict in results[name].values()) for name in names]
    fails = [sum(verdict.state == FAIL for verdict in results[name].values()) for name in names]
    lines.append("| **passed / failed** | " + " | ".join(f"**{good} / {bad}**" for good, bad in zip(passes, fails, strict=True)) + " |")
    return "\n".join(lines) + "\n"


def _cell(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    figure = verdict.figure.replace("|", "\\|").replace("\n", " ")
    return f"{MARKS[verdict.state]} {figure}".strip()


def plain(case: Case, name: str, verdict: Verdict, seconds: float) -> str:
    return f"{verdict.state.upper():5} {name:17} {case.name:45} {seconds:6.1f} s  {verdict.figure}"


def merged(file: Path, results: Results, versions: dict[str, str]) -> tuple[Results, dict[str, str]]:
    """Keeps what earlier runs have found, since a full run of all wrappers takes most of an hour; what is new replaces what is old."""
    kept = json.loads(file.read_text()) if file.exists() else {"results": {}, "versions": {}}
    old = {name: {case: Verdict(*verdict) for case, verdict in verdicts.items()} for name, verdicts in kept["results"].items()}
    results = old | {name: old.get(name, {}) | verdicts for name, verdicts in results.items()}
    versions = kept["versions"] | versions
    plain_results = {name: {case: astuple(verdict) for case, verdict in verdicts.items()} for name, verdicts in results.items()}
    file.write_text(json.dumps({"results": plain_results, "versions": versions}, indent=1))
    return results, versions
