# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gateway's own database says about who is logged in at its Admin UI, and what its pages show them. Read only, one short session for each question."""

from __future__ import annotations

import os
from collections.abc import Sequence

import jwt
from mcp_gateway_outgoing import Caller
from mcp_gateway_targets import Target
from mcpgateway import admin
from mcpgateway.db import EmailTeam, EmailUser, Gateway, Server, SessionLocal, Tool
from sqlalchemy import select

ALGORITHM = "HS256"


class GatewaysPeople:
    """See ``mcp_gateway_browser.People``."""

    def caller(self, session: str) -> Caller:
        """Whose session that is. Nobody's when it is not genuine, has ended, or is a token for programs."""
        try:
            claims = jwt.decode(session, os.environ["JWT_SECRET_KEY"], algorithms=[ALGORITHM], options={"verify_aud": False, "require": ["exp", "sub"]})
        except jwt.PyJWTError:
            return Caller()
        if claims.get("token_use") != "session":
            return Caller()
        with SessionLocal() as database:
            found = database.execute(select(EmailUser.email, EmailUser.is_admin).where(EmailUser.id == claims["sub"], EmailUser.is_active.is_(True))).first()
        return Caller(found[0].lower(), bool(found[1])) if found else Caller()

    def personal_team(self, address: str) -> str:
        wanted = select(EmailTeam.id).where(EmailTeam.created_by == address, EmailTeam.is_personal.is_(True), EmailTeam.is_active.is_(True))
        with SessionLocal() as database:
            return database.execute(wanted).scalars().first() or ""

    def tools_of(self, address: str) -> set[str]:
        """Ids of the tools of gateways that this person owns."""
        wanted = select(Tool.id).join(Gateway, Tool.gateway_id == Gateway.id).where(Gateway.owner_email == address, Gateway.visibility == "private")
        with SessionLocal() as database:
            return set(database.execute(wanted).scalars())

    def owns(self, kind: str, row: str, address: str) -> bool:
        """Whether a "gateway" or a "server" is this person's. The gateway stores ids without hyphens."""
        table = {"gateway": Gateway, "server": Server}[kind]
        wanted = select(table.id).where(table.id == row.replace("-", ""), table.owner_email == address, table.visibility == "private")
        with SessionLocal() as database:
            return database.execute(wanted).first() is not None


def show_own_forms(known: Sequence[Target]) -> None:
    """Have the pages show members the forms for a gateway and a server.

    The gateway lets everybody register in their personal team, but its pages look at other teams' roles only when they decide what to show (docs/upstream.md).
    This changes what is shown and no right.
    """
    ask = admin.get_user_action_permissions

    async def shown(db: object, user_email: str, *rest: object, **more: object) -> dict[str, bool]:
        flags = await ask(db, user_email, *rest, **more)
        own = any(user_email.lower() in target.members for target in known)
        return {**flags, "can_create_gateway": True, "can_create_server": True} if own else flags

    admin.get_user_action_permissions = shown
