# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Tokens of the clients' file on the gateway's host: which is replaced, which ends when, and what the file says. Pure.

``tokens`` are rows of :meth:`_contextforge.Client.list_tokens`, ``claims`` what :func:`_contextforge.claims_of` read, ``client`` is a wish.
"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.mcp.tenancy.plugins.module_utils._registry_people import outsiders

#: Why a token is replaced that works.
EXPIRING, ASKED = "about to expire", "another version asked for"
VERSION_TEXT = "version "


def token_reason(claims: dict, client: dict, team_id: str | None, server: str, now: float, version: str | None = None) -> str | None:
    """Why the client's file needs another token; None when the one that it has looks right. The gateway has the last word on it.

    ``version``: the label that is stored with the token; None when there is nothing to tell by.
    """
    if not claims:
        return "missing"
    if (claims["user"], claims["team_ids"], claims["server_id"]) != (client["user"], [team_id], server):
        return "for another user, team or server"
    if not claims["expires_at"] or claims["expires_at"] <= now:
        return "expired"
    if claims["expires_at"] - now < client["renew_within_days"] * 86400:
        return EXPIRING
    return ASKED if version is not None and version != client.get("version", version) else None


def token_name(client: dict, tokens: Iterable[dict]) -> str:
    """The next free name: ``SERVER/CLIENT#N``. Old and new must be able to live side by side, and a name stays taken."""
    return numbered(f"{client['server']}/{client['name']}#", tokens)


def numbered(base: str, tokens: Iterable[dict]) -> str:
    """``base`` with the first number that is higher than all of its."""
    taken = [int(token["name"][len(base) :]) for token in tokens if token["name"].startswith(base) and token["name"][len(base) :].isdigit()]
    return f"{base}{max(taken, default=0) + 1}"


def token_in_use(client: dict, tokens: Iterable[dict], claims: dict) -> dict | None:
    """The gateway's row of the token in the file. It shows no id of a token, but stamps the two within the same moment."""
    near = [token for token in _tokens_of(client, tokens) if claims.get("issued_at") and abs(token["created_at"] - claims["issued_at"]) <= 2]
    return min(near, key=lambda token: (abs(token["created_at"] - claims["issued_at"]), -int(token["name"].rpartition("#")[2])), default=None)


def stored_version(token: dict | None) -> str | None:
    """The label that :func:`version_text` put into a token's description; None when there is no token."""
    return None if token is None else token["description"].removeprefix(VERSION_TEXT) if token["description"].startswith(VERSION_TEXT) else ""


def version_text(version: str) -> str:
    return f"{VERSION_TEXT}{version}" if version else ""


def _tokens_of(client: dict, tokens: Iterable[dict]) -> list[dict]:
    return [token for token in tokens if token["live"] and token["name"].startswith(f"{client['server']}/{client['name']}#")]


def tokens_to_revoke(client: dict, tokens: Iterable[dict], claims: dict, reason: str | None, now: float = 0) -> list[str]:
    """Ids of the client's tokens that nobody should hold any more.

    A token that is replaced although it works is left to expire, or until ``overlap`` seconds after the next one was made: an agent that runs now keeps
    working until it reads its file again. For any other reason all of them go. Without a reason those go that are younger than the one in use (a run that
    was cut short made them and no file has them), and those for which the overlap is over.
    """
    own = _tokens_of(client, tokens)
    if reason in (None, EXPIRING, ASKED):
        made, overlap = claims["issued_at"], client.get("overlap")
        over = reason is None and overlap is not None and made + overlap <= now
        # The gateway stamps the two a moment apart.
        own = [token for token in own if token["created_at"] > made + 2 or (over and token["created_at"] < made - 2)]
    return [token["id"] for token in own]


def entries_of_outsiders(desired: dict, actual: dict, claims: dict[str, dict]) -> list[str]:
    """Entries of a clients' file whose tokens are for a team in which their users are not wanted (any more). ``claims``: entry → what its token says."""
    names = {team["id"]: team["name"] for team in actual["teams"]}
    found = []
    for entry, said in claims.items():
        teams = [names[team] for team in said.get("team_ids") or [] if team in names]
        if any(said["user"] in outsiders(desired, actual, team) for team in teams):
            found.append(entry)
    return found


def is_registrys(token: dict, servers: dict[str, str]) -> bool:
    """Whether a token is one of those that are made for the clients' file on the gateway's host. ``servers``: id → name."""
    return token["server_id"] in servers and token["name"].startswith(f"{servers[token['server_id']]}/")


def client_entry(url: str, token: str) -> dict:
    """A client's entry in its configuration file."""
    return {"type": "http", "url": url, "headers": {"Authorization": f"Bearer {token}"}}


def entry_token(entry: object) -> str:
    """The token in a client's entry, empty when there is none."""
    headers = entry.get("headers") if isinstance(entry, dict) else None
    value = headers.get("Authorization") if isinstance(headers, dict) else None
    return value.removeprefix("Bearer ") if isinstance(value, str) else ""
