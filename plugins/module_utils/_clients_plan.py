# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Tokens that ``client.yml`` makes for people's own clients: who may have one, which is replaced, which ends when. Pure.

They live beside those that the registry makes for the clients' file on the gateway's host, and are told apart by their names: ``client.yml:SERVER#N``
here, ``SERVER/ENTRY#N`` there, and a server's name has no colon. So a deploy ends none of these, but for those of people who are no members any more.

All that is to be remembered of a token stands in its description at the gateway, as JSON: ``file``, the place that it was written to (``HOST:PATH``);
``until``, when the tokens before it in that file end, in seconds since the epoch; ``after``, the id of one that was in that file and belonged to another.

``tokens`` are rows of :meth:`_contextforge.Client.list_tokens`, ``claims`` what :func:`_contextforge.claims_of` read.
"""

from __future__ import annotations

import datetime
import difflib
import json
from collections.abc import Iterable

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _declaration_check, _registrations, _registry_tokens, _rotation

PREFIX = "client.yml:"
ADD, RENEW, REVOKE, LIST, GATEWAYS = DO = ("add", "renew", "revoke", "list", "gateways")
DEFAULT_OVERLAP = "24h"
#: The gateway keeps 1,000 characters of a description; a longer path keeps its end.
LONGEST_FILE = 600
#: For so long a token that has ended is still listed.
SHOWN_AFTER_ITS_END = 7 * 86400
ASKED, EXPIRING = "asked for", "about to expire"
COLUMNS = ("user", "environment", "server", "made", "expires", "last used", "state", "file")


class ClientsError(Exception):
    """What was asked for cannot be done; each line names what is wrong and the next step."""


def order(declaration: dict, given: dict) -> dict:
    """What is asked for, ``{"do", "user", "environments", "overlap" (seconds)}``. Raises ClientsError with every mistake in it.

    ``given``: ``do``, ``user`` and ``environment`` as they were typed. No environment means all: of the person's, for add and renew.
    """
    do, user = str(given.get("do") or ""), str(given.get("user") or "").strip().lower()
    all_ = {environment["name"]: environment for environment in declaration["mcp_environments"]}
    chosen, wrong = dict(all_), []
    if do not in DO:
        wrong.append(f"mcp_client_do: '{do}' is none of {', '.join(DO)}. Next: pass -e mcp_client_do={ADD}.")
    if not (_declaration_check.EMAIL.fullmatch(user) or (do in (LIST, GATEWAYS) and not user)):
        wrong.append(f"mcp_user: '{user}' is not the address of a person. Next: pass -e mcp_user=alice@example.com, as the inventory has it.")
    if name := str(given.get("environment") or ""):
        chosen = {name: all_[name]} if name in all_ else {}
    if not chosen:
        near = difflib.get_close_matches(name, all_, n=1)
        wrong.append(f"mcp_environment: the team has no {name}. Next: use {near[0] if near else ' or '.join(all_)}.")
    elif do in (ADD, RENEW) and user:
        members = {name: environment for name, environment in chosen.items() if user in _declaration.addresses(environment)}
        if not members:
            where = " or ".join(chosen)
            wrong.append(f"mcp_user: {user} is no member of {where}. Next: add them to its members in the inventory and run deploy.yml, or name a member.")
        chosen = members
    if wrong:
        raise ClientsError("\n".join(wrong))
    return {"do": do, "user": user, "environments": list(chosen), "overlap": overlap(declaration)}


def overlap(declaration: dict) -> int:
    """Seconds for which a token that was replaced stays good."""
    text = str(declaration.get("mcp_client_overlap") or DEFAULT_OVERLAP)
    return 0 if text == "0" else int(_rotation.duration(text).total_seconds())


def on_host(declaration: dict, environments: list[str], hosts: list[str], host: str) -> list[str]:
    """Those of the environments whose tokens ``host`` makes: it is the first of ``hosts`` that has them, each with a gateway of its own."""
    there = {environment["name"]: environment.get("hosts", hosts) for environment in declaration["mcp_environments"]}
    return [name for name in environments if next((one for one in hosts if one in there[name]), None) == host]


def clients(declaration: dict, user: str, environments: list[str]) -> list[dict]:
    """A person's entries, in the form of the option ``clients`` of ``mcp.tenancy.gateway_registry``. A file is one person's: each has its server's name."""
    servers = {place["server"] for place in places(declaration, environments)}
    found = [client for client in _registrations.registry(declaration)["clients"] if client["user"].lower() == user and client["server"] in servers]
    return [{**client, "name": client["server"], "user": user} for client in found]


def places(declaration: dict, environments: list[str]) -> list[dict]:
    """Every virtual server of the environments, ``{"environment", "team", "server", "members"}``."""
    return [
        {"environment": one["name"], "team": server["team"], "server": server["name"], "members": _declaration.addresses(one)}
        for one in declaration["mcp_environments"]
        if one["name"] in environments
        for server in _registrations.registry({**declaration, "mcp_environments": [one]})["servers"]
    ]


def label(host: str, path: str) -> str:
    """The place of a file, as a token's description has it."""
    return f"{host}:{path}"[-LONGEST_FILE:]


def told(token: dict | None) -> dict:
    """What a token's description says; empty when it is none of ours."""
    if token is None or not token["name"].startswith(PREFIX):
        return {}
    try:
        said = json.loads(token["description"])
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def base(server: str) -> str:
    """What the names of a server's tokens begin with."""
    return f"{PREFIX}{server}#"


def number(token: dict) -> int:
    """The place of a token in the order in which those of its server were made."""
    end = token["name"].rpartition("#")[2]
    return int(end) if end.isdecimal() else 0


def row_of(claims: dict, client: dict, file: str, tokens: Iterable[dict]) -> dict | None:
    """The gateway's row of the token in the file. It shows no id of a token, but both were stamped within the same moment."""
    own = [token for token in tokens if token["live"] and token["user"] == client["user"] and token["name"].startswith(base(client["server"]))]
    near = [token for token in own if claims.get("issued_at") and abs(token["created_at"] - claims["issued_at"]) <= 2]
    return min(near, key=lambda token: (told(token).get("file") != file, abs(token["created_at"] - claims["issued_at"]), -number(token)), default=None)


def plan(client: dict, claims: dict, reason: str | None, tokens: list[dict], file: str, now: float, seconds: int) -> dict:
    """What is to happen with one entry of a file: ``{"name", "description", "until", "over"}``.

    ``reason``: why another token is to be made, None when none is. ``until``: when those before it end, None when there are none.
    ``over``: ids of tokens that end as soon as the file is written. Those are: what the overlap is over for; and what is younger than the token in the file,
    since a run that was cut short made it and no file has it. Where the file has no token that works (it was lost), all of its tokens are left for
    the overlap: somebody may have a copy of it.
    """
    held = row_of(claims, client, file, tokens) if reason in (None, ASKED, EXPIRING) else None
    said = told(held)
    own = [one for one in tokens if one["live"] and one["user"] == client["user"] and one["name"].startswith(base(client["server"])) and one is not held]
    others = [one for one in own if told(one).get("file") == file or one["id"] == said.get("after")]
    over = [one for one in others if held and (number(one) > number(held) or said.get("until", 0) <= now)]
    if reason is None:
        return {"name": None, "description": None, "until": said.get("until") if len(others) > len(over) else None, "over": [one["id"] for one in over]}
    staying = [one for one in others if one not in over] + ([held] if held else [])
    until = int(now) + seconds if staying and seconds else None
    if not seconds:
        over, staying = over + staying, []
    description = {"file": file, **({"until": until} if until else {}), **({"after": held["id"]} if held and staying and said.get("file") != file else {})}
    name = _registry_tokens.numbered(base(client["server"]), tokens)
    return {"name": name, "description": json.dumps(description), "until": until, "over": [one["id"] for one in over]}


def to_revoke(user: str, servers: Iterable[str], file: str | None, tokens: Iterable[dict]) -> list[dict]:
    """A person's tokens at these servers; those of one file when one is named."""
    bases = tuple(base(server) for server in servers)
    own = [token for token in tokens if token["live"] and token["user"] == user and token["name"].startswith(bases)]
    return [token for token in own if file is None or told(token).get("file") == file]


def rows(tokens: list[dict], places_: list[dict], user: str, now: float) -> list[dict]:
    """A row under each of :data:`COLUMNS` for every token at these places (each with ``server_id``), sorted; times in ISO 8601, UTC."""
    of_id, found = {place["server_id"]: place for place in places_}, []
    for token in tokens:
        place, end = of_id.get(token["server_id"]), _end(token)
        if place is None or (user and token["user"] != user) or (not token["live"] and end is not None and end < now - SHOWN_AFTER_ITS_END):
            continue
        said, named = told(token), {"user": token["user"], "environment": place["environment"], "server": place["server"]}
        times = {"made": moment(token["created_at"]), "expires": moment(token["expires_at"]), "last used": moment(token["last_used"])}
        origin = "the deploy's client.json" if token["name"].startswith(f"{place['server']}/") else f"made by hand: {token['name']}"
        found.append({**named, **times, "state": _state(token, tokens, place, now), "file": said.get("file", origin)})
    return sorted(found, key=lambda row: (row["user"], row["environment"], row["server"], row["file"], row["made"]))


def _end(token: dict) -> int | None:
    return token["revoked_at"] or token["expires_at"]


def _state(token: dict, tokens: list[dict], place: dict, now: float) -> str:
    if not token["live"]:
        return "revoked" if token["revoked_at"] else "expired"
    if token["user"] not in place["members"]:
        return "no member: ends with the next deploy"
    same = token["name"].rpartition("#")[0], told(token).get("file"), token["user"]
    alike = [one for one in tokens if one["live"] and (one["name"].rpartition("#")[0], told(one).get("file"), one["user"]) == same]
    newest = max(alike, key=number)
    if newest is token:
        return "valid"
    until = told(newest).get("until")
    if until is None:
        return "replaced"
    return f"replaced, valid until {moment(until)}" if until > now else "replaced, ends with the next run for its file"


def moment(seconds: float | None) -> str:
    """Seconds since the epoch as people and programs read it; empty for None."""
    return "" if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
