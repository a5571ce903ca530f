# SPDX-License-Identifier: GPL-3.0-or-later
"""What callers are told by a service whose database shows the wrong certificate, and services whose database demands a client certificate.

Both engines, shared logins and people's own, processes and dense, both wrappers.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _database_tls
from tests.integration.database_tls.authority import Authority
from tests.integration.database_tls.services import Host, answered

SERVICES = ("postgres-dev", "mongodb-dev", "postgres-dev-users", "mongodb-dev-users")


@contextlib.contextmanager
def running(*arguments: object, services: tuple[str, ...] = SERVICES, **declared: object) -> Iterator[Host]:
    host = Host(*arguments, **declared)
    try:
        for service in services:
            host.start(service)
        yield host
    finally:
        host.stop()


@pytest.fixture(scope="session")
def host(demo, servers, authority, tmp_path_factory) -> Iterator[Host]:
    with running(demo, tmp_path_factory.mktemp("host") / "host", servers, authority.pem) as found:
        yield found


def test_callers_are_refused_with_service_place_and_cause(host, spoiled) -> None:
    for service in (f"{spoiled.engine}-dev", f"{spoiled.engine}-dev-users"):
        answer = eventually(host, service, lambda answer, service=service: said(answer).startswith(f"{service}: {spoiled.told}"))
        assert said(answer).startswith(f"{service}: {spoiled.told}") and answer["error"]["code"] == -32002, answer
        assert f"Next: {_database_tls.STEPS[spoiled.case]}" in said(answer)
        status = host.status(service)
        assert status["status"] != "ready" and spoiled.told in json.dumps(status), status


def test_they_are_answered_as_soon_as_the_certificate_is_right(host, engine, good) -> None:
    for service in (f"{engine}-dev", f"{engine}-dev-users"):
        assert answered(eventually(host, service, answered)), host.log(service)


def eventually(host: Host, service: str, wanted: Callable[[dict], bool]) -> dict:
    """The first answer of that kind, or the last one of all: what was seen of a server counts for two seconds."""
    deadline = time.monotonic() + 30
    while not wanted(answer := host.ask(service)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


def said(answer: dict) -> str:
    return answer.get("error", {}).get("message", "")


@pytest.mark.parametrize("form", ["processes", "dense", "translate"])
def test_a_client_certificate_is_shown_by_services_and_renewed_while_they_run(demo, servers, authority, tmp_path, form) -> None:
    clients = Authority("the clients' CA")
    first, second = clients.client("first"), clients.client("second")
    for server in servers.values():
        server.use(authority.server(), clients)
    declared = {"client_certificate": "client.pem", "client_key": "client.key"}
    services = {"translate": ("postgres-dev",), "dense": ("postgres-dev-users",)}.get(form, SERVICES)
    how = {"wrapper": "translate" if form == "translate" else "bridge", "dense": form == "dense"}
    held = dict.fromkeys(servers, first.certificate + first.key)
    host = Host(demo, tmp_path / "host", servers, authority.pem, clients=held, **how, postgres=declared, mongodb=declared)
    try:
        for service in services:
            host.start(service)
            assert answered(host.ask(service)), host.log(service)
            file = host.run / service / "client.pem"
            assert file.stat().st_mode & 0o777 == 0o400 and file.read_text() == first.certificate + first.key
            assert first.key.splitlines()[1] not in (host.folder / "etc/services.json").read_text() + (host.folder / "etc/.env").read_text()
        host.place(**dict.fromkeys(servers, second.certificate + second.key))
        for service in services:
            host.reload(service)
            assert host.status(service)["tls"] == _database_tls.digest(authority.pem, second.certificate)
            assert answered(host.ask(service)), host.log(service)
            if service.startswith("postgres"):
                with servers["postgres"].superuser() as connection:
                    seen = connection.execute("SELECT client_dn FROM pg_stat_ssl WHERE client_dn IS NOT NULL").fetchall()
                assert ("/CN=second",) in seen, "PostgreSQL's own word for it"
    finally:
        host.stop()


def test_without_the_client_certificate_that_is_demanded_callers_are_told(host, servers, engine, authority) -> None:
    servers[engine].use(authority.server(), Authority("the clients' CA"))
    for service in (f"{engine}-dev", f"{engine}-dev-users"):
        wanted = f"{service}: localhost:{servers[engine].port} demands a client certificate, and none is declared"
        answer = eventually(host, service, lambda answer, wanted=wanted: said(answer).startswith(wanted))
        assert said(answer).startswith(wanted), answer
