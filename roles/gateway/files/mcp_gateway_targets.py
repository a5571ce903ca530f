# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody who is no administrator may register at the gateway: which upstreams, with which headers, for whom. Pure: text in, text or Refused out.

A form is taken apart, checked, and put together again from the fields that are known here, so that what reaches the gateway is what was checked: no
second reading of a doubled field, no field of which this file has not heard. What was registered is its owner's alone (private, in their personal team).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

Form = list[tuple[str, str]]
#: What the gateway shows in the place of a stored secret; sent back, it means "as it is".
MASK = "*****"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: The fields of which something goes on, or is looked at.
OWN = ("name", "description", "tags", "is_inactive_checked", "csrf_token")
PLACE = ("visibility", "team_id")
GATEWAY = (*OWN, *PLACE, "url", "transport", "passthrough_headers", "auth_type", "auth_headers")
SERVER = (*OWN, *PLACE, "selectAllTools")
#: A header's value as HTTP has it; what the bridge takes of it is for the bridge to say.
VALUE = re.compile(r"[!-~]([ -~]{0,4094}[!-~])?")


class Refused(Exception):
    """Why a request is turned away, with the next step; ``status`` is 403 for what is not allowed and 422 for what is not well-formed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Target:
    """A service for people. ``headers``: those in which a login may come to it; ``members``: addresses, lower-case; ``bearer``: what its bridge asks for."""

    name: str
    url: str
    headers: tuple[str, ...]
    members: frozenset[str]
    bearer: str

    def at(self, url: str) -> bool:
        """Whether an address leads here. The gateway writes ``localhost`` for 127.0.0.1."""
        ours, theirs = urlsplit(self.url), urlsplit(url)
        try:
            same = (theirs.scheme, theirs.port, theirs.path) == (ours.scheme, ours.port, ours.path)
        except ValueError:  # no port
            return False
        plain = not (theirs.query or theirs.fragment or "@" in theirs.netloc or "?" in url or "#" in url)
        return same and plain and (theirs.hostname == ours.hostname or {theirs.hostname, ours.hostname} <= LOOPBACK)


def targets(environment: Mapping[str, str]) -> list[Target]:
    """From the gateway's environment: MCP_TARGETS, a JSON list, and the bearer of each under the name that is in it."""
    return [
        Target(one["name"], one["url"], tuple(one["headers"]), frozenset(one["members"]), environment.get(one["bearer"], ""))
        for one in json.loads(environment.get("MCP_TARGETS") or "[]")
    ]


def gateway(form: Form, person: str, personal_team: str, known: Iterable[Target]) -> Form:
    """The fields of a registration that may go on, for POST and for edit. ``personal_team``: the id of the person's own team."""
    given = _single(form, GATEWAY)
    target = _target(given.get("url", "").strip(), person, known)
    if given.get("transport") != "STREAMABLEHTTP":
        raise Refused(422, f"{target.name} speaks Streamable HTTP. Next: choose it as the transport type.")
    passed = [_header(name, target) for name in _names(given.get("passthrough_headers", ""))]
    stored = _stored(given, target)
    return [
        *_own(given, personal_team),
        ("url", target.url),
        ("transport", "STREAMABLEHTTP"),
        ("passthrough_headers", json.dumps(passed) if passed else ""),
        *((("auth_type", "authheaders"), ("auth_headers", json.dumps(stored))) if stored else (("auth_type", ""),)),
    ]


def server(form: Form, personal_team: str, own_tools: set[str]) -> Form:
    """The fields of a virtual server that may go on. ``own_tools``: ids of the tools of what this person registered; no others get in."""
    tools = [value for name, value in form if name == "associatedTools" and value]
    given = _single(form, SERVER)
    if given.get("selectAllTools", "") == "true":
        raise Refused(422, "'Select All' has tools in it that are not yours. Next: choose the tools of your own gateway one by one.")
    foreign = sorted(set(tools) - own_tools)
    if foreign:
        raise Refused(403, f"{len(foreign)} of the tools are not of a gateway that you registered. Next: choose only those that are.")
    for kind in ("associatedResources", "associatedPrompts"):
        if any(name == kind and value for name, value in form):
            raise Refused(403, "A server of your own has tools only. Next: take the resources and prompts out.")
    return [*_own(given, personal_team), *(("associatedTools", tool) for tool in tools)]


def _single(form: Form, known: Iterable[str]) -> dict[str, str]:
    names = [name for name, _value in form]
    doubled = [name for name in known if names.count(name) > 1]
    if doubled:
        raise Refused(422, f"The form has {', '.join(doubled)} more than once. Next: load the page anew and try again.")
    return {name: value for name, value in form if name in known}


def _own(given: dict[str, str], personal_team: str) -> Form:
    """Name and place, which are the same for all that a person makes."""
    if not personal_team:
        raise Refused(403, "You have no personal team at this gateway, where your registrations would belong. Next: ask whoever runs the team.")
    if given.get("team_id", "") not in ("", personal_team):
        raise Refused(403, "What you register belongs to you and not to a team. Next: choose your personal team, or All Teams, at the top of the page.")
    if given.get("visibility") != "private":
        raise Refused(422, "What you register is for you alone. Next: choose Private as its visibility.")
    same = [(name, given[name]) for name in OWN if name in given]
    return [*same, ("visibility", "private"), ("team_id", personal_team)]


def _target(url: str, person: str, known: Iterable[Target]) -> Target:
    mine = [target for target in known if person in target.members]
    for target in mine:
        if target.at(url):
            return target
    if not mine:
        raise Refused(403, "You are in no environment that has a service for people with database logins of their own. Next: ask whoever runs the team.")
    places = ", ".join(f"{target.url} ({target.name})" for target in mine)
    raise Refused(403, f"That address is not one to which you may register a gateway. Next: use one of {places}.")


def _header(name: object, target: Target) -> str:
    for header in target.headers:
        if isinstance(name, str) and name.lower() == header.lower():
            return header
    raise Refused(403, f"{target.name} takes no header of that name. Next: use {' and '.join(target.headers)}, and no others.")


def _names(text: str) -> list:
    """A list of header names: JSON, as the page sends it, or with commas between."""
    if not text.strip():
        return []
    try:
        found = json.loads(text)
    except ValueError:
        return [name.strip() for name in text.split(",") if name.strip()]
    return found if isinstance(found, list) else [found]


def _stored(given: dict[str, str], target: Target) -> list[dict[str, str]]:
    """The login that is stored with a registration, if any."""
    kind = given.get("auth_type", "")
    if kind not in ("", "authheaders"):
        raise Refused(422, "A login comes in headers. Next: choose Custom Headers as the authentication type, or None.")
    if not kind:
        return []
    try:
        found = json.loads(given.get("auth_headers") or "[]")
        pairs = [(_header(one["key"], target), one["value"]) for one in found]
    except (ValueError, TypeError, KeyError):
        raise Refused(422, "The custom headers cannot be read. Next: load the page anew and try again.") from None
    if not pairs or len({name for name, _value in pairs}) < len(pairs):
        raise Refused(422, f"Custom headers are chosen, and there is none or one is doubled. Next: give {' and '.join(target.headers)} once each.")
    if not all(isinstance(value, str) and VALUE.fullmatch(value) for _name, value in pairs):
        raise Refused(422, "A custom header's value is empty or is not visible ASCII. Next: send it as =?base64?...?= of its UTF-8 bytes.")
    return [{"key": name, "value": value} for name, value in pairs]
