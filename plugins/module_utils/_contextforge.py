# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""IBM ContextForge's HTTP API, and the only file that knows it. Measured on 1.1.0.

Rows leave this file in our own words: snake_case, ``team_id``, tags as a sorted list of their ids, times in seconds since the epoch. What upstream
does wrong is put right here, each fault in one place that is named after it, so that an upgrade knows where to look.
"""

from __future__ import annotations

import calendar
import copy
import time
import traceback
import uuid
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from ansible_collections.mcp.tenancy.plugins.module_utils import _password

try:
    import httpx
    import jwt

    HAS_LIBRARIES, IMPORT_ERROR = True, None
except ImportError:
    HAS_LIBRARIES, IMPORT_ERROR = False, traceback.format_exc()

#: What a stored secret reads back as; sent back, it means "keep what is stored".
MASK = "*****"
#: Seconds that a token of our own lives, and the age at which the next one is made.
TOKEN_LIFE, TOKEN_RENEW = 600, 300
#: Rows of one answer: the most that every list takes.
PAGE = 500


#: Options by which a module reaches a gateway (documentation fragment ``gateway``).
CONNECTION = {
    "url": {"type": "str", "required": True},
    "admin_email": {"type": "str", "required": True},
    "jwt_secret_key": {"type": "str", "required": True, "no_log": True},
    "environment": {"type": "str", "default": "production"},
    "timeout": {"type": "int", "default": 60},
}


class GatewayError(Exception):
    """A request that did not end well. Never holds a header, a token or a request's body.

    ``status`` is the HTTP status, 0 when there was no answer; ``detail`` is the server's own words.
    """

    def __init__(self, method: str, path: str, status: int, detail: str) -> None:
        self.method, self.path, self.status, self.detail = method, path, status, detail
        super().__init__(f"{method} {path}: {status or 'no answer'}: {detail}")


def stored_url(url: str) -> str:
    """The address as the gateway keeps it. FAULT "loopback": it stores ``127.0.0.1`` as ``localhost``, so a comparison must too."""
    parts = urlsplit(url)
    if parts.hostname != "127.0.0.1":
        return url
    return urlunsplit(parts._replace(netloc="localhost" + (f":{parts.port}" if parts.port else "")))


def detail_of(answer: Any) -> str:
    """The server's own words in an error's body. Of a validation error only place and message: it can quote what was sent."""
    if not isinstance(answer, dict):
        return "no further words"
    detail = answer.get("detail") or answer.get("message") or (answer.get("error") or {} if isinstance(answer.get("error"), dict) else {}).get("message")
    if isinstance(detail, list):
        detail = "; ".join(f"{'.'.join(str(part) for part in item.get('loc', []))}: {item.get('msg', '')}" for item in detail if isinstance(item, dict))
    return str(detail or "no further words")[:400]


def epoch(text: str | None) -> int | None:
    """Seconds since the epoch of the gateway's times, which are UTC with or without saying so. None stays None."""
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) if text else None


def claims_of(token: str) -> dict:
    """What a token says about itself, unverified: only the gateway can say whether it is any good. Empty when it is no token."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return {}
    user, scopes = claims.get("user") or {}, claims.get("scopes") or {}
    return {
        "user": str(user.get("email", "")).lower(),
        "team_ids": claims.get("teams"),
        "server_id": scopes.get("server_id"),
        "issued_at": claims.get("iat"),
        "expires_at": claims.get("exp"),
    }


def client_of(params: dict) -> Client:
    """A client from the options of :data:`CONNECTION`."""
    return Client(params["url"], params["admin_email"], params["jwt_secret_key"], params["environment"], params["timeout"])


class Client:
    """The admin's side of one gateway. Raises :class:`GatewayError` and nothing else."""

    def __init__(self, url: str, admin_email: str, key: str, environment: str = "production", timeout: float = 60, transport: Any = None) -> None:
        self._key, self._environment = key, environment
        self._user: dict = {"email": admin_email, "full_name": "mcp.tenancy", "is_admin": True, "auth_provider": "cli"}
        self._teams: list[str] | None = None
        self._secrets, self._token, self._made = {key}, "", 0.0
        # No proxy from the environment: the admin's token is for the gateway alone. CAs are read where there is TLS: that takes longer than an answer.
        verify = not url.lower().startswith("http://")
        self._http = httpx.Client(base_url=url.rstrip("/"), timeout=timeout, transport=transport, trust_env=False, verify=verify)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._http.close()

    # Requests

    def _bearer(self) -> str:
        """Our own token: the claims of ``mcpgateway.utils.create_jwt_token``. ``teams: null`` with ``is_admin`` sees every team."""
        now = time.time()
        if now - self._made > TOKEN_RENEW:
            self._made = now
            email, own = self._user["email"], {"user": self._user, "teams": self._teams, "env": self._environment, "jti": str(uuid.uuid4())}
            payload = {"username": email, "sub": email, **own}
            payload |= {"iss": "mcpgateway", "aud": "mcpgateway-api", "iat": int(now), "exp": int(now) + TOKEN_LIFE}
            self._token = jwt.encode(payload, self._key, algorithm="HS256")
            self._secrets.add(self._token)
        return self._token

    def _send(self, method: str, path: str, token: str | None = None, **keywords: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self._bearer()}", "Accept": "application/json, text/event-stream"}
        try:
            return self._http.request(method, path, headers=headers, **keywords)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise GatewayError(method, path, 0, self._clean(f"{type(error).__name__}: {error}")) from None

    def _clean(self, text: str) -> str:
        for secret in tuple(self._secrets):  # another thread may add one
            text = text.replace(secret, "<redacted>")
        return text

    def _call(self, method: str, path: str, **keywords: Any) -> Any:
        """The decoded answer; None when it has no body."""
        response = self._send(method, path, **keywords)
        try:
            answer = response.json() if response.content else None
        except ValueError:
            answer = None
        if response.is_success and (answer is not None or not response.content):
            return answer
        raise GatewayError(method, path, response.status_code, self._clean(detail_of(answer)))

    def _pages(self, path: str, key: str, **params: Any) -> list[dict]:
        """Every row of a list. The default page is 50 and there is no filter by name."""
        rows: dict[str, dict] = {}
        cursor, seen = None, set()
        while cursor not in seen:
            seen.add(cursor)
            answer = self._call("GET", path, params={"limit": PAGE, "include_pagination": "true", **params, **({"cursor": cursor} if cursor else {})})
            for row in answer[key]:
                rows[row.get("id") or row["email"]] = row
            cursor = answer.get("nextCursor")
            if not cursor:
                return list(rows.values())
        raise GatewayError("GET", path, 200, "the list's pages go round in a circle")

    def ready(self) -> None:
        """Raise unless the gateway and its database answer, and take our token."""
        self._call("GET", "/ready")
        self._call("GET", "/v1/teams/", params={"limit": 1})

    # Users

    def list_users(self) -> list[dict]:
        rows = self._pages("/v1/auth/email/admin/users", "users")
        same = ("is_admin", "is_active")
        return [{"email": row["email"].lower(), "full_name": row.get("full_name") or "", **{key: row[key] for key in same}} for row in rows]

    def create_user(self, email: str, full_name: str = "") -> None:
        """A user without admin rights. Nobody knows the password: such a user comes with tokens only."""
        password = _password.draw(32)
        self._secrets.add(password)
        named = {"full_name": full_name} if full_name else {}
        self._call("POST", "/v1/auth/email/admin/users", json={"email": email, "password": password, "is_admin": False, **named})

    def update_user(self, email: str, changes: dict) -> None:
        """``changes``: ``full_name``, ``is_active``."""
        self._call("PATCH", f"/v1/auth/email/admin/users/{quote(email, safe='@')}", json=changes)

    def remove_user(self, email: str, name_if_kept: str) -> None:
        """FAULT "user of the past": who ever was in a team cannot be deleted (409). Such a user is deactivated and gets that name."""
        try:
            self._call("DELETE", f"/v1/auth/email/admin/users/{quote(email, safe='@')}")
        except GatewayError as error:
            if error.status != 409:
                raise
            self.update_user(email, {"full_name": name_if_kept, "is_active": False})

    # Roles, and who has which

    def list_roles(self) -> list[dict]:
        same = ("id", "name", "scope", "is_system_role")
        rows = self._call("GET", "/v1/rbac/roles")
        return [{**{key: row[key] for key in same}, "description": row["description"] or "", "permissions": sorted(row["permissions"])} for row in rows]

    def list_permissions(self) -> list[str]:
        """Every permission that a role may have."""
        return sorted(self._call("GET", "/v1/rbac/permissions/available")["all_permissions"])

    def create_role(self, name: str, scope: str, description: str, permissions: list[str]) -> dict:
        return self._call("POST", "/v1/rbac/roles", json={"name": name, "scope": scope, "description": description, "permissions": permissions})

    def update_role(self, role_id: str, changes: dict) -> None:
        self._call("PUT", f"/v1/rbac/roles/{role_id}", json=changes)

    def delete_role(self, role_id: str) -> None:
        """The role, and with it everybody's grants of it."""
        self._call("DELETE", f"/v1/rbac/roles/{role_id}")

    def list_grants(self, email: str) -> list[dict]:
        """A user's roles that count, ``{"role_id", "scope", "scope_id"}``. The gateway has no list of everybody's."""
        rows = self._call("GET", f"/v1/rbac/users/{quote(email, safe='@')}/roles")
        return [{key: row[key] for key in ("role_id", "scope", "scope_id")} for row in rows if row["is_active"]]

    def grant(self, email: str, role_id: str, team_id: str | None) -> None:
        """A role in one team, or everywhere."""
        where = {"scope": "team", "scope_id": team_id} if team_id else {"scope": "global"}
        self._call("POST", f"/v1/rbac/users/{quote(email, safe='@')}/roles", json={"role_id": role_id, **where})

    def ungrant(self, email: str, role_id: str, team_id: str | None) -> None:
        where = {"scope": "team", "scope_id": team_id} if team_id else {"scope": "global"}
        self._call("DELETE", f"/v1/rbac/users/{quote(email, safe='@')}/roles/{role_id}", params=where)

    # Teams

    def logs_in(self, email: str, password: str) -> bool:
        """Whether a person gets in with a password, found out by doing it. A failed one counts as an attempt until the next that succeeds."""
        self._secrets.add(password)
        try:
            self._call("POST", "/v1/auth/email/login", json={"email": email, "password": password})
        except GatewayError as error:
            if error.status == 401:
                return False
            if error.status == 403:  # the right one, but the gateway wants another at the next login: it is too old, or an administrator said so
                return True
            raise
        return True

    def set_password(self, email: str, password: str) -> None:
        """FAULT "same password": the one that a user has is refused with 400, so whether it is set has to be asked first (:meth:`logs_in`)."""
        self._secrets.add(password)
        self._call("PATCH", f"/v1/auth/email/admin/users/{quote(email, safe='@')}", json={"password": password})

    def list_teams(self) -> list[dict]:
        """Teams that somebody made; personal teams are left out, they come and go with their users."""
        rows = self._pages("/v1/teams/", "teams")
        return [{"id": row["id"], "name": row["name"], "description": row["description"] or ""} for row in rows if not row["is_personal"]]

    def create_team(self, name: str, description: str) -> dict:
        """FAULT "duplicate": a team's duplicate is answered 400, a user's, member's, gateway's or server's 409. We read before we write and pass both on."""
        return self._call("POST", "/v1/teams/", json={"name": name, "description": description, "visibility": "private"})

    def update_team(self, team_id: str, description: str) -> None:
        self._call("PUT", f"/v1/teams/{team_id}", json={"description": description})

    def delete_team(self, team_id: str) -> None:
        """FAULT "sleeping team": a team is only hidden. Its rows stay, and one made under its name later is the same one, with the tokens of before."""
        self._call("DELETE", f"/v1/teams/{team_id}")

    def list_members(self, team_id: str) -> list[dict]:
        rows = self._pages(f"/v1/teams/{team_id}/members", "members")
        return [{"email": row["user_email"].lower(), "role": row["role"]} for row in rows if row["is_active"]]

    def add_member(self, team_id: str, email: str, role: str) -> None:
        self._call("POST", f"/v1/teams/{team_id}/members", json={"email": email, "role": role})

    def update_member(self, team_id: str, email: str, role: str) -> None:
        self._call("PUT", f"/v1/teams/{team_id}/members/{quote(email, safe='@')}", json={"role": role})

    def remove_member(self, team_id: str, email: str) -> None:
        """The membership; the gateway then refuses that person's tokens for this team, though it keeps them: :meth:`revoke_token` ends them."""
        self._call("DELETE", f"/v1/teams/{team_id}/members/{quote(email, safe='@')}")

    # Gateways (upstream MCP servers) and their tools

    def list_gateways(self) -> list[dict]:
        return [self._gateway(row) for row in self._pages("/v1/gateways", "gateways", include_inactive="true")]

    @staticmethod
    def _gateway(row: dict) -> dict:
        same = {key: row[key] for key in ("id", "name", "url", "transport", "visibility", "enabled", "reachable")}
        tags = Client._tags(row)
        # FAULT "erased credential": the type stays behind when a PUT erases the credential itself.
        erased = row["authType"] in ("basic", "bearer", "authheaders") and not row["authValue"]
        auth_type = "" if erased else row["authType"] or ""
        own = {"team_id": row["teamId"], "description": row["description"] or "", "tags": tags, "auth_type": auth_type, "last_seen": row["lastSeen"]}
        return {**same, **own, "passthrough_headers": sorted(row.get("passthroughHeaders") or [])}

    def create_gateway(self, fields: dict, auth_token: str | None) -> dict:
        """Register an upstream; the gateway connects to it there and then (502 when it cannot). Here, and only here, it encrypts a bearer."""
        body = dict(fields)
        if auth_token is not None:
            self._secrets.add(auth_token)
            body.update(auth_type="bearer", auth_token=auth_token)
        return self._gateway(self._call("POST", "/v1/gateways", json=body))

    def update_gateway(self, row: dict, changes: dict, clear_auth: bool = False, bearer: str | None = None) -> dict:
        """The row after a change in place: its id, its tools' ids and its places in virtual servers stay.

        FAULT "erased credential" (IBM/mcp-context-forge#6446): a PUT without the auth fields erases the stored credential, and a PUT with the clear one
        stores it bare. The mask keeps the ciphertext, so that is what goes along; a changed bearer needs :meth:`create_gateway`, or a gateway that
        encrypts what it stores however it came (roles/gateway, mcp_gateway_storage.py): of that one ``bearer`` takes the place of the stored one at once.
        """
        auth = {"": {}, "bearer": {"auth_type": "bearer", "auth_token": MASK}}.get(row["auth_type"])
        if clear_auth:
            auth = {"auth_type": ""}
        if bearer is not None:
            self._secrets.add(bearer)
            auth = {"auth_type": "bearer", "auth_token": bearer}
        path = f"/v1/gateways/{row['id']}"
        if auth is None:
            raise GatewayError("PUT", path, 0, f"its stored credential is of type {row['auth_type']}, which an update would put in clear; change it by hand")
        return self._gateway(self._call("PUT", path, json={**changes, **auth}))

    def activate_gateway(self, row: dict) -> None:
        """FAULT "unreachable": after an outage neither a refresh nor a PUT sets the gateway's own ``reachable`` back; this does, enabled or not.

        FAULT "activated though dead": both answer 200 when the upstream is dead. A PUT moves ``last_seen`` only when it got through, so that comes first:
        a dead upstream must not be marked reachable.
        """
        path = f"/v1/gateways/{row['id']}/state"
        if self.update_gateway(row, {})["last_seen"] == row["last_seen"]:
            raise GatewayError("POST", path, 502, "its upstream does not answer, so it was not activated")
        self._call("POST", path, params={"activate": "true"})

    def delete_gateway(self, gateway_id: str) -> None:
        self._call("DELETE", f"/v1/gateways/{gateway_id}")

    def list_tools(self) -> list[dict]:
        same = ("id", "name", "visibility", "enabled")
        rows = self._pages("/v1/tools", "tools", include_inactive="true")
        own = [{"gateway_id": row["gatewayId"], "team_id": row["teamId"], "upstream_name": row.get("originalName") or ""} for row in rows]
        return [{**{key: row[key] for key in same}, **more} for row, more in zip(rows, own, strict=True)]

    def update_tool(self, tool_id: str, team_id: str, visibility: str) -> None:
        """FAULT "stray tools": a gateway's visibility reaches only those of its tools that had the old one, its team reaches none."""
        self._call("PUT", f"/v1/tools/{tool_id}", json={"team_id": team_id, "visibility": visibility})

    # Virtual servers

    def list_servers(self) -> list[dict]:
        """``tool_ids`` leaves out tools that are disabled, although they are still the server's and come back with it."""
        rows = self._pages("/v1/servers", "servers", include_inactive="true")
        same = ("id", "name", "visibility", "enabled")
        own = [{"team_id": row["teamId"], "description": row["description"] or "", "tool_ids": sorted(row["associatedToolIds"])} for row in rows]
        return [{**{key: row[key] for key in same}, **more, "tags": self._tags(row)} for row, more in zip(rows, own, strict=True)]

    @staticmethod
    def _tags(row: dict) -> list[str]:
        return sorted(tag["id"] if isinstance(tag, dict) else tag for tag in row.get("tags") or [])

    def create_server(self, server_id: str, fields: dict, team_id: str, tool_ids: list[str]) -> None:
        """``fields``: ``name``, ``description``, ``visibility``, ``tags``.

        FAULT "two shapes": create takes a wrapped body and update a flat one; each refuses or ignores the other's.
        """
        visibility = fields["visibility"]
        server = {"id": server_id, "associated_tools": tool_ids, **{key: fields[key] for key in ("name", "description", "tags")}}
        self._call("POST", "/v1/servers", json={"server": server, "team_id": team_id, "visibility": visibility})

    def update_server(self, server_id: str, changes: dict) -> None:
        """``tool_ids``, when given, replaces the list. FAULT "lost tools": a tool that was gone upstream for a moment leaves the server for good."""
        body = {("associated_tools" if key == "tool_ids" else key): value for key, value in changes.items()}
        self._call("PUT", f"/v1/servers/{server_id}", json=body)

    def delete_server(self, server_id: str) -> None:
        """FAULT "sleeping tokens": its tokens forget which server they were for, and are good again when it is made again under its id. End them first."""
        self._call("DELETE", f"/v1/servers/{server_id}")

    def activate_server(self, server_id: str) -> None:
        self._call("POST", f"/v1/servers/{server_id}/state", params={"activate": "true"})

    # Tokens of users

    def list_tokens(self) -> list[dict]:
        """Everybody's tokens, the revoked and the expired ones too (a name stays taken). ``live`` says whether one can still be used."""
        rows: dict[str, dict] = {}
        read, total = 0, 1
        while read < total:
            answer = self._call("GET", "/v1/tokens/admin/all", params={"include_inactive": "true", "limit": PAGE, "offset": read})
            rows |= {row["id"]: row for row in answer["tokens"]}
            read, total = read + (len(answer["tokens"]) or PAGE), answer["total"]  # fewer than were asked for where the gateway has a bound of its own
        now = time.time()
        return [
            {
                "id": row["id"],
                "name": row["name"],
                "description": row["description"] or "",
                "user": row["user_email"].lower(),
                "team_id": row["team_id"],
                "server_id": row["server_id"],
                "created_at": epoch(row["created_at"]),
                "expires_at": epoch(row["expires_at"]),
                "revoked_at": epoch(row["revoked_at"]),
                "last_used": epoch(row["last_used"]),
                "live": row["is_active"] and not row["is_revoked"] and (epoch(row["expires_at"]) or now + 1) > now,
            }
            for row in rows.values()
        ]

    def create_token(self, name: str, email: str, team_id: str, server_id: str, days: int, description: str = "") -> str:
        """A token of the user's own, for one team and one virtual server. It is shown this once."""
        body = {"name": name, "user_email": email, "team_id": team_id, "expires_in_days": days, "scope": {"server_id": server_id}, "description": description}
        token = self._call("POST", "/v1/tokens", json=body)["access_token"]
        self._secrets.add(token)
        return token

    def revoke_token(self, token_id: str) -> None:
        self._call("DELETE", f"/v1/tokens/admin/{token_id}")

    def accepts(self, server_id: str, token: str) -> bool:
        """Whether a client's token works at that virtual server, found out by using it. A failure that is not the token's raises."""
        self._secrets.add(token)
        path = f"/servers/{server_id}/mcp"
        response = self._send("POST", path, token=token, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        if response.status_code in (401, 403):
            return False
        try:
            answer = response.json()
        except ValueError:
            answer = {}
        if response.status_code == 200 and "result" in answer:
            return True
        raise GatewayError("POST", path, response.status_code, self._clean(detail_of(answer)))

    # What clients do

    def as_member(self, email: str, team_id: str) -> Client:
        """The same gateway as a member of one team sees it, for a few minutes; to call tools with."""
        member = copy.copy(self)
        member._user = {"email": email, "full_name": "mcp.tenancy", "is_admin": False, "auth_provider": "cli"}
        member._teams, member._token, member._made = [team_id], "", 0.0
        return member

    def call_tool(self, server_id: str, tool: str, arguments: dict) -> dict:
        """The result of a tool at a virtual server, ``{"content", "isError"}``."""
        path = f"/servers/{server_id}/mcp"
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
        answer = self._call("POST", path, json=body)
        if not isinstance(answer, dict) or not isinstance(answer.get("result"), dict):
            raise GatewayError("POST", path, 200, self._clean(detail_of(answer)))
        return answer["result"]
