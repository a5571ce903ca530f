# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""The walk of one credential from its login to the next: which step follows from what was found. Pure.

::

    idle → staged → proven → verified → idle, generation + 1
              ↘        ↘
              idle     back → idle, or staged again in the next run

``staged``: the new password is in the store, no database has heard of it. ``proven``: the database has it, it logs in, it can do what it should;
from here on hosts may use it. ``verified``: every host uses it, seen through its gateway; it is the active one now, the old one still works.
``back``: something failed after hosts may have changed; they are to use the old one again, and both work until each of them says so.
``leaving``: the credential itself goes: no host uses it any more, then its logins are ended, then it is forgotten.

Every step may be repeated. A run that finds a credential on its way goes on from there, with the password that is in the store, so that at each
moment a stored login works whatever was killed.
"""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable

from ansible_collections.mcp.tenancy.plugins.module_utils import _credentials

STAGED, PROVEN, VERIFIED, BACK, LEAVING = "staged", "proven", "verified", "back", "leaving"


def due(document: dict, every: datetime.timedelta, now: datetime.datetime, forced: list[str] | None) -> list[str]:
    """Credentials that a run has to walk: first those on their way, then the oldest. ``forced``: names, or ``["all"]``, whatever their age.

    An unmanaged credential is walked when somebody gave its next login, which :func:`_credentials.adopted` has staged. Raises CredentialsError.
    """
    entries = document["credentials"]
    unknown = sorted(set(forced or []) - {"all", *entries})
    if unknown:
        raise _credentials.CredentialsError(f"there is no credential {', '.join(unknown)}. Next: name some of {', '.join(sorted(entries))}, or all")
    walking = [name for name, entry in entries.items() if entry["walk"]]
    at_rest = {name: entry for name, entry in entries.items() if not entry["walk"] and entry["kind"] == "managed"}
    if forced is not None:
        at_rest = {name: entry for name, entry in at_rest.items() if name in forced or "all" in forced}
    else:
        at_rest = {name: entry for name, entry in at_rest.items() if is_due(entry, every, now)}
    return sorted(walking) + sorted(at_rest, key=lambda name: (at_rest[name]["changed_at"], name))


def is_due(entry: dict, every: datetime.timedelta, now: datetime.datetime) -> bool:
    """A credential that never was ours, or is old enough."""
    return entry["generation"] == 0 or now - _credentials.moment(entry["changed_at"]) >= every


def begun(entry: dict, logins: dict[str, str], draw: Callable[[], str], mark: str, now: str) -> dict:
    """The entry with a walk: a new one with a fresh password in the slot that is not active, or the one that it is on, forward again."""
    entry = copy.deepcopy(entry)
    if entry["walk"] is None:
        slot = _credentials.other(entry)
        entry["slots"][slot] = {"login": logins[slot], "password": draw(), "mark": f"{entry['generation'] + 1}.{mark}", "since": now}
        entry["walk"] = {"step": STAGED, "slot": slot, "began": now}
    elif entry["walk"]["step"] == BACK:
        entry["walk"]["step"] = STAGED
    return entry


def leaving(entry: dict, now: str) -> dict:
    """The entry of a credential that nobody shall use any more."""
    entry = copy.deepcopy(entry)
    entry["walk"] = {"step": LEAVING, "slot": entry["active"], "began": now}
    return entry


def left(entry: dict, now: str) -> dict:
    """The same where no host uses it any more: nothing is left to be done but to end its logins."""
    entry = leaving(entry, now)
    entry["walk"]["drained"] = True
    return entry


def back_again(entry: dict) -> dict:
    """The entry of a service that was to go and is declared again: it gets new logins. Its generation is never an earlier one."""
    if not entry["walk"] or entry["walk"]["step"] != LEAVING:
        return entry
    return {**copy.deepcopy(entry), "active": None, "slots": {}, "walk": None}


def is_lost(live: dict, backup: dict) -> bool:
    """Whether what hosts hold is older than a backup's document, or not there at all."""
    return live["version"] < backup["version"]


def restored(live: dict, backup: dict) -> dict:
    """One document out of what hosts hold and a later one out of a backup.

    What was in the backup may have been rotated since, and nobody is left to say so. A managed credential therefore comes back without a login:
    the next deploy makes one, and ends those before. An unmanaged one is what its DBA gave; the operator's ``.env`` has the last word on it.
    """
    found = copy.deepcopy(backup)
    for name, entry in found["credentials"].items():
        if entry["kind"] == "managed":
            found["credentials"][name] = {**entry, "active": None, "slots": {}, "walk": None}
    for name, entry in live["credentials"].items():
        if name not in found["credentials"] or found["credentials"][name]["generation"] < entry["generation"]:
            found["credentials"][name] = copy.deepcopy(entry)
    return found


def usable(entry: dict) -> dict[str, dict | None]:
    """For each of our two slots the login that must work now, or None where none may. Empty: not ours to change."""
    if entry["kind"] != "managed":
        return {}
    names = {entry["active"]}
    walk = entry["walk"]
    if walk and walk["step"] == LEAVING:
        return {slot: None if walk.get("drained") else entry["slots"].get(slot) for slot in _credentials.SLOTS}
    if walk and not (walk["step"] == VERIFIED and walk.get("drained")):
        names |= {walk["slot"], walk.get("old")}
    return {slot: entry["slots"].get(slot) if slot in names else None for slot in _credentials.SLOTS}


def to_prove(entry: dict) -> list[str]:
    """Slots whose login must be tried."""
    walk = entry["walk"]
    return [walk["slot"]] if walk and walk["step"] in (STAGED, PROVEN) else []


def after_accounts(entry: dict, error: str, now: str) -> dict | None:
    """What follows once the database was told (and each login tried), or refused with ``error``. None: the credential is gone."""
    entry = copy.deepcopy(entry)
    walk = entry["walk"]
    if walk is None:
        return entry
    if walk["step"] == STAGED:
        if error:
            # No host has heard of it. A fresh password next time: one that a policy refuses must not be tried for ever.
            return _ended(entry, "failed", error, now)
        if entry["active"] is None:
            return _promoted(entry, now, "created", retire=False)
        walk["step"] = PROVEN
    elif walk["step"] == LEAVING and walk.get("drained") and not error:
        return None
    elif walk["step"] == VERIFIED and walk.get("drained") and not error:
        entry["slots"] = {entry["active"]: entry["slots"][entry["active"]]}
        return _ended(entry, "rotated", "", now)
    elif walk["step"] == PROVEN and error:
        walk.update(step=BACK, why=error)
    return entry


def after_hosts(entry: dict, error: str, now: str) -> dict:
    """What follows once each host was asked to use the new login: all do and it was seen through their gateways, or ``error`` says who does not."""
    entry = copy.deepcopy(entry)
    walk = entry["walk"]
    if walk is None or walk["step"] != PROVEN:
        return entry
    if error:
        walk.update(step=BACK, why=error)
        return entry
    return _promoted(entry, now, "rotated", retire=True)


def after_settling(entry: dict, error: str, now: str) -> dict:
    """What follows once each host was asked to let go of the login that it should not use any more."""
    entry = copy.deepcopy(entry)
    walk = entry["walk"]
    if walk is None or error:
        if walk and walk["step"] == LEAVING:
            walk["why"] = error
        return entry
    if walk["step"] in (VERIFIED, LEAVING):
        walk["drained"] = True
    elif walk["step"] == BACK:
        return _ended(entry, "failed", walk["why"], now)
    return entry


def _promoted(entry: dict, now: str, result: str, *, retire: bool) -> dict:
    walk, old = entry["walk"], entry["active"]
    entry.update(active=walk["slot"], generation=entry["generation"] + 1, changed_at=now)
    if "known" in walk:
        entry["earlier"] = [*entry["earlier"], walk["known"]][-_credentials.EARLIER :]
    if not retire:
        return _ended(entry, result, "", now)
    entry["walk"] = {**walk, "step": VERIFIED, "old": old}
    return entry


def _ended(entry: dict, result: str, why: str, now: str) -> dict:
    entry.update(walk=None, last={"result": result, "at": now, "why": why})
    if result == "failed":
        entry["slots"] = {slot: held for slot, held in entry["slots"].items() if slot == entry["active"]}
    return entry


def taken(entry: dict, now: str) -> dict:
    """A login that was given to us, used at once: what a deploy does, whose services come up with it or say that they cannot."""
    entry = copy.deepcopy(entry)
    if entry["kind"] == "managed" or not entry["walk"] or entry["walk"]["step"] != STAGED:
        return entry
    entry = _promoted(entry, now, "given", retire=False)
    entry["slots"] = {entry["active"]: entry["slots"][entry["active"]]}
    return entry
