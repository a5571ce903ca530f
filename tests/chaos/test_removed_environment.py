# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment with ``state: absent``: its services, registrations, tokens, files and logins go, what they logged stays, and the others never notice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from demo import logins, postgres
from demo import state as demo_state
from tests.integration.conftest import REPOSITORY, Demo, recap
from tests.integration.interruption import everything_answers

PROD = ("postgres-prod", "mongodb-prod")


@pytest.fixture
def without_prod(tmp_path: Path) -> tuple[str, str]:
    """The demo's declaration, in which prod is to go."""
    (declared,) = (REPOSITORY / "inventories/demo/group_vars").glob("*/main.yml")
    environments = yaml.safe_load(declared.read_text())["mcp_environments"]
    environments[1]["state"] = "absent"
    path = tmp_path / "without_prod.json"
    path.write_text(json.dumps({"mcp_environments": environments}))
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    return "-e", f"@{path}"


def roles(demo: Demo) -> set[str]:
    """Roles and users of prod in the databases."""
    state = demo_state.load(demo.home)
    with postgres.admin(state, "shop_prod") as connection:
        found = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'mcp_demo_prod%'").fetchall()}
    with logins.mongodb_admin(demo.home, state) as client:
        users = client.admin.command("usersInfo", 1)["users"]
    return found | {user["user"] for user in users if user["user"].startswith("mcp_demo_prod")}


def files(demo: Demo) -> set[str]:
    """Paths of the team that are named after a service of prod, its kept logs aside."""
    run = Path(demo.state["runtime_directory"]) / "team"
    found = [path for top in (demo.home / "team", run) for path in top.rglob("*-prod*") if "site-packages" not in path.parts]
    return {path.name for path in found if "removed" not in path.parts and "node_modules" not in path.parts}


def test_an_environment_goes_with_all_it_had_and_comes_back(demo, without_prod):
    assert everything_answers(demo)
    before = demo.clients["demo-prod"]
    checked = demo.deploy(*without_prod, "--check", "--diff")
    assert recap(checked.stdout)["failed"] == 0 and recap(checked.stdout)["changed"] > 0, checked.stdout[-3000:]
    assert "server demo-prod (left over): present" in checked.stdout and everything_answers(demo), "a check says so and changes nothing"
    done = demo.deploy(*without_prod)
    assert recap(done.stdout)["failed"] == 0, done.stdout[-4000:]
    assert recap(demo.deploy(*without_prod).stdout)["changed"] == 0
    assert demo.rpc(before["url"], before["headers"], "tools/list").status_code in (401, 403, 404)
    assert {name for name in demo.clients if "prod" in name} == set() and set(PROD) & set(demo.credentials) == set()
    assert roles(demo) == set() and files(demo) == set()
    assert [argv for argv in demo.processes().values() if any(name in argv for name in PROD)] == []
    kept = [path for path in (demo.home / "team/log/removed").rglob("audit.jsonl") if path.parent.name in PROD]
    assert kept, "an audit log is kept"
    assert json.loads(demo.ask_postgres("dev", "SELECT current_database() AS d")) == [{"d": "shop_dev"}]
    done = demo.deploy()
    assert recap(done.stdout)["failed"] == 0, done.stdout[-4000:]
    assert everything_answers(demo) and demo.clients["demo-prod"]["headers"] != before["headers"], "it came back with new tokens"
    assert demo.rpc(before["url"], before["headers"], "tools/list").status_code in (401, 403, 404), "a token that was ended stays ended"
