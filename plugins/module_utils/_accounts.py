# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""What a managed credential is made of in its database. Pure."""

from __future__ import annotations

import hashlib

#: Longest name of a role that both engines take, without the slot's suffix.
NAME_LENGTH = 61
CONNECTION_LIMIT, CALL_SECONDS = 20, 60
#: What is to be done about a login that a database refuses.
REMEDY = "correct it in the .env: ansible-vault edit"


class AccountError(Exception):
    """Why an account could not be changed or does not work, with the next step. Never holds a password."""


def account(declaration: dict, service: dict) -> dict:
    """Owner role, logins and limits of one service's credential, and where its database is."""
    owner = service.get("owner") or _name(f"mcp_{declaration['mcp_team']}_{service['environment']}".replace("-", "_"))
    seconds = float(service["limits"].get("call_seconds", CALL_SECONDS))
    found = {
        "service": service["name"],
        "engine": service["engine"],
        "environment": service["environment"],
        **service["database"],
        "owner": owner,
        "logins": {"a": f"{owner}_a", "b": f"{owner}_b"},
        "access": service["access"],
        "connection_limit": CONNECTION_LIMIT,
        "statement_timeout": int(seconds * 1000),
        "owner_is_ours": not service.get("owner"),
    }
    if service.get("person"):  # what it may do comes from a role of the team's, and it is to be told from everybody else's in policies
        found |= {"owner_is_ours": True, "template": service["template"], "acts_as": owner, "remedy": "give the right one with -e mcp_login_file=FILE"}
    if service["engine"] == "postgres":
        found["schemas"] = list(service.get("schemas") or ["public"])
    return found


def _name(name: str) -> str:
    if len(name) <= NAME_LENGTH:
        return name
    return f"{name[: NAME_LENGTH - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
