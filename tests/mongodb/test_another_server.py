# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins at a server that somebody else wrote: proven, refused, told of; what it cannot do is said, and nothing is half done."""

from __future__ import annotations

import asyncio
import secrets
import socket
from pathlib import Path

import pymongo.errors
import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _account_batch, _accounts
from mcp_bridge.config import Config, Users
from mcp_bridge.database import Way
from mcp_bridge.errors import BridgeError
from mcp_bridge.users import login
from mcp_bridge.users.credential import Credential
from tests.integration.database_tls.authority import Authority
from tests.mongodb.conftest import ROOT, Ferret

READER, PASSWORD = "reader", f"{secrets.token_urlsafe(12)}, é @:/%"


@pytest.fixture
def reader(ferret: Ferret) -> None:
    with ferret.client(*ROOT) as client:
        if not client.admin.command("usersInfo", READER)["users"]:
            client.admin.command("createUser", READER, pwd=PASSWORD, roles=[])


def tried(ferret: Ferret, password: str = PASSWORD, access: str = "read_write", name: str = READER, **more: object) -> dict:
    """What becomes of a login that is not ours to change, or of an account where an admin is given."""
    place = {"host": "localhost", "port": ferret.port, "database": "shop", "parameters": {"authSource": "admin", "tls": "true"}}
    service = {"name": "mongodb-dev", "engine": "mongodb", "environment": "dev", "access": access, "limits": {}, "database": place}
    account = {**_accounts.account({"mcp_team": "t"}, service), "logins": {"a": name}}
    wanted = {"a": {"password": password, "valid_until": None}}
    given = {"account": account, "admin": None, "ca": ferret.ca.read_text(), "wanted": wanted, "prove": ["a"], **more}
    (found,) = _account_batch.work([given]).values()
    return found


@pytest.mark.usefixtures("reader")
def test_a_login_that_works_is_proven(ferret) -> None:
    assert tried(ferret) == {"changed": [], "proven": ["a"], "warnings": [], "error": ""}


@pytest.mark.usefixtures("reader")
def test_a_wrong_password_is_told_without_it(ferret) -> None:
    found = tried(ferret, "hunter2")
    assert found["proven"] == [] and f"{READER} at localhost:{ferret.port} was refused. Next: " in found["error"] and "hunter2" not in str(found)


@pytest.mark.usefixtures("reader")
def test_a_login_that_should_only_read_and_can_write_is_not_taken(ferret) -> None:
    found = tried(ferret, access="read_only")
    assert found["proven"] == [] and "can write to shop although its access is read_only" in found["error"]


def test_a_server_without_roles_is_told_of_and_nothing_is_left(ferret) -> None:
    found = tried(ferret, name="made_a", admin={"user": ROOT[0], "password": ROOT[1]})
    assert "the server refused with 238 NotImplemented. Next: " in found["error"] and found["changed"] == found["proven"] == []
    with ferret.client(*ROOT) as client:
        assert client.admin.command("usersInfo", "made_a")["users"] == []


@pytest.mark.usefixtures("reader")
def test_a_certificate_of_another_ca_is_told_of_before_a_password_goes_there(ferret) -> None:
    found = tried(ferret, ca=Authority("another CA").pem)
    assert found["error"].startswith(f"localhost:{ferret.port} shows a certificate of another CA than the declared one. Next: ")


def bridge(ferret: Ferret, port: int = 0) -> Config:
    users = Users(host="localhost", port=port or ferret.port, database="shop", ca=str(ferret.ca), parameters={"authSource": "admin", "tls": "true"})
    return Config(service="mongodb-dev", command=[], runtime_directory=Path("/nonexistent"), engine="mongodb", users=users)


async def checked(config: Config, password: str) -> str:
    """Empty where the bridge lets this login in, else what its caller is told of."""
    try:
        await login.checker(config, Way(config))(Credential(READER, password))
    except BridgeError as error:
        return error.outcome
    return ""


@pytest.mark.usefixtures("reader")
def test_the_bridge_lets_in_whom_this_server_lets_in(ferret, monkeypatch) -> None:
    monkeypatch.setattr(login, "SECONDS", 2.0)
    assert asyncio.run(checked(bridge(ferret), PASSWORD)) == ""
    assert asyncio.run(checked(bridge(ferret), "hunter2")) == "login_refused"
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert asyncio.run(checked(bridge(ferret, port), PASSWORD)) == "unavailable"


@pytest.mark.usefixtures("reader")
def test_after_another_password_only_that_one_is_let_in(ferret) -> None:
    with ferret.client(*ROOT) as client:
        client.admin.command("updateUser", READER, pwd="the next one")
    try:
        assert asyncio.run(checked(bridge(ferret), PASSWORD)) == "login_refused"
        assert asyncio.run(checked(bridge(ferret), "the next one")) == "" and tried(ferret, "the next one")["proven"] == ["a"]
    finally:
        with ferret.client(*ROOT) as client:
            client.admin.command("updateUser", READER, pwd=PASSWORD)
    with ferret.client(READER, "the next one") as client, pytest.raises(pymongo.errors.OperationFailure):
        client.admin.command("ping")
