# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a text is one reading PostgreSQL statement. A pure function: text in, reason of the refusal or None out.

PostgreSQL's own grammar reads the text (``pglast`` carries it), so that comments, dollar quotes, ``U&""`` escapes and odd white space hide nothing.
Then every node of the tree is visited, whatever field it hangs on, and judged by three rules:

- **Kinds of nodes by allow-list.** What is not known to read is refused: DML, DDL, COPY, CALL, SET, and what a later grammar may add, at any depth.
- **Functions named ``pg_*`` by allow-list.** That prefix is PostgreSQL's own, nearly all of its administration wears it, and each release adds some.
- **All other functions by deny-list**, in whatever schema. Teams have functions of their own and extensions such as PostGIS; an allow-list would
  refuse honest questions all day, until somebody switches the guard off. A name says nothing about what a team's own function does: a function
  that writes passes here. The login's grants are the wall; this guard stands before it, and keeps members who share one login out of each other's way.

``t.f`` and ``(t).f`` call the function ``f`` of ``t`` when ``t`` has no such column, so names after a dot are judged like functions.
Row locks are refused: they make writers wait until the transaction ends. So are tables that show password hashes, credentials, file contents, samples of
other people's rows (``pg_statistic``), and the texts of other sessions' statements, which carry their literals.

Not for this module: what a statement costs (time, rows and bytes are bounded elsewhere), and servers with ``standard_conforming_strings = off``, which
read a backslash before a quote in another way than this parser does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pglast.parser import ParseError, parse_sql_json

MAX_BYTES = 100_000
#: Of the tree as JSON. Bounds memory and time: a list of 5,000 numbers fits three times over.
MAX_TREE = 1_000_000
#: The lexer's time is quadratic in these; see the tests.
MAX_COMMENTS = 1_000
LONG_OPERATOR = re.compile(r"[-+*<>=~!@#%^&|`?]{1000}")


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


READING_NODES = _set(
    """
    SelectStmt ResTarget WithClause CommonTableExpr SubLink SetToDefault RangeVar JoinExpr RangeSubselect RangeFunction RangeTableSample
    RangeTableFunc RangeTableFuncCol ColumnDef Alias ColumnRef A_Star A_Const A_Expr A_ArrayExpr A_Indirection A_Indices ParamRef RowExpr List String
    Integer Float Boolean BitString TypeCast TypeName CollateClause BoolExpr NullTest BooleanTest CaseExpr CaseWhen CoalesceExpr MinMaxExpr
    SQLValueFunction FuncCall NamedArgExpr SortBy WindowDef GroupingSet GroupingFunc XmlExpr XmlSerialize JsonTable JsonTableColumn JsonTablePathSpec
    JsonFuncExpr JsonValueExpr JsonOutput JsonReturning JsonFormat JsonArgument JsonBehavior JsonIsPredicate JsonObjectConstructor
    JsonArrayConstructor JsonArrayQueryConstructor JsonAggConstructor JsonObjectAgg JsonArrayAgg JsonKeyValue JsonParseExpr JsonScalarExpr
    JsonSerializeExpr
    """
)
SAMPLING = frozenset({"bernoulli", "system", "system_rows", "system_time"})

#: Functions of PostgreSQL's own prefix that only read, and nothing of other sessions.
READING_PG = _set(
    """
    pg_available_extension_versions pg_available_extensions pg_backend_pid pg_basetype pg_blocking_pids pg_char_to_encoding pg_client_encoding
    pg_collation_actual_version pg_collation_for pg_column_compression pg_column_is_updatable pg_column_size pg_column_toast_chunk_id
    pg_conf_load_time pg_current_snapshot pg_current_wal_flush_lsn pg_current_wal_insert_lsn pg_current_wal_lsn pg_current_xact_id_if_assigned
    pg_database_collation_actual_version pg_describe_object pg_encoding_max_length pg_encoding_to_char pg_extension_update_paths pg_filenode_relation
    pg_freespace pg_get_acl pg_get_catalog_foreign_keys pg_get_constraintdef pg_get_expr pg_get_function_arg_default pg_get_function_arguments
    pg_get_function_identity_arguments pg_get_function_result pg_get_function_sqlbody pg_get_functiondef pg_get_indexdef pg_get_keywords
    pg_get_object_address pg_get_partition_constraintdef pg_get_partkeydef pg_get_publication_tables pg_get_replica_identity_index pg_get_ruledef
    pg_get_sequence_data pg_get_serial_sequence pg_get_statisticsobjdef pg_get_statisticsobjdef_columns pg_get_statisticsobjdef_expressions
    pg_get_triggerdef pg_get_userbyid pg_get_viewdef pg_get_wait_events pg_has_role pg_identify_object pg_identify_object_as_address
    pg_index_column_has_property pg_index_has_property pg_indexam_has_property pg_indexam_progress_phasename pg_input_error_info pg_input_is_valid
    pg_is_in_recovery pg_is_other_temp_schema pg_is_wal_replay_paused pg_jit_available pg_last_committed_xact pg_last_wal_receive_lsn
    pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_listening_channels pg_lock_status pg_lsn pg_my_temp_schema pg_notification_queue_usage
    pg_options_to_table pg_partition_ancestors pg_partition_root pg_partition_tree pg_postmaster_start_time pg_relation_filenode
    pg_relation_is_publishable pg_relation_is_updatable pg_relpages pg_safe_snapshot_blocking_pids pg_sequence_last_value pg_sequence_parameters
    pg_settings_get_flags pg_show_all_settings pg_size_bytes pg_size_pretty pg_snapshot_xip pg_snapshot_xmax pg_snapshot_xmin pg_split_walfile_name
    pg_stat_have_stats pg_stat_statements_info pg_tablespace_databases pg_tablespace_location pg_timezone_abbrevs pg_timezone_names pg_trigger_depth
    pg_typeof pg_visible_in_snapshot pg_wal_lsn_diff pg_walfile_name pg_walfile_name_offset pg_xact_commit_timestamp pg_xact_commit_timestamp_origin
    pg_xact_status
    """
)
READING_PG_FAMILIES = re.compile(
    r"pg_(?:stat_get_(?!activity$|backend_|wal_receiver$)\w+|\w+_is_visible|(?:relation|total_relation|table|indexes|database|tablespace)_size)"
)

#: What these functions do, and their names. Whole families stand in FAMILIES.
HARMFUL = {
    "executes SQL that is hidden in a text": "ts_stat ts_rewrite crosstab crosstab2 crosstab3 crosstab4 crosstabn connectby xpath_table cypher",
    "works on large objects": "loread lowrite lo_manage lo_oid lo_creat lo_create lo_close lo_export lo_from_bytea lo_get lo_import lo_lseek lo_lseek64 "
    "lo_open lo_put lo_tell lo_tell64 lo_truncate lo_truncate64 lo_unlink",
    "moves a sequence": "nextval setval",
    "changes a setting or the state of the session, which others share": "set_config setseed set_limit set_user reset_user isn_weak",
    "takes a transaction number": "txid_current",
    "maintains storage": "brin_desummarize_range brin_summarize_new_values brin_summarize_range gin_clean_pending_list heap_force_freeze heap_force_kill "
    "autoprewarm_dump_now autoprewarm_start_worker",
    "reads raw pages, past grants and row security": "get_raw_page bt_metap bt_page_items bt_page_stats bt_multi_page_stats hash_bitmap_info",
    "reaches the network, files or other programs": "http http_delete http_get http_head http_patch http_post http_put xslt_process load_labels_from_file "
    "load_edges_from_file",
    "changes tables": "addgeometrycolumn dropgeometrycolumn dropgeometrytable updategeometrysrid populate_geometry_columns postgis_extensions_upgrade "
    "lockrow unlockrows addauth enablelongtransactions disablelongtransactions create_graph drop_graph create_hypertable drop_chunks "
    "create_distributed_table create_reference_table add_job alter_job delete_job",
}
FAMILIES = {
    "executes SQL that is hidden in a text": r"(?:query|table|cursor|schema|database)_to_xml.*|pgr_\w+|run_command_on_\w+",
    "reaches another database": r"dblink.*|postgres_fdw_\w+",
    "changes the session's setting of the HTTP client": r"http_(?:re)?set_\w+",
    "is for PostgreSQL's own upgrade": r"binary_upgrade_\w+",
}
#: Schemas of extensions that schedule, fetch, keep secrets or execute texts; their functions have everyday names.
HARMFUL_SCHEMAS = _set(
    """
    anon apoc aws_commons aws_lambda aws_s3 azure_ai azure_storage cron dbms_alert dbms_output dbms_pipe dbms_sql duckdb google_ml graphql net partman
    pgagent pgmq pgsodium pgtle repack sqlj utl_file utl_http utl_mail utl_smtp vault
    """
)
#: What these tables show, and their names.
SECRET_TABLES = {
    "password hashes": "pg_authid pg_shadow",
    "credentials of other servers": "pg_user_mapping pg_user_mappings _pg_user_mappings user_mapping_options pg_subscription pg_stat_wal_receiver "
    "decrypted_secrets",
    "settings that often hold secrets": "pg_db_role_setting",
    "large objects": "pg_largeobject",
    "samples of rows that you may not read (pg_stats shows those that you may)": "pg_statistic pg_statistic_ext_data",
    "configuration files": "pg_hba_file_rules pg_ident_file_mappings pg_file_settings",
    "statements of other sessions (pg_locks, pg_stat_database and pg_stat_user_tables pass)": "pg_stat_activity pg_stat_statements",
}
#: Of the settings with a dot, which anybody may invent and many fill with secrets, these extensions' own pass.
HARMLESS_PREFIXES = _set("auto_explain hypopg pg_stat_statements pg_trgm plpgsql postgis timescaledb")
SECRET_SETTINGS = _set("archive_cleanup_command archive_command primary_conninfo recovery_end_command restore_command ssl_passphrase_command")

#: Only these of the parser's messages are repeated: others, and all that follows "at or near", quote the text.
PARSER_MESSAGES = (
    "syntax error",
    "unterminated quoted string",
    "unterminated quoted identifier",
    "unterminated dollar-quoted string",
    "unterminated /* comment",
    "zero-length delimited identifier",
    "operator too long",
)
PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def _by_name(table: dict[str, str]) -> dict[str, str]:
    return {name: why for why, names in table.items() for name in names.split()}


_HARMFUL, _SECRET_TABLES = _by_name(HARMFUL), _by_name(SECRET_TABLES)
_FAMILIES = [(re.compile(pattern), why) for why, pattern in FAMILIES.items()]


class _Refused(Exception):
    """Ends the walk; its text is the reason."""


def refusal(sql: str) -> str | None:
    """None for one reading statement; else one short sentence that says what is refused and what to do instead.

    The sentence never repeats a literal of ``sql``; it may name a function, a table or a kind of statement. Any text is answered, in bounded time:
    what cannot be read is refused. No exception leaves this function.
    """
    try:
        _statement(_parsed(_text(sql)))
    except _Refused as refused:
        return str(refused)
    return None


def _text(sql: str) -> str:
    """The text, when it is one that the parser can be given: a C string in UTF-8 of bearable length."""
    if not isinstance(sql, str):
        raise _Refused("the statement is not a text; send one SELECT")
    if "\0" in sql:
        raise _Refused("the statement holds a NUL character; send it without")
    try:
        size = len(sql.encode())
    except UnicodeEncodeError:
        raise _Refused("the statement is not valid Unicode; send it without lone surrogates") from None
    if size > MAX_BYTES:
        raise _Refused(f"the statement is longer than {MAX_BYTES:,} bytes; ask for less at once")
    if sql.count("/*") > MAX_COMMENTS or LONG_OPERATOR.search(sql):
        raise _Refused("the statement holds too many comments or a row of operator characters that is too long; send it without")
    return sql


def _parsed(sql: str) -> dict:
    """The statement's tree. JSON, since pglast's own classes cost ten times the time."""
    try:
        text = parse_sql_json(sql)
        if len(text) > MAX_TREE:
            raise _Refused("the statement has too many parts; ask for less at once")
        statements = json.loads(text, strict=False).get("stmts", [])
    except ParseError as error:
        raise _Refused(_parser_message(sql, error)) from None
    except (RecursionError, MemoryError):
        raise _Refused("the statement is nested too deeply; write it flatter") from None
    except ValueError:
        raise _Refused("the statement cannot be read; write it more simply") from None
    if len(statements) != 1:
        raise _Refused(f"exactly one statement is allowed and this text holds {len(statements) or 'none'}; send each in a call of its own")
    return statements[0]["stmt"]


def _parser_message(sql: str, error: ParseError) -> str:
    message = str(error.args[0]) if error.args else ""
    if message.startswith(("memory exhausted", "stack depth")):
        return "the statement is nested too deeply; write it flatter"
    kind = next((known for known in PARSER_MESSAGES if message.startswith(known)), "invalid statement")
    index = error.args[1] if len(error.args) > 1 else None
    if not isinstance(index, int):
        return f"this is not valid PostgreSQL: {kind}; correct it"
    before = sql[:index]
    return f"this is not valid PostgreSQL: {kind} at line {before.count(chr(10)) + 1}, column {index - before.rfind(chr(10))}; correct it"


def _statement(tree: dict) -> None:
    ((kind, fields),) = tree.items()
    if kind == "VariableShowStmt":
        _setting(fields.get("name", ""))
        return
    if kind == "ExplainStmt":
        ((kind, fields),) = fields["query"].items()
    if kind != "SelectStmt":
        raise _Refused(_not_reading(kind))
    for name, value in _walk({kind: fields}):
        _judge(name, value)


def _walk(tree: dict) -> Iterator[tuple[str, object]]:
    """Each node and each field of the tree with its value. Nodes' names begin with a capital letter, fields' do not. No recursion, so no limit of depth."""
    open_values: list[dict | list] = [tree]
    while open_values:
        value = open_values.pop()
        if isinstance(value, dict):
            yield from value.items()
            value = value.values()
        open_values.extend(child for child in value if isinstance(child, dict | list))


def _judge(name: str, value: object) -> None:
    if name == "intoClause":
        raise _Refused("SELECT INTO makes a table and is refused; leave INTO out")
    if not name[:1].isupper():
        return
    if name == "LockingClause":
        raise _Refused("row locks (FOR UPDATE, FOR SHARE) are refused, they make writers wait; leave the clause out")
    if name not in READING_NODES:
        raise _Refused(_not_reading(name))
    if judge := _JUDGES.get(name):
        judge(value)


def _not_reading(kind: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.removesuffix("Stmt").replace("_", "")).upper()
    return f"{words} is refused, only reading statements pass; use SELECT, VALUES, TABLE, WITH ... SELECT, EXPLAIN of these, or SHOW"


def _names(nodes: list) -> list[str]:
    """The texts of String nodes. A star has none."""
    return [node["String"].get("sval", "") for node in nodes if "String" in node]


def _function(call: dict) -> None:
    *schemas, name = _names(call["funcname"])
    if schemas and schemas[-1].lower() in HARMFUL_SCHEMAS:
        raise _Refused(f"functions of the schema {schemas[-1].lower()} are refused, they act on more than this query; read tables instead")
    if why := _harm(name):
        raise _Refused(f"the function {_shown(name)} is refused, it {why}; leave it out")
    if name.lower() == "current_setting":
        _setting(_constant(call.get("args", [])))


def _harm(name: str) -> str | None:
    """What the function of that name does that a reading statement must not, in whatever schema it is."""
    name = name.lower()
    if why := _HARMFUL.get(name):
        return why
    if name.startswith("pg_") and name not in READING_PG and not READING_PG_FAMILIES.fullmatch(name):
        return "is not one of PostgreSQL's functions that are known only to read"
    return next((why for pattern, why in _FAMILIES if pattern.fullmatch(name)), None)


def _attribute(names: list[str]) -> None:
    """``t.f`` is a call of f when t has no column f; even where t is a single value, such as a function's result."""
    for name in names:
        if _harm(name) or name.lower() == "current_setting":
            raise _Refused(f"{_shown(name)} after a dot can be a call of a function that is refused; write the column without its table, or name it otherwise")


def _column(reference: dict) -> None:
    """Only the last name of several can be a call: ``schema.table.*`` has none."""
    _attribute(_names(reference.get("fields", [])[1:][-1:]))


def _indirection(reference: dict) -> None:
    _attribute(_names(reference.get("indirection", [])))


def _table(table: dict) -> None:
    name = table.get("relname", "").lower()
    if table.get("schemaname", "").lower() == "pg_toast":
        raise _Refused("tables of the schema pg_toast are refused; read the table that they belong to")
    if what := _SECRET_TABLES.get(name):
        raise _Refused(f"{name} is refused, it shows {what}; leave it out")


def _sample(sample: dict) -> None:
    if _names(sample["method"])[-1].lower() not in SAMPLING:
        raise _Refused("this TABLESAMPLE method is refused; use BERNOULLI or SYSTEM")


def _constant(arguments: list) -> str:
    """The first argument, when it is written out as a text."""
    first = arguments[0] if arguments else {}
    text = first.get("A_Const", {}).get("sval")
    if text is None:
        raise _Refused("current_setting is refused unless the setting's name is written out as a text; use SHOW")
    return text.get("sval", "")


def _setting(name: str) -> None:
    prefix, dot, _ = name.lower().partition(".")
    if name.lower() in SECRET_SETTINGS or (dot and prefix not in HARMLESS_PREFIXES):
        raise _Refused("this setting is refused, it may hold a secret; read another one")


def _shown(name: str) -> str:
    return name.lower() if PLAIN_NAME.fullmatch(name.lower()) else "named here"


_JUDGES = {"FuncCall": _function, "ColumnRef": _column, "A_Indirection": _indirection, "RangeVar": _table, "RangeTableSample": _sample}
