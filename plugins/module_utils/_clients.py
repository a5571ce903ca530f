# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Tokens of people's clients at one gateway: read, plan, apply. What to do is decided in :mod:`_clients_plan`, how to ask in :mod:`_contextforge`."""

from __future__ import annotations

import time

from ansible_collections.mcp.tenancy.plugins.module_utils import _clients_plan as rules
from ansible_collections.mcp.tenancy.plugins.module_utils import _contextforge as contextforge
from ansible_collections.mcp.tenancy.plugins.module_utils import _registry_tokens

DEPLOY = "Next: run deploy.yml, then this again."


class Clients:
    """``made`` grows with new tokens, entry → token; they are for the caller alone. ``failures`` grows with sentences."""

    def __init__(self, client: contextforge.Client, check_mode: bool) -> None:
        self.client, self.check_mode = client, check_mode
        self.made: dict[str, str] = {}
        self.failures: list[str] = []
        self.tokens = client.list_tokens()
        teams = {team["name"]: team["id"] for team in client.list_teams()}
        self._teams = teams
        self._servers = {(row["team_id"], row["name"]): row["id"] for row in client.list_servers()}

    def _server(self, place: dict) -> str | None:
        """The id of a virtual server, ``{"team", "server"}``."""
        return self._servers.get((self._teams.get(place["team"]), place["server"]))

    def issue(self, wanted: list[dict], held: dict[str, str], file: str, renew: bool, overlap: int) -> list[dict]:
        """Each entry with a token that works; rows of ``name``, ``server_id``, ``reason`` (None: the one in the file stays), ``expires_at``, ``until``,
        ``over``. ``held``: entry → token that is in the file. An entry that fails is told in ``failures`` and is in no row."""
        found = []
        for client in wanted:
            try:
                found.append(self._issue(client, held.get(client["name"], ""), file, renew, overlap))
            except (contextforge.GatewayError, rules.ClientsError) as error:
                self.failures.append(f"{client['name']}: {error}")
        return found

    def _issue(self, client: dict, token: str, file: str, renew: bool, overlap: int) -> dict:
        server, team = self._server(client), self._teams.get(client["team"])
        if server is None or team is None:
            raise rules.ClientsError(f"the gateway has no such virtual server yet. {DEPLOY}")
        claims = contextforge.claims_of(token)
        if claims and claims["user"] != client["user"]:
            raise rules.ClientsError(f"{file} has this entry for {claims['user']}. Next: name another file with -e mcp_client_file=PATH.")
        reason = _registry_tokens.token_reason(claims, client, team, server, time.time())
        if reason in (None, rules.EXPIRING) and not self.client.accepts(server, token):
            reason = "refused by the gateway"
        reason = rules.ASKED if renew and reason is None else reason
        if reason and client["user"] not in {member["email"] for member in self.client.list_members(team)}:
            raise rules.ClientsError(f"{client['user']} is no member at the gateway yet. {DEPLOY}")
        planned = rules.plan(client, claims, reason, self.tokens, file, time.time(), overlap)
        expires = claims.get("expires_at")
        if planned["name"]:
            expires = int(time.time()) + client["expires_in_days"] * 86400
            if not self.check_mode:
                expires = self._make(client, server, team, planned)
        told = {key: planned[key] for key in ("until", "over")}
        return {"name": client["name"], "server_id": server, "reason": reason, "expires_at": expires, **told}

    def _make(self, client: dict, server: str, team: str, planned: dict) -> int:
        """A new token that was tried, and when it expires."""
        token = self.client.create_token(planned["name"], client["user"], team, server, client["expires_in_days"], planned["description"])
        if not self.client.accepts(server, token):
            raise contextforge.GatewayError("POST", f"/servers/{server}/mcp", 403, "the gateway refuses the token that it just made")
        self.made[client["name"]] = token
        return contextforge.claims_of(token)["expires_at"]

    def end(self, ids: list[str]) -> list[str]:
        """Revoke these; what was ended, by name."""
        ended = [token for token in self.tokens if token["live"] and token["id"] in ids]
        return self._ended(ended)

    def revoke(self, user: str, places: list[dict], held: dict[str, str], file: str, of_file: bool) -> tuple[list[str], list[str]]:
        """A person's tokens (of one file); what was ended, by name, and the entries of the file whose tokens the gateway refuses.

        Raises GatewayError when one that was revoked is still taken.
        """
        ended = rules.to_revoke(user, [place["server"] for place in places], file if of_file else None, self.tokens)
        rows = {place["server"]: rules.row_of(contextforge.claims_of(held.get(place["server"], "")), self._of(user, place), file, ended) for place in places}
        names = self._ended(ended)
        dead = []
        for place in places:
            token, server = held.get(place["server"], ""), self._server(place)
            if not token or server is None or contextforge.claims_of(token).get("user") != user:
                continue
            refused = bool(rows[place["server"]]) if self.check_mode else not self.client.accepts(server, token)
            if refused:
                dead.append(place["server"])
            elif rows[place["server"]]:
                raise contextforge.GatewayError("POST", f"/servers/{server}/mcp", 200, "a token that was just revoked is still taken")
        return names, dead

    @staticmethod
    def _of(user: str, place: dict) -> dict:
        return {"user": user, "server": place["server"]}

    def _ended(self, tokens: list[dict]) -> list[str]:
        for token in tokens if not self.check_mode else []:
            self.client.revoke_token(token["id"])
        return [token["name"] for token in tokens]

    def servers(self, places: list[dict]) -> list[dict]:
        """The virtual servers at these places, ``server`` (its name) and ``server_id`` (None: there is none)."""
        return [{"server": place["server"], "server_id": self._server(place)} for place in places]

    def rows(self, places: list[dict], user: str) -> list[dict]:
        """How each token at these places stands."""
        known = [{**place, "server_id": self._server(place)} for place in places]
        return rules.rows(self.tokens, known, user, time.time())
