# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""The document of a team's credentials: slots, active slot, generation, journal. Pure.

One document for each team::

    {"format": 1, "team": "team_a", "version": 12, "labels": "…",
     "credentials": {"postgres-dev": {
        "kind": "managed", "generation": 3, "active": "a", "changed_at": "2026-11-23T20:00:00Z",
        "slots": {"a": {"login": "…", "password": "…", "mark": "3.5f0c…", "since": "…"}, "b": {…}},
        "walk": {"step": "staged", "slot": "b", "began": "…"} or None,
        "last": {"result": "rotated", "at": "…", "why": ""} or None,
        "earlier": ["…"]}}}

``version`` rises with each write. A ``mark`` names one login with one password and tells nothing about it; hosts and bridges report it. ``earlier``
holds keyed digests of logins that were given to us and are no longer used, so that an old checkout cannot bring them back; ``labels`` is their key, which
outlives the team's. The slot ``given`` is a login that somebody else made, before the credential was managed. What a walk does to an entry is in
:mod:`_walk`. ``rekeyed_at``, where the team's key was ever changed, says when.
"""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable, Iterable

FORMAT, SLOTS, GIVEN = 1, ("a", "b"), "given"
EARLIER = 100  # digests that are kept for each credential
TIME = "%Y-%m-%dT%H:%M:%SZ"

Label = Callable[[str, str], str]


class CredentialsError(Exception):
    """Why the document and what was given do not fit, with the next step. Never holds a password."""


def empty(team: str) -> dict:
    """The document of a team that has none yet."""
    return {"format": FORMAT, "team": team, "version": 0, "credentials": {}}


def moment(text: str) -> datetime.datetime:
    """A time of the document."""
    return datetime.datetime.strptime(text, TIME).replace(tzinfo=datetime.UTC)


def merged(team: str, copies: Iterable[dict]) -> dict:
    """One document out of the store's and its copies: the newest, and of each credential the highest generation. Raises CredentialsError."""
    newest = empty(team)
    for held in sorted(copies, key=lambda held: held["version"]):
        if held.get("format") != FORMAT or held["team"] != team:
            raise CredentialsError(
                f"a copy of the credentials' document is of team {held.get('team')}, format {held.get('format')}, not of {team}, format {FORMAT}. "
                "Next: see which host it is from; use the version of the collection that wrote it"
            )
        older = newest["credentials"]
        newest = copy.deepcopy(held)
        for name, entry in older.items():
            if name not in newest["credentials"] or newest["credentials"][name]["generation"] < entry["generation"]:
                newest["credentials"][name] = entry
    return newest


def in_use(entry: dict | None) -> dict | None:
    """The slot that services should log in with now: ``{"login", "password", "mark"}``. None where there is no login yet."""
    if entry is None:
        return None
    walk = entry["walk"]
    if walk and walk["step"] == "leaving":
        return None
    name = walk["slot"] if walk and walk["step"] in ("proven", "verified") else entry["active"]
    return entry["slots"].get(name)


def generation_of(mark: str) -> int:
    """The generation that a mark belongs to; 0 of what is none."""
    number = mark.partition(".")[0]
    return int(number) if number.isascii() and number.isdigit() else 0


def adopted(document: dict, services: list[dict], given: dict[str, tuple[str, str]], label: Label, now: str, draw: Callable[[], str]) -> tuple[dict, list[str]]:
    """The document with an entry for each service, and what is wrong with the logins that were ``given`` (service → login, password).

    A given login that is new to an unmanaged credential is staged. One that was in use before is refused, from whatever checkout it comes.
    """
    document, wrong = copy.deepcopy(document), []
    for service in services:
        name, login = service["name"], given.get(service["name"])
        entry = document["credentials"].setdefault(name, fresh(service["kind"], now))
        if entry["kind"] != service["kind"] and entry["walk"] is None:
            _become(entry, service["kind"])
        if login is None:
            continue
        known = label(*login)
        if entry["active"] is None and entry["walk"] is None:
            _start_with(entry, login, known, f"0.{draw()}", now)
        elif service["kind"] == "managed":
            if known not in entry["earlier"]:
                wrong.append(
                    f"{service['credential']} would set a login that the store does not know for {name}, which is managed: rotation sets it. "
                    f"Next: remove the variable from the .env, or declare credential: unmanaged"
                )
        elif known in entry["earlier"] and known != _current(entry, label):
            wrong.append(
                f"{service['credential']} would bring back an earlier login of {name} (the store has generation {entry['generation']}). "
                "Next: use the .env of now; a login that shall come back needs a new password"
            )
        elif known != _current(entry, label) and entry["walk"] is None:
            stage_given(entry, login, known, now, draw)
    return document, wrong


def _become(entry: dict, kind: str) -> None:
    """The other kind. A login that was given stays what it is: not ours to change."""
    active = entry["active"]
    if kind == "managed" and active is not None:
        entry.update(active=GIVEN, slots={GIVEN: entry["slots"][active]})
    elif active == GIVEN:
        entry.update(active=SLOTS[0], slots={SLOTS[0]: entry["slots"][GIVEN]})
    entry["kind"] = kind


def _current(entry: dict, label: Label) -> str:
    held = entry["slots"][entry["active"]]
    return label(held["login"], held["password"])


def fresh(kind: str, now: str) -> dict:
    """The entry of a credential that has no login yet."""
    return {"kind": kind, "generation": 0, "active": None, "changed_at": now, "slots": {}, "walk": None, "last": None, "earlier": []}


def _start_with(entry: dict, login: tuple[str, str], known: str, mark: str, now: str) -> None:
    """The first login that we hear of. Nothing to go back to, so nothing to walk."""
    slot = GIVEN if entry["kind"] == "managed" else SLOTS[0]
    entry.update(active=slot, slots={slot: {"login": login[0], "password": login[1], "mark": mark, "since": now}}, earlier=[known])


def stage_given(entry: dict, login: tuple[str, str], known: str, now: str, draw: Callable[[], str]) -> None:
    """A login that somebody gave is the next one, once it was tried."""
    slot = other(entry)
    entry["slots"][slot] = {"login": login[0], "password": login[1], "mark": f"{entry['generation'] + 1}.{draw()}", "since": now}
    entry["walk"] = {"step": "staged", "slot": slot, "began": now, "known": known}


def other(entry: dict) -> str:
    """The slot that is not active."""
    return SLOTS[1] if entry["active"] == SLOTS[0] else SLOTS[0]
