# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine, searched by an order: what a host's Python is given, and what the control node does for itself."""

from __future__ import annotations

import json
import os
import traceback

from tests.canary import commands, dumps, exemptions, files, forms, processes, report


def machine(order: dict) -> dict:
    """What was found, as :meth:`report.Report.as_json`.

    ``order``: ``secrets`` (name → value), ``folders``, ``skip``, ``exempt``, ``users`` and ``work`` of the services, ``others`` (see :class:`files.Files`),
    ``journal`` (since when, or None for none of it), ``containers``, ``processes``, ``dumps`` (true or false), ``tokens``: client configurations of which the
    tokens are looked for on this machine too, so that they never leave it.
    """
    wanted = forms.Wanted(order["secrets"])
    told = report.Report(wanted.hidden)
    others = order.get("others", False)
    for path in order.get("tokens", ()):
        _tokens(path, wanted, told)
    for name in wanted.short:
        told.not_seen(f"secret {name}", f"has fewer than {forms.LEAST} bytes, which are found by chance")
    told.count("secrets", len(order["secrets"]) - len(wanted.short))
    exempt = exemptions.Exemptions(order.get("exempt", []))
    folders = [*order.get("folders", []), *(dumps.folders() if order.get("dumps") else [])]
    files.Files(wanted, exempt, told, order.get("skip", {}), others).search(folders)
    if order.get("processes"):
        processes.Processes(wanted, told, order.get("users", []), order.get("work", ""), others).search()
    if order.get("journal") is not None:
        commands.journal(wanted, told, order["journal"], others)
    if order.get("containers"):
        commands.containers(wanted, told, others)
    return told.as_json()


def safely(order: dict) -> dict:
    """The same on a host, whose stderr nobody reads: what goes wrong is a place that could not be looked at, told without a value."""
    try:
        return machine(order)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        why = f"{type(error).__name__} in {os.path.basename(last.filename)}, line {last.lineno}"
        return {"hits": [], "unseen": [("all of it", why)], "exempt": [], "looked": {}}


def _tokens(path: str, wanted: forms.Wanted, told: report.Report) -> None:
    if not os.path.exists(path):
        return
    try:
        with open(path, encoding="utf-8") as stream:
            entries = json.load(stream)["mcpServers"]
        wanted.add({f"token of {name}": entry["headers"]["Authorization"].removeprefix("Bearer ") for name, entry in entries.items()})
    except (OSError, ValueError, KeyError, TypeError) as error:
        told.not_seen(path, f"its tokens could not be read ({type(error).__name__})")
