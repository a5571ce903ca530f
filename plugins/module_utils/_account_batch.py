# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Accounts of many credentials at once. One that does not go well stops none of the others."""

from __future__ import annotations

import os
import tempfile
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import ModuleType

from ansible_collections.mcp.tenancy.plugins.module_utils import _database_tls, _memory_file
from ansible_collections.mcp.tenancy.plugins.module_utils._accounts import AccountError

THREADS = 8


def _adapter(engine: str) -> ModuleType:
    """Imported where it is needed: a driver takes longer to import than a login to be set."""
    if engine == "postgres":
        from ansible_collections.mcp.tenancy.plugins.module_utils import _postgresql as adapter
    else:
        from ansible_collections.mcp.tenancy.plugins.module_utils import _mongodb as adapter
    return adapter


def missing_library(credentials: list[dict]) -> tuple[str, str] | None:
    """Name and import error of a library that one of them needs and that is not here."""
    for engine in {credential["account"]["engine"] for credential in credentials}:
        adapter = _adapter(engine)
        if not adapter.HAS_LIBRARY:
            return adapter.LIBRARY, adapter.IMPORT_ERROR
    return None


@dataclass
class _Database:
    """One database of a run: whoever holds ``changing`` changes it, and by what its certificate was looked at with, what was wrong with that."""

    changing: threading.Lock = field(default_factory=threading.Lock)
    looked: dict[tuple, str] = field(default_factory=dict, repr=False)  # a client's key is among what it was looked at with


def work(credentials: list[dict], *, check: bool = False) -> dict[str, dict]:
    """Each ``{"account", "admin" or None, "ca": PEM text, "client": PEM text, "wanted": {slot: login or None}, "prove": [slots]}``.

    Service → ``{"changed": words, "proven": slots, "warnings": words, "error": ""}``. Without an admin nothing is changed, logins are tried.
    """
    databases = {_place(credential): _Database() for credential in credentials}
    with ThreadPoolExecutor(THREADS) as threads:
        done = threads.map(lambda credential: _one(credential, databases[_place(credential)], check), credentials)
        return {credential["account"]["service"]: found for credential, found in zip(credentials, done, strict=True)}


def _place(credential: dict) -> tuple:
    return tuple(credential["account"][name] for name in ("host", "port", "database"))


def _mistake(credential: dict) -> str:
    """What is wrong with a credential before any database is asked."""
    for slot, login in credential["wanted"].items():
        password = login and login.get("password")
        if login is not None and (not isinstance(password, str) or not password or "\0" in password):
            return f"slot {slot} has no password that can be used. Next: give one, or none for a login that may not be used"
    without = [slot for slot in credential["prove"] if not credential["wanted"].get(slot)]
    return f"slot {without[0]} cannot be tried: no login is given for it. Next: leave it out of prove" if without else ""


def _one(credential: dict, database: _Database, check: bool) -> dict:
    found = {"changed": [], "proven": [], "warnings": [], "error": _mistake(credential)}
    if found["error"]:
        return found
    account = credential["account"]
    # Drivers take a path only; a CA is no secret, a client's key is.
    with tempfile.NamedTemporaryFile("w", prefix="mcp-ca-", suffix=".pem") as ca, _memory_file.held(credential.get("client", "")) as client:
        ca.write(credential["ca"])
        ca.flush()
        os.fsync(ca.fileno())
        try:
            accounts = _adapter(account["engine"]).Accounts(account, credential["admin"], ca.name, client)
            with database.changing:  # PostgreSQL refuses two that change the grants on one table at the same time
                _see_its_certificate(credential, database, ca.name, client)
                with accounts:
                    if credential["admin"] is not None:
                        found["changed"] = accounts.ensure(credential["wanted"], check=check)
                        found["warnings"] = accounts.warnings
            for slot in credential["prove"] if not check else []:
                accounts.prove(slot, credential["wanted"][slot]["password"])
                found["proven"].append(slot)
        except AccountError as error:
            found["error"] = str(error)
        except Exception as error:  # whatever it is, the others go on; its text may quote a password
            place = traceback.extract_tb(error.__traceback__)[-1]
            found["error"] = f"{type(error).__name__} at {os.path.basename(place.filename)}:{place.lineno}. Next: report this as a mistake of the collection"
    return found


def _see_its_certificate(credential: dict, database: _Database, ca: str, client: str) -> None:
    """Before a driver, which would try for long and then not say why. A server that cannot be reached is left to the driver, which also waits."""
    account = credential["account"]
    mode = _database_tls.mode_of(account["engine"], account["parameters"])
    by = (mode, credential["ca"], credential.get("client", ""))
    if by not in database.looked:
        target = _database_tls.Target(account["engine"], account["host"], account["port"], ca, mode, client, account["database"])
        verdict = _database_tls.look(target)
        database.looked[by] = _database_tls.sentence(target, verdict) if verdict.refused else ""
    if wrong := database.looked[by]:
        raise AccountError(wrong)
