# SPDX-License-Identifier: GPL-3.0-or-later
"""S6: passwords that break careless tools work from the .env to the login, for both engines. Credentials that a DBA gives: unmanaged."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string, _declaration
from tests.integration.conftest import recap

#: One that was used before is refused, so those of an earlier run in the same clone would be.
RUN = secrets.token_hex(4)
PASSWORDS = {
    "every odd character": RUN + "@:/%?#'\"\\$ {}[]<>&=;!`|^~*()+,. é ü ß 漢字 %41 ${HOME} $(id) end",
    "200 characters": "Zz9#'\"" + "x" * 180 + RUN + "@:/%?#",
}


@pytest.fixture(scope="module")
def unmanaged(demo) -> Iterator[None]:
    """A DBA gives the logins; once the tests are through, they are ours again and everything is as it was."""
    before = demo.env.read()
    yield
    demo.env.write(before)
    done = demo.up()
    assert done.returncode == 0, done.stdout[-4000:]
    done = demo.playbook("rotate.yml")
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize("name", PASSWORDS)
def test_s6_a_given_password_works_from_the_env_to_the_login(demo, unmanaged, name) -> None:
    values = demo.env.read()
    for engine in ("postgres", "mongodb"):
        for environment in ("dev", "prod"):
            key, port = _declaration.credential_key(engine, environment), demo.state["ports"][engine]
            values[key] = _connection_string.render(engine, f"given_{environment}", PASSWORDS[name], "localhost", port, f"shop_{environment}")
    demo.env.write(values)
    done = demo.up(MCP_DEMO_CREDENTIAL="unmanaged")
    assert done.returncode == 0, done.stdout[-4000:]
    assert recap(done.stdout.partition("== questions")[0])["changed"] > 0
    assert json.loads(demo.ask_postgres("dev", "SELECT current_user AS login")) == [{"login": "given_dev"}]
    assert demo.ask_mongodb("dev", "count", collection="reviews")
