# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What became of each credential of a run, for people: a table, and a sentence for each one that is not well. Pure."""

from __future__ import annotations

from ansible_collections.mcp.tenancy.plugins.module_utils import _table

COLUMNS = ("name", "result", "generation", "login", "note")
NONE = "no login"
#: Where a walk stands, in words.
STANDS = {
    "": "it uses {login} as before, which works",
    "staged": "it uses {login} as before; the next one is in the store and no database has it",
    "proven": "the next login works and hosts may use it; {login} works as well",
    "verified": "every host uses {login}; the login before it still works",
    "leaving": "it is going, and not all that has to be told of it said that it is well",
    "back": "hosts were told to go back to {login} and not all said that they did, so both logins work",
}


def of(document: dict, names: list[str], first: dict[str, str], last: dict[str, str], done: dict[str, dict]) -> list[dict]:
    """For each credential of the batch, and each other one that was put right or is not well: what became of it.

    ``first`` and ``last``: what went wrong at the databases before and after the hosts; ``done``: what was changed there before.
    """
    found = []
    gone = [{"name": name, "result": "removed", "generation": "", "login": "", "step": "", "why": "", "note": ""} for name in names]
    found += [one for one in gone if one["name"] not in document["credentials"]]
    for name, entry in sorted(document["credentials"].items()):
        walk, held = entry["walk"], entry["last"] or {}
        note = "; ".join(done.get(name, {}).get("changed") or []) if name not in names else ""
        why = last.get(name) or (walk or {}).get("why", "")
        if name in names and not why:
            why = held.get("why", "") if walk is None else "it is on its way"
        if name not in names:
            why = first.get(name, "")
            if not note and not why:
                continue
        result = "on its way" if walk else "failed" if why else held.get("result") or "" if name in names else "put right"
        login = (entry["slots"].get(entry["active"]) or {}).get("login", NONE)
        found.append({"name": name, "result": result, "generation": entry["generation"], "login": login, "step": walk["step"] if walk else ""})
        found[-1].update(why=why, note=note)
    return found


def sentence(one: dict) -> str:
    """Credential, cause, where it stands and the next step. Empty for one that is well."""
    if not one["why"]:
        return ""
    stands = "it has no login" if one["login"] == NONE else STANDS[one["step"]].format(login=one["login"])
    step = "" if "Next: " in one["why"] else " Next: correct the cause, then run rotate.yml again."
    at = f" at step {one['step']}" if one["step"] else ""
    return f"{one['name']}{at}: {one['why'].rstrip('.')}.{step} Now (generation {one['generation']}) {stands}."


def table(rows: list[dict]) -> str:
    """Columns for people."""
    return _table.text(COLUMNS, [{**row, "note": row["note"] or row["why"][:80]} for row in rows])
