# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Accounts of many credentials at once. One that does not go well stops none of the others."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.mcp.tenancy.plugins.module_utils import _mongodb, _postgresql
from ansible_collections.mcp.tenancy.plugins.module_utils._accounts import AccountError

THREADS = 8
ENGINES = {"postgres": _postgresql.PostgresqlAccounts, "mongodb": _mongodb.MongodbAccounts}
LIBRARIES = {"postgres": ("psycopg>=3", _postgresql), "mongodb": ("pymongo", _mongodb)}


def missing_library(credentials: list[dict]) -> tuple[str, str] | None:
    """Name and import error of a library that one of them needs and that is not here."""
    for engine in {credential["account"]["engine"] for credential in credentials}:
        name, adapter = LIBRARIES[engine]
        if not adapter.HAS_LIBRARY:
            return name, adapter.IMPORT_ERROR
    return None


def work(credentials: list[dict], *, check: bool = False) -> dict[str, dict]:
    """Each ``{"account", "admin" or None, "ca": PEM text, "wanted": {slot: login or None}, "prove": [slots]}``.

    Service → ``{"changed": words, "proven": slots, "warnings": words, "error": ""}``. Without an admin nothing is changed, logins are tried.
    """
    with ThreadPoolExecutor(THREADS) as threads:
        done = threads.map(lambda credential: _one(credential, check), credentials)
        return {credential["account"]["service"]: found for credential, found in zip(credentials, done, strict=True)}


def _one(credential: dict, check: bool) -> dict:
    found = {"changed": [], "proven": [], "warnings": [], "error": ""}
    with tempfile.NamedTemporaryFile("w", prefix="mcp-ca-", suffix=".pem") as ca:  # drivers take a path only; a CA is no secret
        ca.write(credential["ca"])
        ca.flush()
        os.fsync(ca.fileno())
        try:
            with ENGINES[credential["account"]["engine"]](credential["account"], credential["admin"], ca.name) as accounts:
                if credential["admin"] is not None:
                    found["changed"] = accounts.ensure(credential["wanted"], check=check)
                    found["warnings"] = accounts.warnings
                for slot in credential["prove"] if not check else []:
                    accounts.prove(slot, credential["wanted"][slot]["password"])
                    found["proven"].append(slot)
        except AccountError as error:
            found["error"] = str(error)
    return found
