# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gateway's own database says about who is logged in at its Admin UI. Read only, one short session for each question."""

from __future__ import annotations

import os

import jwt
from mcp_gateway_outgoing import Caller
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
