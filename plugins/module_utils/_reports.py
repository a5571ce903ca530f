# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What hosts and databases said in the course of a walk, read strictly: whoever did not say that it is well is not. Pure.

Each function gives credential → what is wrong; a credential that is not in it is well.
"""

from __future__ import annotations


def of_accounts(report: dict, names: list[str]) -> dict[str, str]:
    """``report``: the registered result of ``mcp.tenancy.credential_accounts``."""
    results = report.get("services") or {}
    lost = _words(report) or "the task that talks to the databases did not come to its end"
    return {name: results[name]["error"] if name in results else lost for name in names if name not in results or results[name]["error"]}


def of_hosts(reports: dict[str, dict], expected: dict[str, dict[str, dict]]) -> dict[str, str]:
    """``reports``: host → ``{"placed", "generations", "logins"}``, registered results. ``expected``: host → credential → the slot to be used there.

    Where a ``bridge`` has several, it is named, and the mark is that of all.
    """
    wrong = _of_generations(reports, expected)
    for host, services in expected.items():
        seen = reports[host].get("logins") or {}
        for name, slot in services.items():
            told = (seen.get("logins") or {}).get(name) or {}
            if name in wrong or slot["login"] is None:  # nothing to be seen of one that goes
                continue
            if told.get("error") or not told:
                wrong[name] = f"{host}: not seen through the gateway: {told.get('error') or _words(seen) or 'no answer'}"
            elif told["login"] not in ("", slot["login"]):
                wrong[name] = f"{host}: through the gateway it runs as {told['login']}, not as {slot['login']}"
    return wrong


def of_settling(reports: dict[str, dict], expected: dict[str, dict[str, dict]]) -> dict[str, str]:
    """The same without the gateway: every bridge uses what it should, and no call is left on what it should not."""
    return _of_generations(reports, expected)


def _of_generations(reports: dict[str, dict], expected: dict[str, dict[str, dict]]) -> dict[str, str]:
    wrong: dict[str, str] = {}
    for host, services in expected.items():
        report = reports.get(host) or {}
        for step in ("placed", "generations"):
            told = report.get(step) or {}
            for name, slot in services.items():
                if name in wrong:
                    continue
                if step == "generations":
                    state = (told.get("bridges") or {}).get(slot.get("bridge", name))
                    why = (state["error"] or ("" if state["credential"] == slot["mark"] else "it uses another login")) if state else _words(told) or "no answer"
                else:
                    why = _words(told) if told.get("failed") or told.get("unreachable") else ""
                if why:
                    wrong[name] = f"{host}: {why}"
    return wrong


def _words(report: dict) -> str:
    """A failed task's own words."""
    if report.get("unreachable"):
        return "cannot be reached. Next: see that the host is up and that ssh works"
    return str(report.get("msg") or "") if report.get("failed") else ""
