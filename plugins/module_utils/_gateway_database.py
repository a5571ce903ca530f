# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What the gateway has of everything that the registry takes care of, read from its database beside it. Reads only, and gives out digests only.

Asking the gateway itself takes its libraries, a token and its own time, which with ten hosts is most of a run in which nothing is to be done. What is
read here decides no change: where it is not what it was, :mod:`_registry` asks, compares and repairs through the API.
"""

from __future__ import annotations

import hashlib
import http.client
import pathlib
import sqlite3

#: What a deploy may put right, under the name that people are told. Not when a row was used, seen or changed.
QUERIES = {
    "the gateway's users": "SELECT email, is_active, is_admin FROM email_users",
    "the gateway's teams": "SELECT id, name, description, is_active FROM email_teams",
    "the gateway's team members": "SELECT team_id, user_email, role, is_active FROM email_team_members",
    "the gateway's registrations": "SELECT id, name, url, transport, description, visibility, team_id, tags, passthrough_headers, enabled, reachable, "
    "auth_type, auth_value FROM gateways",
    "the gateway's tools": "SELECT id, name, gateway_id, visibility, team_id, enabled, reachable FROM tools",
    "the gateway's virtual servers": "SELECT id, name, description, visibility, team_id, enabled, tags FROM servers",
    "the tools of the gateway's virtual servers": "SELECT server_id, tool_id FROM server_tool_association",
    "the gateway's tokens": "SELECT id, name, user_email, team_id, server_id, resource_scopes, expires_at, is_active FROM email_api_tokens",
    "the gateway's revocations": "SELECT jti FROM token_revocations",
}
UNREADABLE = "cannot be read"


def facts(path: str) -> dict[str, str]:
    """A digest for each of :data:`QUERIES`. Of what cannot be read that is the fact: another version, another kind of database."""
    try:
        connection = sqlite3.connect(f"{pathlib.Path(path).as_uri()}?mode=ro", uri=True, timeout=10)  # must make no file: the gateway's user could not write it
    except sqlite3.Error:
        return dict.fromkeys(QUERIES, UNREADABLE)
    try:
        return {name: _digest(connection, query) for name, query in QUERIES.items()}
    finally:
        connection.close()


def answers(port: int) -> bool:
    """Whether the gateway says that it and its database are there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _digest(connection: sqlite3.Connection, query: str) -> str:
    digest = hashlib.sha256()
    try:
        for row in sorted(connection.execute(query), key=repr):
            digest.update(f"{row!r}\n".encode())
    except sqlite3.Error:
        return UNREADABLE
    return digest.hexdigest()
