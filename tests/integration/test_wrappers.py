# SPDX-License-Identifier: GPL-3.0-or-later
"""Both things that a bridge can wrap: a variable and a second deploy. 5,000 calls through each are in `make chaos`."""

from __future__ import annotations

import json

import pytest

from tests.integration.concurrency import answers_that_are_not_the_callers_own
from tests.integration.conftest import recap


@pytest.fixture(scope="module", params=["translate", "bridge"])
def wrapped_by(request, demo) -> str:
    done = demo.deploy("-e", f"mcp_wrapper={request.param}")
    assert done.returncode == 0, done.stdout[-4000:]
    assert recap(done.stdout)["failed"] == 0
    commands = [" ".join(argv) for argv in demo.processes().values()]
    assert any("mcpgateway.translate" in command for command in commands) is (request.param == "translate")
    return request.param


def test_b1_through_the_whole_path_each_caller_gets_their_own_rows_only(demo, wrapped_by) -> None:
    assert answers_that_are_not_the_callers_own(demo, 400) == []


@pytest.mark.parametrize(
    "sql", ["COMMIT; DELETE FROM orders", "ALTER ROLE mcp_demo_dev_a PASSWORD 'x'", "SELECT pg_read_file('/etc/passwd')", "SELECT pg_sleep(30)"]
)
def test_the_guard_answers_before_the_database_is_asked(demo, wrapped_by, sql) -> None:
    answer = demo.call("demo-dev", "demo-dev-postgres-query", {"sql": sql}).json()
    assert answer["result"]["isError"] and "Refused by the guard of postgres-dev" in json.dumps(answer)


def test_a_stage_that_writes_is_refused(demo, wrapped_by) -> None:
    arguments = {"connectionId": "preconfigured", "database": "shop_dev", "collection": "reviews", "pipeline": [{"$out": "copy"}]}
    answer = demo.call("demo-dev", "demo-dev-mongodb-aggregate", arguments).json()
    assert answer["result"]["isError"] and "Refused by the guard of mongodb-dev" in json.dumps(answer)
