# SPDX-License-Identifier: GPL-3.0-or-later
"""client.yml's rules: who may have a token, which one is replaced, which one ends when."""

from __future__ import annotations

import json

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _clients_plan as rules
from ansible_collections.mcp.tenancy.plugins.module_utils import _registrations, _registry_tokens

DATABASE = {"host": "db.internal", "database": "x", "ca": "ca.pem"}
DECLARATION = {
    "mcp_team": "team_a",
    "mcp_environments": [
        {
            "name": "dev",
            "postgres": {**DATABASE, "users": {"accepts": ["stored"]}},
            "members": ["Alice@team-a.example", {"email": "bob@team-a.example", "role": "owner"}],
        },
        {"name": "prod", "postgres": {**DATABASE, "database": "y"}, "members": ["alice@team-a.example"], "hosts": ["gw2", "gw3"]},
    ],
}
ALICE, FILE = "alice@team-a.example", "ci:/home/ann/alice.json"
CLIENT = {"name": "s", "user": ALICE, "team": "t", "server": "s", "expires_in_days": 30, "renew_within_days": 10}
NOW = 1_000_000


def asked(**given: str) -> dict:
    return rules.order(DECLARATION, {"do": "add", "user": ALICE, **given})


def test_an_order_names_the_environments_that_the_person_is_in() -> None:
    assert asked() == {"do": "add", "user": ALICE, "environments": ["dev", "prod"], "overlap": 86400}
    assert asked(user="BOB@team-a.example")["environments"] == ["dev"]
    assert asked(environment="prod")["environments"] == ["prod"]
    assert asked(do="list", user="")["environments"] == ["dev", "prod"]
    assert asked(do="revoke", user="gone@team-a.example")["environments"] == ["dev", "prod"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"do": ""}, "none of add, renew, revoke, list"),
        ({"user": ""}, "not the address of a person"),
        ({"user": "eve@team-a.example"}, "no member of dev or prod"),
        ({"user": "bob@team-a.example", "environment": "prod"}, "no member of prod"),
        ({"environment": "prd"}, "use prod"),
        ({"do": "revoke", "user": "x"}, "not the address of a person"),
    ],
)
def test_what_is_refused_has_a_next_step(given: dict, says: str) -> None:
    with pytest.raises(rules.ClientsError, match=says) as caught:
        asked(**given)
    assert "Next: " in str(caught.value)


def test_all_mistakes_of_an_order_are_told_at_once() -> None:
    with pytest.raises(rules.ClientsError) as caught:
        asked(do="ad", user="x", environment="test")
    assert len(str(caught.value).splitlines()) == 3


def test_a_persons_file_has_an_entry_for_each_virtual_server_under_the_servers_name() -> None:
    found = rules.clients(DECLARATION, ALICE, ["dev", "prod"])
    assert [(one["name"], one["server"], one["team"], one["user"]) for one in found] == [
        ("team-a-dev-postgres-users", "team-a-dev-postgres-users", "team-a-dev", ALICE),
        ("team-a-dev", "team-a-dev", "team-a-dev", ALICE),
        ("team-a-prod", "team-a-prod", "team-a-prod", ALICE),
    ]
    assert [one["server"] for one in rules.clients(DECLARATION, "bob@team-a.example", ["dev", "prod"])] == ["team-a-dev-postgres-users", "team-a-dev"]


def test_of_several_hosts_the_first_one_that_has_an_environment_makes_its_tokens() -> None:
    hosts = ["gw1", "gw2", "gw3"]
    assert [rules.on_host(DECLARATION, ["dev", "prod"], hosts, host) for host in hosts] == [["dev"], ["prod"], []]
    assert rules.on_host(DECLARATION, ["dev", "prod"], ["gw3"], "gw3") == ["dev", "prod"], "--limit chooses"


def test_roles_are_told_to_the_gateway_in_its_own_words() -> None:
    (dev, _prod) = _registrations.registry(DECLARATION)["teams"]
    assert [member["role"] for member in dev["members"]] == ["member", "owner"]


def token(number: int, file: str = FILE, live: bool = True, until: int | None = None, **more: object) -> dict:
    description = {"file": file, **({"until": until} if until else {})}
    row = {"id": f"id{number}", "name": f"client.yml:s#{number}", "description": json.dumps(description), "user": ALICE, "team_id": "T", "server_id": "S"}
    row |= {"created_at": number * 1000, "expires_at": NOW + 10**6, "revoked_at": None, "last_used": None, "live": live}
    return row | more


def claims(number: int) -> dict:
    return {"user": ALICE, "team_ids": ["T"], "server_id": "S", "issued_at": number * 1000 + 1, "expires_at": NOW + 10**6}


def planned(held: int | None, reason: str | None, tokens: list[dict], seconds: int = 3600) -> dict:
    return rules.plan(CLIENT, claims(held) if held else {}, reason, tokens, FILE, NOW, seconds)


def test_a_first_token_replaces_nothing() -> None:
    assert planned(None, "missing", []) == {"name": "client.yml:s#1", "description": json.dumps({"file": FILE}), "until": None, "over": []}


def test_a_renewed_token_stays_for_the_overlap_and_ends_with_the_run_after_it() -> None:
    made = planned(1, rules.ASKED, [token(1)])
    assert (made["name"], made["until"], made["over"]) == ("client.yml:s#2", NOW + 3600, [])
    after = [token(1), token(2, description=made["description"])]
    assert planned(2, None, after) == {"name": None, "description": None, "until": NOW + 3600, "over": []}, "within the overlap"
    assert rules.plan(CLIENT, claims(2), None, after, FILE, NOW + 3600, 3600)["over"] == ["id1"], "over"


def test_without_an_overlap_the_one_before_ends_as_soon_as_the_file_is_written() -> None:
    made = planned(1, rules.ASKED, [token(1)], seconds=0)
    assert (made["until"], made["over"]) == (None, ["id1"])


def test_what_a_run_that_was_cut_short_has_made_ends_since_no_file_has_it() -> None:
    tokens = [token(1), token(2, until=NOW + 9)]
    assert planned(1, None, tokens)["over"] == ["id2"]
    made = planned(1, rules.ASKED, tokens)
    assert (made["name"], made["over"], made["until"]) == ("client.yml:s#3", ["id2"], NOW + 3600)


def test_of_a_file_that_was_lost_nothing_ends_at_once_since_somebody_may_have_a_copy() -> None:
    made = planned(None, "missing", [token(1), token(2)])
    assert (made["over"], made["until"]) == ([], NOW + 3600)
    after = [token(1), token(2), token(3, description=made["description"])]
    assert rules.plan(CLIENT, claims(3), None, after, FILE, NOW + 3600, 0)["over"] == ["id1", "id2"]


def test_other_files_other_people_and_the_registrys_tokens_are_never_touched() -> None:
    others = [
        token(4, file="ci:/other.json"), token(5, user="bob@team-a.example"), token(6, name="client.yml:s2#6"),
        token(7, name="s/s#7"), token(8, live=False), token(9, description="by hand"),
    ]  # fmt: skip
    for reason in (None, rules.ASKED, "missing"):
        assert planned(1, reason, [token(1), *others])["over"] == []
    deploys = {"name": "s", "server": "s"}
    assert _registry_tokens.tokens_to_revoke(deploys, [token(1), token(2)], {}, "missing") == [], "and a deploy ends none of ours"


def test_a_file_that_was_moved_takes_its_token_along() -> None:
    moved = token(1, file="ci:/before.json")
    made = planned(1, rules.ASKED, [moved])
    assert json.loads(made["description"]) == {"file": FILE, "until": NOW + 3600, "after": "id1"}
    after = [moved, token(2, description=made["description"])]
    assert rules.plan(CLIENT, claims(2), None, after, FILE, NOW + 3600, 0)["over"] == ["id1"]


def test_two_files_that_were_written_in_the_same_second_are_told_apart() -> None:
    tokens = [token(1), token(2, file="ci:/other.json", created_at=1000)]
    assert rules.row_of(claims(1), CLIENT, FILE, tokens)["id"] == "id1"
    assert rules.row_of(claims(1), CLIENT, "ci:/other.json", tokens)["id"] == "id2"


def test_revoking_takes_a_persons_own_of_one_file_or_of_all() -> None:
    tokens = [token(1), token(2, file="ci:/other.json"), token(3, user="bob@team-a.example"), token(4, live=False), token(5, name="s/s#5")]
    assert [one["id"] for one in rules.to_revoke(ALICE, ["s"], None, tokens)] == ["id1", "id2"]
    assert [one["id"] for one in rules.to_revoke(ALICE, ["s"], FILE, tokens)] == ["id1"]
    assert rules.to_revoke(ALICE, ["other"], None, tokens) == []


def test_the_list_says_of_each_token_how_it_stands() -> None:
    place = {"environment": "dev", "server": "s", "server_id": "S", "members": [ALICE]}
    tokens = [
        token(1, file="a"), token(2, file="a", until=NOW + 60), token(3, file="b"), token(4, file="b", until=NOW - 60), token(5, name="s/s#5"),
        token(6, name="x#6", description=""), token(7, file="c", live=False, revoked_at=NOW - 5), token(8, file="d", live=False, expires_at=NOW - 5),
        token(9, file="e", live=False, revoked_at=NOW - 8 * 86400), token(10, file="f", user="gone@team-a.example"), token(11, server_id="other"),
    ]  # fmt: skip
    found = {row["file"] + " " + row["made"][11:19]: row["state"] for row in rules.rows(tokens, [place], "", NOW)}
    assert list(found.values()) == [
        f"replaced, valid until {rules.moment(NOW + 60)}",
        "valid",
        "replaced, ends with the next run for its file",
        "valid",
        "revoked",
        "expired",
        "valid",
        "valid",
        "no member: ends with the next deploy",
    ]
    assert {row["user"] for row in rules.rows(tokens, [place], ALICE, NOW)} == {ALICE}
    assert {"the deploy's client.json", "made by hand: x#6"} <= {row["file"] for row in rules.rows(tokens, [place], "", NOW)}
