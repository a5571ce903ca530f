# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string as connection_string

ODD = ["p@ss", "a:b", "a/b", "100%", "what?", "#1", "it's", 'say "x"', "back\\slash", "$HOME", "with space", "grüße", "漢字", "x" * 200, "%41", "+", "a&b=c"]


@pytest.mark.parametrize("engine", ["postgres", "mongodb"])
@pytest.mark.parametrize("password", ODD)
def test_s6_values_arrive_byte_for_byte(engine: str, password: str) -> None:
    text = connection_string.render(
        engine, f"u{password[:20]}", password, "db.internal", 1234, "shop", {"sslmode": "verify-full"} if engine == "postgres" else {}
    )
    connection = connection_string.parse(text, engine)
    assert (connection.user, connection.password) == (f"u{password[:20]}", password)
    assert (connection.host, connection.port, connection.database) == ("db.internal", 1234, "shop")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mysql://u:p@h/d", "must start with postgresql://"),
        ("postgresql://u:p@h1,h2/d", "is not postgresql://"),
        ("postgresql://u:p@ss@h/d", "is not postgresql://"),
        ("postgresql://u:p/x@h/d", "is not postgresql://"),
        ("postgresql://u:100%@h/d", "must be percent-encoded"),
        ("postgresql://u:a b@h/d", "must be percent-encoded"),
        ("postgresql://u:grüße@h/d", "must be percent-encoded"),
        ("postgresql://u:%ff@h/d", "not UTF-8"),
        ("postgresql://u:a%0Ab@h/d", "control character"),
        ("postgresql://u:%C2%BD@h/d", "normal form NFKC"),
        ("postgresql://u:p@h/", "names no database"),
        ("postgresql://u:@h/d", "names no password"),
        ("postgresql://u@h/d", "is not postgresql://"),
        ("postgresql://u:p@h:99999/d", "port outside"),
        ("postgresql://u:p@h/d?host=evil", "not allowed"),
        ("postgresql://u:p@h/d?sslmode=verify-full&sslmode=disable", "parameter twice"),
        ("postgresql://u:p@%2Fvar%2Frun/d", "is not postgresql://"),
        ("postgresql:///d?service=x", "is not postgresql://"),
        ("x" * 9000, "longer than"),
    ],
)
def test_everything_else_is_refused_and_not_quoted(text: str, says: str) -> None:
    with pytest.raises(connection_string.ConnectionStringError, match=says) as caught:
        connection_string.parse(text, "postgres")
    assert "evil" not in str(caught.value) and "p@ss" not in str(caught.value)


def test_a_string_that_disagrees_with_the_inventory_is_told_by_part() -> None:
    declared = {"host": "db1", "port": 5432, "database": "shop", "parameters": {"sslmode": "verify-full"}}
    connection = connection_string.parse("postgresql://u:p@db2:5433/other?sslmode=disable", "postgres")
    assert connection_string.disagreements(connection, declared) == [
        "host (the inventory says db1)",
        "port (the inventory says 5432)",
        "database (the inventory says shop)",
        "sslmode (the inventory says verify-full)",
    ]
