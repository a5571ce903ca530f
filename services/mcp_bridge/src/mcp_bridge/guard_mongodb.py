# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a call of mongodb-mcp-server's tools only reads. A pure function: tool and arguments in, reason of the refusal or None out.

The server has a read-only mode of its own, which looks for ``$out`` and ``$merge`` among a pipeline's outer stages; JavaScript is a second setting.
This guard does not depend on either, and knows more:

- **Tools by allow-list** (those of 3.0.4). ``connect`` opens any connection string that a model is given, ``export`` leaves files on the host,
  ``mongodb-logs`` shows everybody's operations, ``atlas-*`` manage clusters: they have no place behind one environment's login.
- **A pipeline's outer stages by allow-list**, since only there a stage can write, and a later MongoDB may bring another one.
- **Operators that run JavaScript, write, or show other sessions, refused as keys at any depth.** A key that is an operator's whole name is never
  a field's name where the server evaluates it, so no grammar of positions is needed, and none can be outwitted. What is a value (``"$out"`` is a
  field path), a part of a name (``"a.$out"``) or a text is left alone, and so are the documents of insert-many, which are only stored.
- **Other places**: the databases admin, local and config and collections named ``system.*`` hold credentials, the operation log and other
  callers' queries; ``from: {db, coll}`` leaves the database that the call names and the audit shows. Which databases the login may read is its grants' affair.

Stages that show other sessions ($currentOp, $listSessions, $planCacheStats ...) are refused: members share a login, and it would show each one's values to all.
What a call costs (time, documents, bytes) is bounded elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


READING_TOOLS = _set(
    "aggregate aggregate-db collection-indexes collection-schema collection-storage-size count db-stats explain find list-collections list-databases"
)
WRITING_TOOLS = _set("create-collection create-index delete-many drop-collection drop-database drop-index insert-many rename-collection update-many")
READING_STAGES = _set(
    """
    $addFields $bucket $bucketAuto $collStats $count $densify $documents $facet $fill $geoNear $graphLookup $group $indexStats $limit $listSearchIndexes
    $lookup $match $project $rankFusion $redact $replaceRoot $replaceWith $rerank $sample $score $scoreFusion $search $searchMeta $set $setWindowFields
    $skip $sort $sortByCount $unionWith $unset $unwind $vectorSearch
    """
)
#: Without options it names the caller's own login and its sessions, no query: the one way to ask "who am I?" through the tools.
WHO_AM_I = "$listLocalSessions"
WRITING_STAGES = frozenset({"$out", "$merge"})
#: What these operators do, and their names.
HARMFUL = {
    "runs JavaScript in the database": "$where $function $accumulator $eval $code",
    "shows what other sessions do": "$currentOp $listSessions $listLocalSessions $listSampledQueries $planCacheStats $queryStats $querySettings "
    "$operationMetrics",
    "never ends": "$changeStream",
    "is for the server's own use": "$backupCursor $backupCursorExtend $mergeCursors",
}
#: Where operators stand. The server takes objects and lists there; a text would go past this guard.
STRUCTURED = ("filter", "query", "projection", "sort", "pipeline", "update")
#: Stages that name another collection than the call.
FOREIGN = ("$lookup", "$graphLookup", "$unionWith", "$out", "$merge")
CLOSED_DATABASES = frozenset({"admin", "config", "local"})
MAX_PARTS = 100_000

_HARMFUL = {name: why for why, names in HARMFUL.items() for name in names.split()}


class _Refused(Exception):
    """Ends the walk; its text is the reason."""


def refusal(tool: str, arguments: dict, read_only: bool = True) -> str | None:
    """None for a call that may pass; else one short sentence that says what is refused and what to do instead.

    ``arguments`` is plain JSON data. ``read_only=False`` lets the writing tools and the stages $out and $merge through, and nothing else.
    The sentence never repeats a value of ``arguments``; it may name an operator. No exception leaves this function.
    """
    try:
        _tool(tool, read_only)
        if not isinstance(arguments, dict):
            raise _Refused("the arguments are not an object; send them by name")
        evaluated = {name: value for name, value in arguments.items() if not (tool == "insert-many" and name == "documents")}
        _call(evaluated, read_only)
        _methods(evaluated, read_only)
        for name, value in _walk(evaluated):
            _operator(name, value, read_only)
            if name in FOREIGN:
                _foreign(value, arguments.get("database"))
    except _Refused as refused:
        return str(refused)
    return None


def _tool(tool: str, read_only: bool) -> None:
    if tool in READING_TOOLS or (tool in WRITING_TOOLS and not read_only):
        return
    if tool in WRITING_TOOLS:
        raise _Refused(f"the tool {tool} is refused, this connection only reads; use find or aggregate")
    raise _Refused("this tool is refused, it is not one that works on this connection's data; use find, aggregate or count")


def _call(arguments: dict, read_only: bool) -> None:
    """What a call names, and the shapes of what the server evaluates."""
    _database(arguments.get("database"))
    _collection(arguments.get("collection"))
    for name in STRUCTURED:
        if isinstance(arguments.get(name), str):
            raise _Refused(f"{name} is a text; send it as an object or a list")
    if "pipeline" in arguments:
        _pipeline(arguments["pipeline"], read_only)


def _methods(arguments: dict, read_only: bool) -> None:
    """``explain`` carries calls inside: ``method: [{name, arguments}]``."""
    methods = arguments.get("method", [])
    if not isinstance(methods, list) or not all(isinstance(method, dict) for method in methods):
        raise _Refused("method is not a list of objects; send [{name, arguments}]")
    for method in methods:
        if method.get("name") not in ("aggregate", "find", "count") or not isinstance(method.get("arguments", {}), dict):
            raise _Refused("only aggregate, find and count can be explained; send [{name, arguments}]")
        _call(method.get("arguments", {}), read_only)


def _pipeline(pipeline: object, read_only: bool) -> None:
    if not isinstance(pipeline, list) or not all(isinstance(stage, dict) for stage in pipeline):
        raise _Refused("pipeline is not a list of objects; send it as one")
    for name, value in (item for stage in pipeline for item in stage.items()):
        _operator(name, value, read_only)
        if name != WHO_AM_I and name not in READING_STAGES and name not in WRITING_STAGES:
            raise _Refused("a stage of the pipeline is refused, it is not known to read only documents; use $match, $group, $project, $lookup and the like")


def _walk(value: object) -> Iterator[tuple[str, object]]:
    """Each key at any depth with its value. No recursion, so no limit of depth; bounded in number."""
    open_values, parts = [value], 0
    while open_values:
        value = open_values.pop()
        parts += 1
        if parts > MAX_PARTS:
            raise _Refused("the arguments have too many parts; ask for less at once")
        if isinstance(value, dict):
            yield from value.items()
            open_values.extend(value.values())
        elif isinstance(value, list):
            open_values.extend(value)


def _operator(name: object, value: object, read_only: bool) -> None:
    if not isinstance(name, str) or "\0" in name:
        raise _Refused("the name of a field is no proper text; send it without NUL characters")
    if name.startswith("$_"):
        raise _Refused("operators that begin with $_ are refused, they are for the server's own use; use documented ones")
    if (why := _HARMFUL.get(name)) and not (name == WHO_AM_I and value == {}):
        raise _Refused(f"{name} is refused, it {why}; use $expr and the other operators")
    if read_only and name in WRITING_STAGES:
        raise _Refused(f"{name} is refused, this connection only reads; end the pipeline without it")


def _foreign(target: object, database: object) -> None:
    """The collection that a stage names besides the call's own: a text, ``{db, coll}``, or either of them as ``from`` or ``into``."""
    for place in (target, *(target.get(key) for key in ("from", "into", "coll") if isinstance(target, dict))):
        if isinstance(place, dict):
            _collection(place.get("coll"))
            if "db" in place and place["db"] != database:
                raise _Refused("a stage works on another database than the call names and is refused; make a call of its own for that database")
        else:
            _collection(place)


def _database(name: object) -> None:
    if isinstance(name, str) and name.lower() in CLOSED_DATABASES:
        raise _Refused("the databases admin, config and local are refused, they are the server's own; name the database of this environment")


def _collection(name: object) -> None:
    if isinstance(name, str) and (name.startswith(("system.", "$")) or "\0" in name):
        raise _Refused("collections named system.* are refused, they are the server's own; name one that holds documents")
