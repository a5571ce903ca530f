# SPDX-License-Identifier: GPL-3.0-or-later
"""What reads documents passes; what writes, runs JavaScript, spies or leaves the environment is refused, at any depth, and no message repeats a value."""

from __future__ import annotations

import json
import time

import pytest

from mcp_bridge.guard_mongodb import HARMFUL, WRITING_TOOLS, refusal

PLACE = {"connectionId": "preconfigured", "database": "shop", "collection": "orders"}


def find(filter_: object, **more: object) -> tuple[str, dict]:
    return "find", {**PLACE, "filter": filter_, **more}


def aggregate(*stages: object) -> tuple[str, dict]:
    return "aggregate", {**PLACE, "pipeline": list(stages)}


def explain(name: str, **arguments: object) -> tuple[str, dict]:
    return "explain", {**PLACE, "method": [{"name": name, "arguments": arguments}]}


def count(query: object) -> tuple[str, dict]:
    return "count", {**PLACE, "query": query}


GROUP = {"$group": {"_id": "$status", "n": {"$sum": 1}}}
READING = [
    find({}),
    find(
        {"status": "open", "total": {"$gte": 10}, "$or": [{"a": {"$in": [1, 2]}}, {"b": {"$regex": "^x"}}]}, projection={"_id": 0, "n": 1}, sort={"total": -1}
    ),
    find({"_id": {"$oid": "65f0c0ffee0123456789abcd"}, "placed": {"$gt": {"$date": "2024-01-01T00:00:00Z"}}}),
    find({"$expr": {"$gt": ["$total", {"$multiply": ["$paid", 2]}]}, "items": {"$elemMatch": {"n": {"$exists": True}}}}),
    find({"$text": {"$search": "coffee"}}, projection={"score": {"$meta": "textScore"}}, sort={"score": {"$meta": "textScore"}}),
    find({"note": "use $where", "code": "function() { return 1 }"}),
    find({"a.$out": 1, "b.$where": 2, "out": 1, "merge": {"into": "x"}, "function": 1, "where": 2}),
    find({"database": "admin", "collection": "system.users", "from": {"db": "x"}}),
    find({"method": "card", "pipeline": "a", "filter": "b"}),
    find(None),
    count({"status": "open"}),
    count({"note": {"$regex": "\\$out"}}),
    aggregate(),
    aggregate({"$match": {"note": "use $where"}}, GROUP, {"$sort": {"n": -1}}, {"$limit": 5}),
    aggregate({"$project": {"x": "$out", "y": "$merge", "z": "$$ROOT", "w": {"$literal": "$function"}}}),
    aggregate({"$match": {"pipeline": [{"step": 1}], "where": {"$ne": None}}}, {"$count": "n"}),
    aggregate({"$lookup": {"from": "customers", "localField": "c", "foreignField": "_id", "as": "customer"}}, {"$unwind": "$customer"}),
    aggregate({"$lookup": {"from": "items", "let": {"o": "$_id"}, "pipeline": [{"$match": {"$expr": {"$eq": ["$order", "$$o"]}}}], "as": "i"}}),
    aggregate({"$lookup": {"from": {"db": "shop", "coll": "customers"}, "localField": "c", "foreignField": "_id", "as": "customer"}}),
    aggregate({"$graphLookup": {"from": "staff", "startWith": "$boss", "connectFromField": "boss", "connectToField": "name", "as": "line"}}),
    aggregate({"$unionWith": "archive"}, {"$unionWith": {"coll": "archive", "pipeline": [{"$match": {"a": 1}}]}}),
    aggregate({"$facet": {"out": [GROUP], "merge": [{"$count": "n"}]}}),
    aggregate(
        {"$setWindowFields": {"partitionBy": "$c", "sortBy": {"d": 1}, "output": {"s": {"$sum": "$t", "window": {"documents": ["unbounded", "current"]}}}}}
    ),
    aggregate({"$bucket": {"groupBy": "$t", "boundaries": [0, 10], "default": "x"}}, {"$addFields": {"a": {"$mergeObjects": ["$a", {"b": 1}]}}}),
    aggregate({"$replaceRoot": {"newRoot": {"$mergeObjects": ["$a", "$b"]}}}, {"$unset": "x"}, {"$sample": {"size": 3}}, {"$indexStats": {}}),
    aggregate({"$vectorSearch": {"index": "v", "path": "e", "queryVector": [0.1, 0.2], "numCandidates": 10, "filter": {"a": 1}}}),
    aggregate({"$rankFusion": {"input": {"pipelines": {"a": [{"$search": {"text": {"query": "x", "path": "y"}}}]}}}}),
    ("aggregate-db", {"database": "shop", "pipeline": [{"$listLocalSessions": {}}]}),
    ("aggregate-db", {"connectionId": "preconfigured", "database": "shop", "pipeline": [{"$documents": [{"a": 1}]}, {"$match": {"a": 1}}]}),
    explain("find", filter={"a": 1}),
    explain("aggregate", pipeline=[GROUP]),
    explain("count", query={"a": 1}),
    ("list-databases", {"connectionId": "preconfigured"}),
    ("list-collections", {"connectionId": "preconfigured", "database": "shop"}),
    *((tool, dict(PLACE)) for tool in ("collection-indexes", "collection-schema", "collection-storage-size", "db-stats")),
]

JAVASCRIPT = {"$function": {"body": "function() { return hunter2 }", "args": [], "lang": "js"}}
ACCUMULATOR = {"$accumulator": {"init": "hunter2", "accumulate": "x", "accumulateArgs": [], "merge": "y", "lang": "js"}}
ATTACKS = [
    # JavaScript
    find({"$where": "hunter2"}),
    find({"$and": [{"a": 1}, {"$or": [{"$nor": [{"$where": "sleep(9999) || 'hunter2'"}]}]}]}),
    find({"$where": {"$code": "hunter2"}}),
    find({"a": {"$code": "hunter2", "$scope": {}}}),
    find({"$expr": JAVASCRIPT}),
    find({}, projection={"a": JAVASCRIPT}),
    find({}, sort={"$where": 1}),
    find({"__proto__": {"$where": "hunter2"}}),
    count({"$where": "hunter2"}),
    count({"$expr": {"$gt": [JAVASCRIPT, 1]}}),
    aggregate({"$match": {"$where": "hunter2"}}),
    aggregate({"$project": {"x": {"$add": [1, {"$ifNull": [JAVASCRIPT, 0]}]}}}),
    aggregate({"$addFields": {"x": {"$map": {"input": "$a", "in": JAVASCRIPT}}}}),
    aggregate({"$group": {"_id": None, "x": ACCUMULATOR}}),
    aggregate({"$setWindowFields": {"output": {"x": ACCUMULATOR}}}),
    aggregate({"$facet": {"a": [{"$group": {"_id": None, "x": ACCUMULATOR}}]}}),
    aggregate({"$lookup": {"from": "a", "pipeline": [{"$match": {"$expr": JAVASCRIPT}}], "as": "x"}}),
    aggregate({"$graphLookup": {"from": "a", "restrictSearchWithMatch": {"$expr": JAVASCRIPT}}}),
    aggregate({"$project": {"x": {"$_internalJsEmit": {"eval": "hunter2", "this": "$$ROOT"}}}}),
    aggregate({"$project": {"x": {"$eval": "hunter2"}}}),
    explain("find", filter={"$where": "hunter2"}),
    explain("aggregate", pipeline=[{"$match": {"$where": "hunter2"}}]),
    explain("count", query={"$where": "hunter2"}),
    # writing
    aggregate({"$match": {}}, {"$out": "hunter2"}),
    aggregate({"$out": {"db": "hunter2", "coll": "x"}}),
    aggregate({"$merge": "hunter2"}),
    aggregate({"$match": {}}, {"$merge": {"into": {"db": "hunter2", "coll": "x"}, "whenMatched": "replace"}}),
    aggregate({"$match": {}, "$out": "hunter2"}),
    aggregate({"$lookup": {"from": "a", "pipeline": [{"$out": "hunter2"}], "as": "x"}}),
    aggregate({"$facet": {"a": [{"$merge": "hunter2"}]}}),
    aggregate({"$unionWith": {"coll": "a", "pipeline": [{"$merge": {"into": "hunter2"}}]}}),
    aggregate({"$lookup": {"from": "a", "pipeline": [{"$facet": {"b": [{"$unionWith": {"coll": "c", "pipeline": [{"$out": "hunter2"}]}}]}}], "as": "x"}}),
    ("aggregate-db", {"database": "shop", "pipeline": [{"$documents": [{"a": "hunter2"}]}, {"$merge": "orders"}]}),
    explain("aggregate", pipeline=[{"$out": "hunter2"}]),
    aggregate({"$aStageOfALaterRelease": {"into": "hunter2"}}),
    aggregate({"a": "hunter2"}),
    aggregate("$out"),
    aggregate([{"$out": "hunter2"}]),
    ("aggregate", {**PLACE, "pipeline": {"0": {"$out": "hunter2"}}}),
    ("aggregate", {**PLACE, "pipeline": json.dumps([{"$out": "hunter2"}])}),
    find(json.dumps({"$where": "hunter2"})),
    ("count", {**PLACE, "query": json.dumps({"$where": "hunter2"})}),
    explain("find", filter='{"$where": "hunter2"}'),
    explain("aggregate", pipeline='[{"$out": "hunter2"}]'),
    explain("mapReduce", map="hunter2"),
    ("explain", {**PLACE, "method": {"name": "find"}}),
    ("explain", {**PLACE, "method": [{"name": "find", "arguments": [{"$where": "hunter2"}]}]}),
    # other sessions, streams that never end, the server's own stages
    *(
        ("aggregate-db", {"database": "shop", "pipeline": [{name: {"allUsers": True}}]})
        for name in ("$currentOp", "$listLocalSessions", "$queryStats", "$changeStream")
    ),
    *(aggregate({name: {}}) for name in ("$listSessions", "$planCacheStats", "$listSampledQueries", "$changeStream", "$backupCursor", "$_internalAnything")),
    aggregate({"$unionWith": {"coll": "a", "pipeline": [{"$currentOp": {"allUsers": True}}]}}),
    # other places
    ("find", {**PLACE, "database": "admin", "collection": "hunter2"}),
    ("find", {**PLACE, "database": "local", "collection": "oplog.rs"}),
    ("count", {**PLACE, "database": "config"}),
    ("find", {**PLACE, "collection": "system.profile"}),
    ("find", {**PLACE, "collection": "system.js"}),
    ("find", {**PLACE, "collection": "$cmd.sys.inprog"}),
    ("collection-schema", {**PLACE, "collection": "system.users"}),
    aggregate({"$lookup": {"from": "system.profile", "pipeline": [], "as": "x"}}),
    aggregate({"$lookup": {"from": {"db": "hunter2", "coll": "x"}, "as": "x"}}),
    aggregate({"$lookup": {"from": {"db": "local", "coll": "oplog.rs"}, "as": "x"}}),
    aggregate({"$graphLookup": {"from": "system.users"}}),
    aggregate({"$unionWith": "system.profile"}),
    aggregate({"$unionWith": {"db": "hunter2", "coll": "x"}}),
    aggregate({"$unionWith": {"coll": "system.profile"}}),
    aggregate({"$facet": {"a": [{"$lookup": {"from": {"db": "hunter2", "coll": "x"}}}]}}),
    # tools
    *((tool, dict(PLACE)) for tool in sorted(WRITING_TOOLS)),
    ("insert-many", {**PLACE, "documents": [{"a": "hunter2"}]}),
    ("connect", {"connectionString": "mongodb://hunter2"}),
    *((tool, dict(PLACE)) for tool in ("disconnect", "list-connections", "export", "mongodb-logs", "mapReduce", "eval", "", "FIND", "find ", "hunter2")),
    *((tool, {}) for tool in ("atlas-create-db-user", "atlas-local-create-deployment", "atlas-streams-manage", "search-knowledge")),
    # odd
    find({"a\0": "hunter2"}),
    find({"a": [0] * 200_000}),
    ("find", ["hunter2"]),
    ("find", "hunter2"),
    ("find", None),
]


@pytest.mark.parametrize(("tool", "arguments"), READING)
def test_reading_passes(tool: str, arguments: dict) -> None:
    before = json.dumps(arguments)
    assert refusal(tool, arguments) is None
    assert json.dumps(arguments) == before


@pytest.mark.parametrize(("tool", "arguments"), ATTACKS)
def test_an_attack_is_refused_in_one_sentence_without_its_values(tool: str, arguments: dict) -> None:
    why = refusal(tool, arguments)
    assert why and "hunter2" not in why and "\n" not in why and len(why) < 250


@pytest.mark.parametrize("operator", sorted({name for names in HARMFUL.values() for name in names.split()} | {"$out", "$merge", "$_x"}))
@pytest.mark.parametrize("depth", [0, 1, 2, 50, 5_000])
def test_a_harmful_key_is_found_at_any_depth(operator: str, depth: int) -> None:
    """5,000: deeper than Python recurses and than BSON allows; an answer all the same."""
    value: object = {operator: "hunter2"}
    for level in range(depth):
        value = {"a": value} if level % 2 else [value, 1]
    assert refusal(*find({"x": value})) and refusal(*aggregate({"$match": {"x": value}}))


@pytest.mark.parametrize("tool", sorted(WRITING_TOOLS))
def test_writing_tools_pass_where_writing_is_meant(tool: str) -> None:
    assert refusal(tool, dict(PLACE), read_only=False) is None


def test_where_writing_is_meant_the_rest_still_holds() -> None:
    assert refusal(*aggregate({"$match": {}}, {"$merge": "x"}), read_only=False) is None
    assert refusal(*aggregate({"$match": {}}, {"$out": "x"}), read_only=False) is None
    for tool, arguments in [
        aggregate({"$merge": {"into": "x", "whenMatched": [{"$set": {"a": JAVASCRIPT}}]}}),
        find({"$where": "1"}),
        aggregate({"$merge": {"into": {"db": "other", "coll": "x"}}}),
        aggregate({"$merge": {"into": "system.js"}}),
        aggregate({"$out": {"db": "admin", "coll": "x"}}),
        ("update-many", {**PLACE, "filter": {"$where": "1"}, "update": {"$set": {"a": 1}}}),
        ("delete-many", {**PLACE, "filter": {"$expr": JAVASCRIPT}}),
        ("delete-many", {**PLACE, "database": "admin"}),
        ("drop-collection", {**PLACE, "collection": "system.js"}),
        ("insert-many", {**PLACE, "collection": "system.js", "documents": []}),
        ("connect", {}),
        ("export", dict(PLACE)),
    ]:
        assert refusal(tool, arguments, read_only=False)


def test_documents_that_are_stored_are_not_read_as_operators() -> None:
    documents = [{"rule": {"$where": "1", "$out": "x"}}]
    assert refusal("insert-many", {**PLACE, "documents": documents}, read_only=False) is None
    assert refusal("update-many", {**PLACE, "documents": documents}, read_only=False)


def test_a_call_is_quick_and_a_huge_one_bounded() -> None:
    began = time.perf_counter()
    for _ in range(100):
        refusal(*aggregate({"$match": {"a": 1}}, GROUP))
    assert time.perf_counter() - began < 0.1
    began = time.perf_counter()
    assert refusal(*find({"a": [{"b": n} for n in range(300_000)]}))
    assert time.perf_counter() - began < 2
