# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and limits of a credential's accounts, and what is told without asking any database."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _account_batch, _accounts, _declaration, _postgresql

SERVICE = {
    "name": "postgres-dev", "engine": "postgres", "environment": "dev", "access": "read_only", "limits": {},
    "database": {"host": "db.internal", "port": 5432, "database": "shop", "parameters": {"sslmode": "verify-full"}},
}  # fmt: skip


def account(team: str = "team_a", **changes: object) -> dict:
    return _accounts.account({"mcp_team": team}, {**SERVICE, **changes})


def test_what_an_account_is_made_of() -> None:
    assert account() == {
        "service": "postgres-dev", "engine": "postgres", "environment": "dev", **SERVICE["database"], "owner": "mcp_team_a_dev",
        "logins": {"a": "mcp_team_a_dev_a", "b": "mcp_team_a_dev_b"}, "access": "read_only", "schemas": ["public"],
        "connection_limit": 20, "statement_timeout": 60000, "owner_is_ours": True,
    }  # fmt: skip


def test_what_a_declaration_says_counts() -> None:
    found = account(owner="billing", schemas=["app", "web"], limits={"call_seconds": 2.5}, access="read_write")
    assert found["logins"] == {"a": "billing_a", "b": "billing_b"} and found["schemas"] == ["app", "web"]
    assert (found["statement_timeout"], found["access"], found["owner_is_ours"]) == (2500, "read_write", False)
    assert "schemas" not in account(engine="mongodb")


def test_long_names_are_cut_and_stay_apart() -> None:
    first, second = account("t" * 70 + "x"), account("t" * 70 + "y")
    assert first["owner"] != second["owner"] and first["owner"].startswith("mcp_tttt")
    assert max(len(name) for name in (*first["logins"].values(), *second["logins"].values())) == 63, (
        "PostgreSQL cuts what is longer, and both slots would be one"
    )
    assert account("t" * 70 + "x") == first


def test_the_admins_variable_is_named_after_engine_and_environment() -> None:
    assert _declaration.admin_key("mongodb", "prod") == "MONGODB_PROD_ADMIN_CONNECTION_STRING"


@pytest.mark.parametrize(
    ("wanted", "prove", "says"),
    [
        ({"a": {"valid_until": None}}, [], "slot a has no password that can be used"),
        ({"a": {"password": ""}}, [], "slot a has no password that can be used"),
        ({"a": {"password": "x\0y"}}, [], "slot a has no password that can be used"),
        ({"a": None}, ["a"], "slot a cannot be tried"),
        ({"a": {"password": "x"}}, ["b"], "slot b cannot be tried"),
    ],
)
def test_what_cannot_be_wanted_is_told_before_a_database_is_asked(wanted, prove, says) -> None:
    given = {"account": account(), "admin": None, "ca": "", "wanted": wanted, "prove": prove}
    found = _account_batch.work([given])["postgres-dev"]
    assert found["error"].startswith(says) and "Next: " in found["error"] and not found["changed"]


def test_what_nobody_thought_of_stops_no_other_and_is_told_without_its_text(monkeypatch) -> None:
    class Strange:
        def __init__(self, account: dict, _admin: object, _ca: str, _client: str) -> None:
            if account["service"] == "strange":
                raise RuntimeError("hunter2")
            raise _accounts.AccountError("as it should be. Next: nothing")

    monkeypatch.setattr(_postgresql, "Accounts", Strange)
    monkeypatch.setattr(_account_batch, "_see_its_certificate", lambda *_given: None)  # there is no server
    given = {"admin": None, "ca": "", "wanted": {}, "prove": []}
    found = _account_batch.work([{**given, "account": account(name="strange")}, {**given, "account": account()}])
    assert "RuntimeError at test_accounts.py" in found["strange"]["error"] and "hunter2" not in str(found)
    assert found["postgres-dev"]["error"] == "as it should be. Next: nothing"


def test_a_process_that_had_mongodb_logins_does_not_wait_at_its_end_for_threads_that_sleep() -> None:
    """The driver's handler would call this function of its own."""
    adapter, tell = "ansible_collections.mcp.tenancy.plugins.module_utils._mongodb", "monitor._shutdown_executors = lambda: print('it waits')"
    for first, says in (("pymongo", "it waits\n"), (adapter, "")):
        done = subprocess.run(
            [sys.executable, "-c", f"import {first}\nfrom pymongo.synchronous import monitor\n{tell}"], capture_output=True, text=True, check=True
        )
        assert done.stdout == says, first
