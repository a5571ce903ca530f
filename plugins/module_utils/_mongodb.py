# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Accounts of one credential in MongoDB: two users with the same role at one database.

MongoDB has no role without login that users could be members of without a role of our own, so both users get the built-in role itself. It takes no
verifier for SCRAM-SHA-256, so the password goes to it, over TLS only. A user that may not log in is dropped: its open connections lose everything.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
import traceback
from collections.abc import Iterator
from typing import Any

from ansible_collections.mcp.tenancy.plugins.module_utils._accounts import REMEDY, AccountError

try:
    import pymongo
    import pymongo.errors

    HAS_LIBRARY, IMPORT_ERROR = True, None
    # FAULT "exit": a process waits half a second for threads of clients that are closed, which sleep. They are daemons and have nothing left to do.
    # Where its handler is depends on the version; where it is not found, the wait stays.
    for _name in ("pymongo.synchronous.monitor", "pymongo.monitor"):
        atexit.unregister(getattr(sys.modules.get(_name), "_shutdown_resources", None))
except ImportError:
    HAS_LIBRARY, IMPORT_ERROR = False, traceback.format_exc()

LIBRARY = "pymongo"
ROLES = {"read_only": "read", "read_write": "readWrite"}
SECONDS = 10
UNAUTHORIZED, AUTHENTICATION_FAILED, NOT_FOUND, UNKNOWN_COMMAND = 13, 18, 11, 59
READ_ONLY = (10107, 13435)  # not a primary
PROBE = "mcp_tenancy_probe"


class Accounts:
    """``account`` as :func:`_accounts.account` gives it, ``admin`` ``{"user", "password"}``, ``ca`` and ``client`` PEM files. ``warnings`` is always empty."""

    def __init__(self, account: dict, admin: dict | None, ca: str, client: str = "") -> None:
        self._account, self._admin = account, admin
        parameters = account["parameters"]
        self._tls = {name: True for name in ("tlsAllowInvalidHostnames", "tlsAllowInvalidCertificates") if parameters.get(name) == "true"}
        self._tls |= {} if "tlsAllowInvalidCertificates" in self._tls else {"tlsCAFile": ca}
        self._tls |= {"tlsCertificateKeyFile": client} if client else {}
        self._client: Any = None
        self.warnings: list[str] = []

    def __enter__(self) -> Accounts:
        if self._account["parameters"].get("tls") != "true":
            raise AccountError(f"{self._account['service']}: a password goes to MongoDB over TLS only. Next: declare tls: true")
        if self._admin is not None:
            self._client = self._connect(self._admin["user"], self._admin["password"])
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._client is not None:
            self._client.close()

    def ensure(self, wanted: dict[str, dict | None], *, check: bool = False) -> list[str]:
        """Make it so: ``wanted`` slot → ``{"password", "valid_until"}`` or None for a user that may not be there. What was changed, in words."""
        changes: list[str] = []
        with self._told("change accounts"):
            for slot, login in wanted.items():
                name = self._account["logins"][slot]
                held = self._users.command("usersInfo", {"user": name, "db": self._users.name}).get("users") or []
                if login is None:
                    changes += self._drop(name, held, check)
                else:
                    changes += self._put(name, held[0] if held else None, login, check)
        return changes

    def prove(self, slot: str, password: str) -> None:
        """Log in for real, read, and see that writing is refused where it should be. Raises AccountError."""
        name = self._account["logins"][slot]
        with contextlib.closing(self._connect(name, password)) as client:
            with self._told(f"use {name}"):
                database = client[self._account["database"]]
                # What a template shows is the team's to say, so no collection can be named then.
                database.command("connectionStatus") if self._account.get("template") else database.command("find", PROBE, limit=1)
            if self._account["access"] != "read_only":
                return
            try:
                # Matches nothing, so it changes nothing; but who may not write may not do that either.
                database.command("update", PROBE, updates=[{"q": {"_id": PROBE}, "u": {"$set": {"tried": True}}}])
            except pymongo.errors.OperationFailure as error:
                if error.code == UNAUTHORIZED:
                    return
                raise AccountError(f"{name}: whether it can write could not be tried ({error.code}). Next: run again") from None
            except pymongo.errors.PyMongoError as error:
                raise AccountError(f"{name}: whether it can write could not be tried ({type(error).__name__}). Next: run again") from None
        raise AccountError(f"{name} can write to {self._account['database']} although its access is read_only. Next: see which roles it has")

    @property
    def _users(self) -> Any:
        """The database that the users are in."""
        return self._client[self._account["parameters"].get("authSource", "admin")]

    def _connect(self, user: str, password: str) -> Any:
        account = self._account
        try:
            return self._client_of(account, user, password)
        except (pymongo.errors.ConfigurationError, OSError):  # SSLError is an OSError: the CA is read here, the server is not asked yet
            raise AccountError(f"{account['service']}: has no CA file that can be used. Next: correct ca") from None

    def _client_of(self, account: dict, user: str, password: str) -> Any:
        return pymongo.MongoClient(
            account["host"], account["port"], username=user, password=password, authSource=account["parameters"].get("authSource", "admin"),
            authMechanism="SCRAM-SHA-256", tls=True, **self._tls, appname="mcp.tenancy", directConnection=True,
            serverSelectionTimeoutMS=SECONDS * 1000, connectTimeoutMS=SECONDS * 1000, socketTimeoutMS=3 * SECONDS * 1000,
        )  # fmt: skip

    def _put(self, name: str, held: dict | None, login: dict, check: bool) -> list[str]:
        roles = [{"role": self._account.get("template") or ROLES[self._account["access"]], "db": self._account["database"]}]
        data = {"mcp_tenancy": {"valid_until": login["valid_until"] or ""}}
        if held is None:
            if not check:
                self._users.command("createUser", name, pwd=login["password"], roles=roles, customData=data, mechanisms=["SCRAM-SHA-256"])
            return [f"{name}: user made"]
        new, told = {}, []
        if _plain(held.get("roles")) != _plain(roles):
            new["roles"] = roles
            told.append("roles put right")
        if held.get("customData", data) != data:
            new["customData"] = data
            told.append(f"valid until {login['valid_until'] or 'ever'}")
        if not self._logs_in(name, login["password"]):
            new |= {"pwd": login["password"], "mechanisms": ["SCRAM-SHA-256"]}
            told.append("password set")
        if new and not check:
            self._users.command("updateUser", name, **new)
        return [f"{name}: {', '.join(told)}"] if told else []

    def _drop(self, name: str, held: list[dict], check: bool) -> list[str]:
        if not held:
            return []
        if not check:
            try:
                self._users.command("dropUser", name)
            except pymongo.errors.OperationFailure as error:
                if error.code != NOT_FOUND:  # somebody was faster
                    raise
            with contextlib.suppress(pymongo.errors.OperationFailure):  # not every server knows it, not every admin may; its sessions have no rights any more
                self._client.admin.command("killAllSessions", [{"user": name, "db": self._users.name}])
        return [f"{name}: user dropped"]

    def _logs_in(self, name: str, password: str) -> bool:
        with contextlib.closing(self._connect(name, password)) as client:
            try:
                client.admin.command("ping")
                client[self._account["database"]].command("connectionStatus")
            except pymongo.errors.OperationFailure as error:
                if error.code in (AUTHENTICATION_FAILED, UNAUTHORIZED):
                    return False
                raise
        return True

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """A server's refusal in our words; its own can quote a command, and a command can hold a password."""
        place = f"{self._account['host']}:{self._account['port']}"
        try:
            yield
        except pymongo.errors.OperationFailure as error:
            if error.code == AUTHENTICATION_FAILED:
                who, step = (what.removeprefix("use "), self._account.get("remedy", REMEDY)) if what.startswith("use ") else ("the admin's login", REMEDY)
                raise AccountError(f"{who} at {place} was refused. Next: {step}") from None
            if error.code == UNAUTHORIZED:
                raise AccountError(f"cannot {what}: not authorized. Next: give the admin userAdmin at {self._users_name}") from None
            if error.code in READ_ONLY:
                raise AccountError(f"cannot {what}: {place} takes no writes. Next: name the primary server, or wait") from None
            name = (error.details or {}).get("codeName", "")
            raise AccountError(f"cannot {what}: the server refused with {error.code} {name}. Next: correct that in the database, then run again") from None
        except pymongo.errors.ServerSelectionTimeoutError as error:
            tls = "certificate" in str(error).lower()
            why = "shows a certificate that its CA did not sign or that is for another name" if tls else "cannot be reached"
            raise AccountError(f"{place} {why}. Next: {'correct ca or host' if tls else 'see that the server runs and that this machine reaches it'}") from None
        except pymongo.errors.PyMongoError as error:
            raise AccountError(f"cannot {what}: {type(error).__name__} at {place}. Next: see that the server runs, then run again") from None

    @property
    def _users_name(self) -> str:
        return self._account["parameters"].get("authSource", "admin")


def _plain(roles: list[dict] | None) -> list[tuple]:
    return sorted((role["role"], role["db"]) for role in roles or [])
