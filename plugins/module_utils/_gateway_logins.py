# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""As which login a service runs, seen from where clients are: a query through the gateway's virtual server."""

from __future__ import annotations

import json
import re
import time
from typing import Any

#: Calls that tell the login: the last part of the tool's name, its arguments, and where the login is in the answer.
SQL = "SELECT session_user AS login"
MONGODB_LOGIN = re.compile(r'"user":\s*"([^"@]+)@?[^"]*"')
TRIES, PAUSE = 3, 0.5


class LoginError(Exception):
    """Why it could not be seen."""


def logins(client: Any, wanted: list[dict], raising: type[Exception]) -> dict[str, dict]:
    """``wanted``: ``{"service", "engine", "server", "gateway", "database"}``. Service → ``{"login", "error"}``; a login that cannot be told is "".

    With ``person`` and ``team`` it is asked as that member of that team.

    ``client`` is a :class:`_contextforge.Client`, ``raising`` what it raises.
    """
    try:
        servers = {server["name"]: server["id"] for server in client.list_servers()}
        teams = {team["name"]: team["id"] for team in client.list_teams()} if any("person" in one for one in wanted) else {}
    except raising as error:
        return {one["service"]: {"login": "", "error": str(error)} for one in wanted}
    found = {}
    for one in wanted:
        try:
            if one["server"] not in servers:
                raise LoginError(f"the gateway has no virtual server {one['server']}. Next: run deploy.yml")
            asking = client.as_member(one["person"], teams.get(one["team"], "")) if "person" in one else client
            found[one["service"]] = {"login": _patiently(asking, servers[one["server"]], one, raising), "error": ""}
        except (LoginError, raising) as error:
            found[one["service"]] = {"login": "", "error": str(error)}
    return found


def _patiently(client: Any, server_id: str, one: dict, raising: type[Exception]) -> str:
    for attempt in range(1, TRIES + 1):
        try:
            return _postgres(client, server_id, one) if one["engine"] == "postgres" else _mongodb(client, server_id, one)
        except (LoginError, raising):
            if attempt == TRIES:
                raise
            time.sleep(PAUSE)
    raise AssertionError("unreachable")


def _postgres(client: Any, server_id: str, one: dict) -> str:
    text = _text(client.call_tool(server_id, f"{one['gateway']}-query", {"sql": SQL}), one)
    try:
        return json.loads(text)[0]["login"]
    except (ValueError, LookupError, TypeError):
        raise LoginError("the answer to a query was not rows") from None


def _mongodb(client: Any, server_id: str, one: dict) -> str:
    """MongoDB tells its sessions' login through an aggregation; a server that does not know it is asked a plain question, and tells no login."""
    place = {"connectionId": "preconfigured", "database": one["database"]}
    answer = client.call_tool(server_id, f"{one['gateway']}-aggregate-db", {**place, "pipeline": [{"$listLocalSessions": {}}]})
    found = MONGODB_LOGIN.search(_joined(answer))
    if not answer.get("isError") and found:
        return found[1]
    _text(client.call_tool(server_id, f"{one['gateway']}-list-collections", place), one)
    return ""


def _text(answer: dict, one: dict) -> str:
    if answer.get("isError"):
        # The database's own words may name hosts and logins, so they are not passed on.
        raise LoginError(f"a query at {one['service']} ended with an error. Next: see its log")
    return _joined(answer)


def _joined(answer: dict) -> str:
    return "\n".join(block.get("text", "") for block in answer.get("content") or [] if isinstance(block, dict))
