# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Logins that are stored for people: credentials like those of services, named ``service/address``, that walk like those. Pure.

They are in the credentials' document and nowhere in the inventory, so whoever may run ``user_credential.yml`` needs no change of it. On a host they are one
variable for each service of people, ``{address: {"user", "password", "mark"}}``; its mark changes with any of them.
"""

from __future__ import annotations

import copy
import difflib
import hashlib
import json
import re
from collections.abc import Callable

from ansible_collections.mcp.tenancy.plugins.module_utils import _credentials, _declaration, _declaration_check, _walk

CredentialsError = _credentials.CredentialsError
ADD, ROTATE, REMOVE = "add", "rotate", "remove"


def services(declaration: dict, document: dict) -> list[dict]:
    """Each stored login in the form of :func:`_declaration.services`, with ``person``, ``service`` (that takes it) and ``base`` (beside that one)."""
    bases, found = {service["name"]: service for service in _declaration.services(declaration)}, []
    takers = {service["base"]: service for service in _declaration.user_services(declaration) if service["stored"]}
    for name, entry in sorted(document["credentials"].items()):
        base, _slash, address = name.partition("/")
        if not address or base not in takers:
            continue
        owner = owner_role(declaration["mcp_team"], bases[base]["environment"], address)
        same = {**bases[base], "name": name, "kind": entry["kind"], "owner": owner, "template": takers[base]["template"]}
        found.append({**same, "person": address, "service": takers[base]["name"], "base": base})
    return found


def owner_role(team: str, environment: str, address: str) -> str:
    """The role of one person in an environment's database, to be recognised by people and told from everybody else's by a digest."""
    readable = re.sub(r"[^a-z0-9]+", "_", address.partition("@")[0]).strip("_")[:16]
    return f"mcp_{team}_{environment}_u_{readable}_{hashlib.sha256(address.encode()).hexdigest()[:8]}"


def directory(document: dict, base: str) -> dict[str, dict]:
    """What the service beside ``base`` gets: address → user, password, mark of those whose login may be used now."""
    found = {}
    for name, entry in sorted(document["credentials"].items()):
        of, _slash, address = name.partition("/")
        slot = _credentials.in_use(entry) if address and of == base else None
        if slot is not None:
            found[address] = {"user": slot["login"], "password": slot["password"], "mark": slot["mark"]}
    return found


def mark(people: dict[str, dict]) -> str:
    """The name of one state of a directory; tells nothing about the logins."""
    material = json.dumps({address: one["mark"] for address, one in people.items()}, sort_keys=True)
    return f"people.{hashlib.sha256(material.encode()).hexdigest()[:12]}"


def newer(held: str, wanted: str) -> list[str]:
    """Who has a later generation in the one variable than in the other."""
    before, after = json.loads(held or "{}"), json.loads(wanted)
    generation = _credentials.generation_of
    return [address for address, one in before.items() if address in after and generation(one["mark"]) > generation(after[address]["mark"])]


def asked(document: dict, declaration: dict, order: dict, label: Callable[[str, str], str], now: str, draw: Callable[[], str]) -> tuple[dict, str]:
    """The document as ``order`` wants it, and the name of the credential. Raises CredentialsError.

    ``order``: ``{"service", "user", "do", "login": (user, password) or None}``. A managed one gets its password where a rotation does, by :func:`_walk.begun`.
    """
    name, document = _name(declaration, order), copy.deepcopy(document)
    entry, login = document["credentials"].get(name), order.get("login")
    if entry is not None and entry["walk"] and entry["walk"]["step"] != _walk.LEAVING and order["do"] != REMOVE:
        return document, name  # it is on its way; the run goes on from there
    if order["do"] == ADD:
        if entry is not None and entry["active"] is not None:
            raise CredentialsError(f"{name} is stored already. Next: rotate or remove it; status.yml shows it")
        kind = "managed" if login is None else "unmanaged"
        entry = document["credentials"][name] = _credentials.fresh(kind, now)
    elif entry is None:
        near = difflib.get_close_matches(name, document["credentials"], n=1)
        raise CredentialsError(f"there is no stored login {name}. Next: {f'did you mean {near[0]}? Or ' if near else ''}add it first")
    if order["do"] == REMOVE:
        document["credentials"][name] = _walk.leaving(entry, now)
    elif login is not None:
        if entry["kind"] == "managed":
            raise CredentialsError(f"{name} has a login that is made and rotated for them. Next: remove it first, then add the one that was given")
        known = label(*login)
        if known in entry["earlier"]:
            raise CredentialsError(f"{name} had this login before. Next: give one with a new password")
        _credentials.stage_given(entry, login, known, now, draw)
    elif entry["kind"] != "managed":
        raise CredentialsError(f"{name} has a login that somebody gave. Next: give the next one with -e mcp_login_file=FILE")
    return document, name


def _name(declaration: dict, order: dict) -> str:
    """Raises CredentialsError."""
    address, base = str(order.get("user") or "").lower(), str(order.get("service") or "")
    takers = {service["base"]: service for service in _declaration.user_services(declaration) if service["stored"]}
    if order.get("do") not in (ADD, ROTATE, REMOVE):
        raise CredentialsError(f"mcp_do is none of {ADD}, {ROTATE}, {REMOVE}. Next: pass -e mcp_do={ADD}")
    if not _declaration_check.EMAIL.fullmatch(address) or "/" in address:
        raise CredentialsError("mcp_user is not the address of a person. Next: pass -e mcp_user=alice@example.com, as the gateway knows them")
    if base not in takers:
        declared = f"name one of {', '.join(sorted(takers))}" if takers else "declare users: {accepts: [stored]} below its database and run deploy.yml"
        raise CredentialsError(f"{base or 'mcp_service'} is no service that logins are stored for. Next: {declared}")
    environment = next(one for one in declaration["mcp_environments"] if one["name"] == takers[base]["environment"])
    if order["do"] == ADD and address not in _declaration.addresses(environment):
        raise CredentialsError(
            f"{address} is no member of {environment['name']}, so the gateway would not let them in. Next: add them to its members, run deploy.yml"
        )
    return f"{base}/{address}"
