# SPDX-License-Identifier: GPL-3.0-or-later
"""S6: passwords that break careless tools work from the .env to the login, for both engines."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string
from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_env import TeamEnv
from tests.integration.conftest import recap

PASSWORDS = {
    "every odd character": "@:/%?#'\"\\$ {}[]<>&=;!`|^~*()+,. é ü ß 漢字 %41 ${HOME} $(id) end",
    "200 characters": "Zz9#'\"" + "x" * 188 + "@:/%?#",
}


@pytest.fixture(scope="module")
def env(demo) -> Iterator[TeamEnv]:
    """The operator's file; once the tests are through, it and what runs are as they were."""
    env = TeamEnv("demo", str(demo.home / "control/.env"), str(demo.home / "control/vault.key"))
    before = env.read()
    yield env
    env.write(before)
    done = demo.up()
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize("name", PASSWORDS)
def test_s6_a_changed_password_works_from_the_env_to_the_login(demo, env, name) -> None:
    values = env.read()
    for key in ("POSTGRES_DEV_CONNECTION_STRING", "MONGODB_DEV_CONNECTION_STRING"):
        engine = key.partition("_")[0].lower()
        login = _connection_string.parse(values[key], engine)
        values[key] = _connection_string.render(engine, login.user, PASSWORDS[name], login.host, login.port, login.database)
    env.write(values)
    done = demo.up()
    assert done.returncode == 0, done.stdout[-4000:]
    assert recap(done.stdout.partition("== questions")[0])["changed"] > 0
    assert json.loads(demo.ask_postgres("dev", "SELECT current_user AS login")) == [{"login": "mcp_dev"}]
    assert demo.ask_mongodb("dev", "count", collection="reviews")
