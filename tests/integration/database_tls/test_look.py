# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a database whose certificate is not as it should be, by the probe and by the modules that change accounts, for both engines."""

from __future__ import annotations

import json
import subprocess

from ansible_collections.mcp.tenancy.plugins.module_utils import _account_batch, _accounts, _database_tls
from tests.integration.conftest import REPOSITORY
from tests.integration.database_tls.authority import Authority
from tests.integration.database_tls.servers import ADMIN, DATABASE, Server

PARAMETERS = {"postgres": {"sslmode": "verify-full"}, "mongodb": {"authSource": "admin", "tls": "true"}}
#: In which modes a connection is made all the same.
TAKEN = {
    "other_ca": {"disable", "require"},
    "other_name": {"disable", "require", "verify-ca"},
    "expired": {"disable", "require"},
    "not_yet_valid": {"disable", "require"},
    "no_tls": {"disable"},
}


def credential(engine: str, server: Server, authority: Authority, **more: object) -> dict:
    """Of the batch."""
    place = {"host": "localhost", "port": server.port, "database": DATABASE, "parameters": PARAMETERS[engine]}
    service = {"name": f"{engine}-dev", "engine": engine, "environment": "dev", "access": "read_only", "limits": {}, "owner": "made", "database": place}
    wanted = {"a": {"password": "of slot a, é", "valid_until": "2031-01-01T00:00:00Z"}}
    return {"account": _accounts.account({"mcp_team": "t"}, service), "admin": ADMIN, "ca": authority.pem, "wanted": wanted, "prove": ["a"], **more}


def test_who_makes_accounts_is_refused_with_place_and_cause(spoiled, authority) -> None:
    (found,) = _account_batch.work([credential(spoiled.engine, spoiled.server, authority)]).values()
    assert found["error"].startswith(spoiled.told) and f"Next: {_database_tls.STEPS[spoiled.case]}" in found["error"], found
    assert found["changed"] == [] and found["proven"] == []


def test_a_driver_alone_refuses_too(spoiled, authority, monkeypatch) -> None:
    """What the probe says is words; what keeps a password from the wrong server is the driver."""
    monkeypatch.setattr(_account_batch, "_see_its_certificate", lambda *_given: None)
    monkeypatch.setattr("ansible_collections.mcp.tenancy.plugins.module_utils._mongodb.SECONDS", 0.5)
    (found,) = _account_batch.work([credential(spoiled.engine, spoiled.server, authority)]).values()
    assert f"localhost:{spoiled.server.port}" in found["error"] and found["changed"] == [], found


def test_a_weaker_connection_takes_what_it_was_told_to_and_no_more(spoiled, authority, tmp_path) -> None:
    (tmp_path / "ca.pem").write_text(authority.pem)
    modes = ("disable", "verify-full") if spoiled.case == "no_tls" else _database_tls.MODES
    place = (spoiled.engine, "localhost", spoiled.server.port, str(tmp_path / "ca.pem"))
    looked = {mode: _database_tls.look(_database_tls.Target(*place, mode)) for mode in modes}
    assert {mode for mode, verdict in looked.items() if not verdict.cause} == TAKEN[spoiled.case]
    assert looked["verify-full"].cause == spoiled.case


def test_a_server_that_demands_a_client_certificate_is_told_of_and_takes_the_right_one(engine, good, authority) -> None:
    clients, strangers = Authority("the clients' CA"), Authority("another clients' CA")
    good.use(authority.server(), clients)
    (found,) = _account_batch.work([credential(engine, good, authority)]).values()
    assert found["error"].startswith(f"localhost:{good.port} demands a client certificate, and none is declared. Next: "), found
    stranger = strangers.client("mcp")
    (found,) = _account_batch.work([credential(engine, good, authority, client=stranger.certificate + stranger.key)]).values()
    assert found["error"].startswith(f"localhost:{good.port} does not take the client certificate that is declared"), found
    own = clients.client("mcp")
    (found,) = _account_batch.work([credential(engine, good, authority, client=own.certificate + own.key)]).values()
    assert found["error"] == "" and found["proven"] == ["a"], found


def test_the_modules_for_one_account_take_a_client_certificate(engine, good, authority, tmp_path) -> None:
    clients = Authority("the clients' CA")
    good.use(authority.server(), clients)
    clients.client("mcp").written(tmp_path / "client.pem", tmp_path / "client.key")
    (tmp_path / "ca.pem").write_text(authority.pem)
    options = {
        "login_host": "localhost", "login_port": good.port, "login_user": ADMIN["user"], "login_password": ADMIN["password"], "ca": str(tmp_path / "ca.pem"),
        "database": DATABASE, "owner": "single", "slots": {"a": {"password": "of slot a"}}, "prove": ["a"],
        "client_certificate": str(tmp_path / "client.pem"), "client_key": str(tmp_path / "client.key"),
    }  # fmt: skip
    module = {"postgres": "mcp.tenancy.postgresql_account", "mongodb": "mcp.tenancy.mongodb_account"}[engine]
    for said in ("CHANGED", "SUCCESS"):
        command = [REPOSITORY / ".venv/bin/ansible", "localhost", "-i", "localhost,", "-c", "local", "-m", module, "-a", json.dumps(options)]
        command += ["-e", f"ansible_python_interpreter={REPOSITORY}/.venv/bin/python"]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0 and said in done.stdout, done.stdout + done.stderr


def test_a_good_certificate_is_told_with_its_end_and_a_server_that_is_away_is_no_matter_of_tls(engine, good, authority, tmp_path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text(Authority("the next CA").pem + authority.pem)
    looked = _database_tls.look(_database_tls.Target(engine, "localhost", good.port, str(ca)))
    assert (looked.cause, looked.days) == ("", 29)
    away = _database_tls.look(_database_tls.Target(engine, "localhost", 1, str(ca)))
    assert away.cause == "unreachable" and not away.refused
    ca.write_text("no certificate")
    assert _database_tls.look(_database_tls.Target(engine, "localhost", good.port, str(ca))).cause == "ca_file"
    assert _database_tls.look(_database_tls.Target(engine, "localhost", good.port, "/nowhere.pem")).cause == "ca_file"
