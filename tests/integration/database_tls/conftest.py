# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of this folder's own, so that the demo's keep theirs."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from demo import state as demo_state
from tests.integration.database_tls.authority import DAY, Authority
from tests.integration.database_tls.servers import Mongodb, Postgres, Server
from tests.integration.users_bridge import free_port

ENGINES = ("postgres", "mongodb")
YESTERDAY = (datetime.datetime.now(datetime.UTC) - DAY).strftime("%Y-%m-%d")
#: What the server has then; None is no TLS.
BAD = {
    "other_ca": lambda _authority: Authority("somebody else's CA").server(),
    "other_name": lambda authority: authority.server("db.elsewhere.internal"),
    "expired": lambda authority: authority.server(begins=-9 * DAY, ends=-DAY),
    "not_yet_valid": lambda authority: authority.server(begins=DAY),
    "no_tls": lambda _authority: None,
}
SAYS = {
    "other_ca": "shows a certificate of another CA than the declared one",
    "other_name": "shows a certificate for another name than localhost (it is for db.elsewhere.internal)",
    "expired": f"shows a certificate that has expired (on {YESTERDAY})",
    "not_yet_valid": "shows a certificate that is not valid yet (before ",
    "no_tls": "offers no TLS",
}


@pytest.fixture(scope="session")
def authority() -> Authority:
    """The one that is declared."""
    return Authority("the databases' CA")


@pytest.fixture(scope="session")
def servers(demo, authority, tmp_path_factory) -> Iterator[dict[str, Server]]:
    home = tmp_path_factory.mktemp("tls")
    found: dict[str, Server] = {"postgres": Postgres(home / "home", authority.server())}
    try:
        found["mongodb"] = Mongodb(home / "mongodb", demo.home / "venv/bin/python", free_port(), authority.server())
        yield found
    finally:
        for server in found.values():
            server.stop()
        shutil.rmtree(demo_state.load(home / "home").run(), ignore_errors=True)


@dataclass(frozen=True)
class Spoiled:
    """A server in a state in which nobody may connect to it."""

    engine: str
    case: str
    server: Server

    @property
    def told(self) -> str:
        """What everybody says of it: place and cause."""
        return f"localhost:{self.server.port} {SAYS[self.case]}"


@pytest.fixture(scope="session", params=[(engine, case) for engine in ENGINES for case in SAYS], ids="-".join)
def spoiled(servers, authority, request) -> Spoiled:
    """All tests of one state come together: a server is brought into it once."""
    engine, case = request.param
    servers[engine].use(BAD[case](authority))
    return Spoiled(engine, case, servers[engine])


@pytest.fixture(params=ENGINES)
def engine(request) -> str:
    return request.param


@pytest.fixture
def good(engine, servers, authority) -> Server:
    """A server as it should be."""
    servers[engine].use(authority.server())
    return servers[engine]
