# SPDX-License-Identifier: GPL-3.0-or-later
"""A new team out of a few answers."""

from __future__ import annotations

import copy

import pytest
import yaml

from ansible_collections.mcp.tenancy.plugins.module_utils import _init

PASSWORD = "hunter2-canary"
ANSWERS = {
    "team": "team_c",
    "hosts": ["gw1.team-c.internal"],
    "environments": [
        {"name": "dev", "postgres": f"postgresql://reader:{PASSWORD}@db.internal:5433/c_dev", "members": ["dora@team-c.example"]},
        {"name": "prod", "mongodb": f"mongodb://reader:{PASSWORD}@db.internal/c?authSource=logins"},
    ],
}


def test_the_declaration_is_read_off_the_connection_strings() -> None:
    made = _init.new_team(ANSWERS)
    assert made.problems == []
    dev, prod = made.declaration["mcp_environments"]
    assert dev["postgres"] == {"host": "db.internal", "port": 5433, "database": "c_dev", "ca": "files/ca.pem", "credential": "unmanaged"}
    assert prod["mongodb"]["auth_source"] == "logins" and prod["mongodb"]["port"] == 27017 and "postgres" not in prod
    assert sorted(made.env) == ["MONGODB_PROD_CONNECTION_STRING", "POSTGRES_DEV_CONNECTION_STRING"]


def test_no_secret_is_in_a_plain_file() -> None:
    texts = _init.files(_init.new_team(ANSWERS), yaml.safe_dump)
    assert set(texts) == {"hosts.yml", "group_vars/team_c/main.yml"}
    assert not any(PASSWORD in text or "reader" in text for text in texts.values())
    assert yaml.safe_load(texts["hosts.yml"])["mcp_gateways"]["children"]["team_c"]["hosts"] == {"gw1.team-c.internal": {"ansible_become": True}}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"team": "Team C"}, "mcp_team"),
        ({"hosts": []}, "init_hosts"),
        ({"hosts": ["-x"]}, "init_hosts"),
        ({"environments": []}, "mcp_environments"),
        ({"environments": [{"name": "dev", "postgres": f"mysql://u:{PASSWORD}@h/d"}]}, "init_environments[0].postgres"),
        ({"environments": [{**ANSWERS["environments"][0], "postgers": "x"}]}, "init_environments[0].postgers"),
        ({"environments": [{**ANSWERS["environments"][0], "members": ["dora"]}]}, "mcp_environments[0].members[0]"),
    ],
)
def test_each_mistake_names_its_place_and_no_secret(change: dict, place: str) -> None:
    problems = _init.new_team({**copy.deepcopy(ANSWERS), **change}).problems
    assert place in [problem.place for problem in problems]
    assert all(problem.next_step and PASSWORD not in str(problem) for problem in problems)
