# SPDX-License-Identifier: GPL-3.0-or-later
"""What analysts ask passes untouched; what changes, reaches out or spies is refused, quickly, and no message repeats a value."""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path

import pytest

from mcp_bridge import guard_sql
from mcp_bridge.guard_sql import refusal

HERE = Path(__file__).parent


def analyst_queries() -> list[tuple[str, str]]:
    parts = re.split(r"^--# (.*)\n", (HERE / "analyst_queries.sql").read_text(), flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def attacks() -> list[str]:
    return [line for line in (HERE / "attacks.sql").read_text().splitlines() if line and not line.startswith("--")]


QUERIES, ATTACKS = analyst_queries(), attacks()


def test_the_lists_are_long_enough() -> None:
    assert len(QUERIES) >= 60 and len({sql for _, sql in QUERIES}) == len(QUERIES)
    assert len(ATTACKS) >= 120 and len(set(ATTACKS)) == len(ATTACKS)


@pytest.mark.parametrize("sql", [sql for _, sql in QUERIES], ids=[name for name, _ in QUERIES])
def test_an_analysts_query_passes(sql: str) -> None:
    assert refusal(sql) is None


@pytest.mark.parametrize("sql", ATTACKS)
def test_an_attack_is_refused_in_one_sentence_without_its_values(sql: str) -> None:
    why = refusal(sql)
    assert why and "hunter2" not in why and "\n" not in why and len(why) < 250


@pytest.mark.parametrize("sql", ATTACKS)
@pytest.mark.parametrize("wrapped", ["EXPLAIN {}", "SELECT * FROM ({}) s", "WITH a AS ({}) SELECT * FROM a", "SELECT 1 UNION ALL ({})", "SELECT ARRAY({})"])
def test_wrapping_an_attack_does_not_help(sql: str, wrapped: str) -> None:
    assert refusal(wrapped.format(sql))


@pytest.mark.parametrize(("name", "sql"), QUERIES)
@pytest.mark.parametrize("added", ["; COMMIT", ";DROP TABLE orders", "\n; SELECT 1", "\n;/* */SET ROLE postgres--"])
def test_a_second_statement_after_an_honest_one_is_refused(name: str, sql: str, added: str) -> None:
    assert refusal(sql + added)


#: Ways to write a call of f with a text. Each must be seen whatever stands around it.
CALLS = [
    "{f}('a')",
    "pg_catalog.{f}('a')",
    "\"{f}\"('a')",
    '"pg_catalog" . "{f}" (\'a\')',
    "public.{f}(VARIADIC ARRAY['a'])",
    "('a'::text).{f}",
    "t.{f}",
    "(t).{f}",
]
PLACES = [
    "SELECT {}",
    "SELECT 1 FROM orders t WHERE {} IS NULL",
    "SELECT (SELECT 1 ORDER BY {})",
    "VALUES ({})",
    "EXPLAIN SELECT {}",
    "SELECT coalesce({}, NULL)",
]
FUNCTIONS = ["pg_read_file", "set_config", "nextval", "dblink", "query_to_xml", "lo_import", "ts_stat", "pg_of_a_later_release", "current_setting"]


@pytest.mark.parametrize(("call", "place", "function"), list(itertools.product(CALLS, PLACES, FUNCTIONS)))
def test_a_call_is_seen_in_every_spelling_and_place(call: str, place: str, function: str) -> None:
    sql = place.format(call.format(f=function))
    if function == "current_setting" and call.endswith("('a')"):
        sql = sql.replace("'a'", "'app.secret'")
    assert refusal(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_sleep, nextval, query FROM orders",  # columns without a table are never calls
        "SELECT pg_catalog.pg_class.*, pg_class.relname, pg_catalog.pg_class.oid FROM pg_catalog.pg_class",
        "SELECT 1 AS pg_sleep, 2 AS set_config",
        "SELECT lo_price, t.lo_revenue FROM lineorder t",
        "SELECT t.system, t.query, t.schedule, t.net, t.vault FROM t",
        "SELECT * FROM pg_sleep_log, app.sessions_pg_authid",
        "SELECT 'pg_read_file(''x'')', 'pg_authid', $$; COMMIT$$",
        'SELECT "SELECT 1; COMMIT" FROM t',
        "SELECT st_distance(a.geom, b.geom), h3_cell(x), similarity(a.n, b.n) FROM a, b",
        "SELECT to_xml, xmlagg(x) FROM t",
        "SELECT $1, $2::text",
        "SHOW plpgsql.variable_conflict",
        "SHOW ALL",
    ],
)
def test_harmless_likenesses_pass(sql: str) -> None:
    assert refusal(sql) is None


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("", "one statement"),
        (" \n\t", "one statement"),
        (";", "one statement"),
        ("-- SELECT 1", "one statement"),
        ("/* SELECT 1 */;;", "one statement"),
        ("SELECT 1\0; DROP TABLE orders", "NUL"),
        ("SELECT '\ud800'", "Unicode"),
        ("SELECT 'hunter2", "unterminated quoted string at line 1, column 8"),
        ("SELECT $a$hunter2", "unterminated dollar-quoted string at line 1, column 8"),
        ("SELECT /* hunter2", r"unterminated /\* comment at line 1, column 8"),
        ('SELECT "hunter2', "unterminated quoted identifier"),
        ("SELECT\n  größe,\n 'é' 'hunter2' FROM", "syntax error at line 3, column 6"),
        ("SELECT '\\xZZ' hunter2 hunter2", "syntax error at line 1, column 23"),
        ("SELECT U&'\\hunter2'", "not valid"),
        ("SELECT 1 FROM", "syntax error"),
        ("\\! hunter2", "syntax error"),
        ("\ufeffSELECT 1", "syntax error"),
        ("SELECT " + "(" * 40_000 + "1" + ")" * 40_000, "deep"),
        ("SELECT " + "- " * 40_000 + "1", "deep"),
        ("SELECT 1" + "+1" * 40_000, "parts|deep"),
        ("SELECT 1" + "::int" * 9_000, "parts|deep"),
        ("SELECT 1" + " IS NULL" * 12_000, "parts|deep"),
        ("SELECT " + "(SELECT " * 3_000 + "1" + ")" * 3_000, "parts|deep"),
        ("SELECT 1 WHERE 1 IN (1" + ",1" * 45_000 + ")", "parts"),
        ("SELECT 'é" + "é" * 50_000 + "'", "100,000 bytes"),
        ("/*" * 40_000, "comments"),
        ("/**/" * 24_000 + "SELECT 1", "comments"),
        ("SELECT 1 " + "+" * 90_000 + " 1", "operator"),
        ("SELECT 1;" * 3_000, "one statement|parts"),
        ("SELECT hunter2 hunter2 " + "x" * 50_000, "syntax error"),
    ],
)
def test_odd_input_is_refused_cleanly_and_soon(sql: str, said: str) -> None:
    began = time.monotonic()
    why = refusal(sql)
    assert time.monotonic() - began < 1
    assert why and re.search(said, why) and "hunter2" not in why and len(why) < 250


@pytest.mark.parametrize("value", [None, 1, b"SELECT 1", ["SELECT 1"], {"sql": "SELECT 1"}])
def test_what_is_no_text_is_refused(value: object) -> None:
    assert refusal(value)  # type: ignore[arg-type]


def test_nested_as_deeply_as_people_write_passes() -> None:
    assert refusal("SELECT " + "(" * 200 + "1" + ")" * 200) is None
    assert refusal("SELECT " + "(SELECT " * 50 + "1" + ")" * 50) is None
    assert refusal("SELECT " + " || ".join(["a"] * 200) + " FROM t") is None
    assert refusal("SELECT 1 WHERE 1 IN (" + ", ".join(map(str, range(5000))) + ")") is None
    assert refusal("SELECT " + " UNION ALL SELECT ".join(map(str, range(200)))) is None


@pytest.mark.parametrize("character", [chr(number) for number in [*range(1, 32), 127, 0x85, 0xA0, 0x2028, 0xFEFF, 0x1F600]])
def test_any_character_in_a_text_passes(character: str) -> None:
    """The tree comes as JSON: no character of a text may break it, or out of it."""
    assert refusal(f"SELECT 'a{character}b', '\"}}]}}{character}', $$\\\"{character}$$ AS \"c{character}d\"") is None


def test_a_statement_cannot_hide_in_a_field_of_a_type_of_its_own() -> None:
    """In the JSON a field of type Node names its node's kind; one of a fixed type does not. Those of the permitted kinds are all known and harmless."""
    from pglast import ast

    plain = {"List*", "Node*", "Expr*", "char*", "void*", "Bitmapset*"}
    fixed = {
        info.c_type
        for name in guard_sql.READING_NODES
        for info in getattr(getattr(ast, name, None), "__slots__", {}).values()
        if info.c_type.endswith("*") and info.c_type not in plain
    }
    harmless = "Alias CollateClause CTECycleClause CTESearchClause RangeVar SelectStmt TypeName WindowDef WithClause"
    json_parts = "AggConstructor Behavior Format KeyValue Output Returning TablePathSpec ValueExpr"
    # IntoClause is looked for by its field's name; RangeVar stands in ColumnDef only for an identity's sequence, which a SELECT has not.
    assert fixed == {f"{name}*" for name in ["IntoClause", *harmless.split(), *(f"Json{part}" for part in json_parts.split())]}


def test_a_call_is_quick() -> None:
    refusal("SELECT 1")
    took = []
    for _ in range(50):
        began = time.perf_counter()
        refusal("SELECT a, count(*) FROM t JOIN u USING (id) WHERE x > 3 GROUP BY a ORDER BY 2 DESC LIMIT 10")
        took.append(time.perf_counter() - began)
    assert min(took) < 0.0005  # 0.05 ms on the machine that it was written on
