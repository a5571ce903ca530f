# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""Accounts of one credential in PostgreSQL 15 to 18, and all SQL of the collection.

An owner role without login has the grants, two logins are its members. What is there is read and compared first, so that a run which finds everything
in order changes nothing; all changes of a credential are one transaction. Passwords go to the server as SCRAM verifiers that libpq computes here.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from typing import Any

from ansible_collections.mcp.tenancy.plugins.module_utils import _scram
from ansible_collections.mcp.tenancy.plugins.module_utils._accounts import AccountError

try:
    import psycopg
    from psycopg import sql

    HAS_LIBRARY, IMPORT_ERROR = True, None
except ImportError:
    HAS_LIBRARY, IMPORT_ERROR = False, traceback.format_exc()

CONNECT_SECONDS, TERMINATE_MILLISECONDS = 10, 5000
#: Functions that let every login write large objects, whatever its grants.
LARGE_OBJECTS = ("lo_creat(integer)", "lo_create(oid)", "lo_from_bytea(oid, bytea)")
TABLES = {"read_only": ("SELECT",), "read_write": ("SELECT", "INSERT", "UPDATE", "DELETE")}
SEQUENCES = {"read_only": ("SELECT",), "read_write": ("SELECT", "USAGE")}
#: Attributes that a login of ours never has, by their column.
NEVER = {
    "rolsuper": "NOSUPERUSER",
    "rolcreatedb": "NOCREATEDB",
    "rolcreaterole": "NOCREATEROLE",
    "rolreplication": "NOREPLICATION",
    "rolbypassrls": "NOBYPASSRLS",
}


class PostgresqlAccounts:
    """``account`` as :func:`_accounts.account` gives it, ``admin`` ``{"user", "password"}``, ``ca`` a PEM file. ``warnings``: holes that stay open."""

    def __init__(self, account: dict, admin: dict | None, ca: str) -> None:
        self._account, self._admin, self._ca = account, admin, ca
        self._connection: Any = None
        self.warnings: list[str] = []
        self._changes: list[str] = []

    def __enter__(self) -> PostgresqlAccounts:
        if self._admin is not None:
            self._connection = self._connect(self._admin["user"], self._admin["password"], "the admin's login")
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def ensure(self, wanted: dict[str, dict | None], *, check: bool = False) -> list[str]:
        """Make it so: ``wanted`` slot → ``{"password", "valid_until"}`` or None for a login that may not be used. What was changed, in words."""
        self._changes, self.warnings = [], []
        ended = []
        with _told("change accounts"):
            with self._connection.transaction(force_rollback=check):
                self._owner()
                self._grants()
                self._defaults()
                self._public_holes()
                for slot, login in wanted.items():
                    if login is None:
                        ended += self._end(self._account["logins"][slot])
                    else:
                        self._login(self._account["logins"][slot], login)
            for name in ended:
                self._end_sessions(name, check)
        return self._changes

    def prove(self, slot: str, password: str) -> None:
        """Log in for real, read, and see that writing is refused where it should be. Raises AccountError."""
        name, schemas = self._account["logins"][slot], self._account.get("schemas") or ["public"]
        with _told(f"use {name}"), self._connect(name, password, f"the login {name}") as connection:
            blind = connection.execute("SELECT s FROM unnest(%s::text[]) s WHERE NOT has_schema_privilege(s, 'USAGE')", [schemas]).fetchall()
            if blind:
                raise AccountError(f"{name} cannot use the schema {blind[0][0]}. Next: see that the admin may grant it, then run again")
            if self._account["access"] != "read_only":
                return
            connection.execute("SET default_transaction_read_only = off")  # the grants are what is tried
            may = "has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
            writable = connection.execute(f"SELECT c.oid::regclass FROM pg_class c {_IN_SCHEMAS} AND relkind IN ('r', 'p') AND {may} LIMIT 1", [schemas])  # noqa: S608
            if found := writable.fetchone():
                raise AccountError(f"{name} can write to {found[0]} although its access is read_only. Next: see who granted that to it or to PUBLIC")
            creating = "SELECT s FROM unnest(%s::text[]) s WHERE has_schema_privilege(s, 'CREATE')"
            if found := connection.execute(creating, [schemas]).fetchone():
                step = f"REVOKE CREATE ON SCHEMA {found[0]} FROM PUBLIC"
                raise AccountError(f"{name} can create tables in the schema {found[0]} although its access is read_only. Next: {step}")

    # Connections

    def _connect(self, user: str, password: str, what: str) -> Any:
        account = self._account
        try:
            return psycopg.connect(
                host=account["host"], port=account["port"], dbname=account["database"], user=user, password=password,
                sslmode=account["parameters"]["sslmode"], sslrootcert=self._ca, connect_timeout=CONNECT_SECONDS,
                application_name="mcp.tenancy", autocommit=True, passfile="/dev/null",
            )  # fmt: skip
        except psycopg.OperationalError as error:
            raise AccountError(_why_not_connected(error, account, what)) from None

    def _execute(self, statement: str, change: str = "", **names: object) -> None:
        """One statement; ``names`` are put in as identifiers, those that are lists or wrapped as they are."""
        composed = {name: value if isinstance(value, sql.Composable) else sql.Identifier(str(value)) for name, value in names.items()}
        self._connection.execute(sql.SQL(statement).format(**composed))
        if change:
            self._changes.append(change)

    def _ask(self, statement: str, *values: object) -> list[tuple]:
        return self._connection.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def _perhaps(self, hole: str) -> Iterator[None]:
        """What not every admin may do; then it is a warning."""
        before = len(self._changes)
        try:
            with self._connection.transaction():
                yield
        except psycopg.errors.InsufficientPrivilege:
            del self._changes[before:]
            self.warnings.append(hole)

    # The owner role

    def _owner(self) -> None:
        owner = self._account["owner"]
        found = self._ask("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", owner)
        if not found:
            self._execute("CREATE ROLE {owner} NOLOGIN", f"{owner}: role made", owner=owner)
        elif found[0][0]:
            self._execute("ALTER ROLE {owner} NOLOGIN", f"{owner}: login taken away", owner=owner)

    def _grants(self) -> None:
        account, owner = self._account, self._account["owner"]
        if not self._ask("SELECT has_database_privilege(%s, %s, 'CONNECT')", owner, account["database"])[0][0]:
            self._execute("GRANT CONNECT ON DATABASE {database} TO {owner}", f"{owner}: may connect", database=account["database"], owner=owner)
        for schema in account["schemas"]:
            if not self._ask("SELECT 1 FROM pg_namespace WHERE nspname = %s", schema):
                raise AccountError(f"{account['database']} has no schema {schema}. Next: correct schemas of {account['service']}, or make it")
            if not self._ask("SELECT has_schema_privilege(%s, %s, 'USAGE')", owner, schema)[0][0]:
                self._execute("GRANT USAGE ON SCHEMA {schema} TO {owner}", f"{owner}: may use schema {schema}", schema=schema, owner=owner)
            for kind, privileges in (("table", TABLES[account["access"]]), ("sequence", SEQUENCES[account["access"]])):
                self._grant_all(schema, kind, privileges)
                if account["access"] == "read_only" and kind == "table":
                    self._take_writing_away(schema)

    def _missing(self, schema: str, kind: str, privileges: tuple[str, ...]) -> list[str]:
        """Objects on which the owner lacks one of the privileges."""
        kinds = ["S"] if kind == "sequence" else ["r", "p", "v", "m", "f"]
        lacks = " OR ".join(f"NOT has_{kind}_privilege(%s, c.oid, '{privilege}')" for privilege in privileges)
        statement = f'SELECT c.oid::regclass::text FROM pg_class c {_IN_SCHEMAS} AND c.relkind = ANY(%s::"char"[]) AND ({lacks}) ORDER BY 1'  # noqa: S608
        return [name for (name,) in self._ask(statement, [schema], kinds, *[self._account["owner"]] * len(privileges))]

    def _grant_all(self, schema: str, kind: str, privileges: tuple[str, ...]) -> None:
        owner, missing = self._account["owner"], self._missing(schema, kind, privileges)
        if not missing:
            return
        words, failed = sql.SQL(", ").join(map(sql.SQL, privileges)), []
        for name in missing:  # one by one: an admin may not be able to grant on some
            try:
                with self._connection.transaction():
                    self._execute(f"GRANT {{words}} ON {kind.upper()} {{name}} TO {{owner}}", words=words, name=sql.SQL(name), owner=owner)
            except psycopg.errors.InsufficientPrivilege:
                failed.append(name)
        left = set(self._missing(schema, kind, privileges))
        if given := [name for name in missing if name not in left]:
            self._changes.append(f"{owner}: {', '.join(privileges)} on {_some(given)}")
        if left:
            self.warnings.append(
                f"{owner} cannot use {_some(sorted(left))}: the admin may not grant it. Next: grant it as their owner, or make the admin a member of that role"
            )

    def _take_writing_away(self, schema: str) -> None:
        """What somebody granted directly to the owner although its access is read-only (or what it had before)."""
        owner = self._account["owner"]
        given = self._ask(
            f"SELECT DISTINCT c.oid::regclass::text FROM pg_class c {_IN_SCHEMAS} AND c.relacl IS NOT NULL AND EXISTS ("  # noqa: S608
            "SELECT FROM aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee WHERE r.rolname = %s "
            "AND a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'))",
            [schema],
            owner,
        )
        for (name,) in given:
            with self._perhaps(f"{owner} can write to {name}, and the admin may not take that away"):
                statement = "REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {name} FROM {owner}"
                self._execute(statement, f"{owner}: writing to {name} taken away", name=sql.SQL(name), owner=owner)

    def _defaults(self) -> None:
        """Objects that are made later: default privileges belong to who makes them, so each such role that the admin may act for gets them."""
        account, owner = self._account, self._account["owner"]
        for schema in account["schemas"]:
            makers = self._ask(
                f"SELECT DISTINCT r.rolname FROM pg_roles r WHERE pg_has_role(current_user, r.oid, 'USAGE') AND (r.rolname = current_user "  # noqa: S608
                f"OR r.oid IN (SELECT c.relowner FROM pg_class c {_IN_SCHEMAS})) AND r.rolname NOT LIKE 'pg\\_%%' ORDER BY 1",
                [schema],
            )
            for (maker,) in makers:
                for objects, kind, privileges in (("TABLES", "r", TABLES[account["access"]]), ("SEQUENCES", "S", SEQUENCES[account["access"]])):
                    held = self._ask(
                        "SELECT a.privilege_type FROM pg_default_acl d JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) a "
                        "WHERE n.nspname = %s AND d.defaclrole = %s::regrole AND d.defaclobjtype = %s AND a.grantee = %s::regrole",
                        schema, _quoted(maker), kind, _quoted(owner),
                    )  # fmt: skip
                    if {name for (name,) in held} >= set(privileges):
                        continue
                    with self._perhaps(f"what {maker} makes in {schema} later will not be visible for {owner} before the next run"):
                        self._execute(
                            f"ALTER DEFAULT PRIVILEGES FOR ROLE {{maker}} IN SCHEMA {{schema}} GRANT {{words}} ON {objects} TO {{owner}}",
                            f"{owner}: will see {objects.lower()} that {maker} makes in {schema}",
                            maker=maker, schema=schema, owner=owner, words=sql.SQL(", ").join(map(sql.SQL, privileges)),
                        )  # fmt: skip

    def _public_holes(self) -> None:
        """What every login may do because PUBLIC may: temporary tables and large objects, in a read-only database too."""
        database = self._account["database"]

        def temporary() -> bool:
            return self._ask("SELECT has_database_privilege('public', %s, 'TEMPORARY')", database)[0][0]

        if temporary():
            with self._perhaps("every login may make temporary tables: only the database's owner can take that from PUBLIC"):
                self._execute("REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC", database=database)
                if temporary():  # a REVOKE without the right to it is a warning of the server only
                    raise psycopg.errors.InsufficientPrivilege
                self._changes.append(f"{database}: temporary tables taken from PUBLIC")
        for function in LARGE_OBJECTS:
            if self._ask("SELECT has_function_privilege('public', %s, 'EXECUTE')", function)[0][0]:
                with self._perhaps("every login may write large objects: only a superuser can take that from PUBLIC"):
                    self._execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
                    if self._ask("SELECT has_function_privilege('public', %s, 'EXECUTE')", function)[0][0]:
                        raise psycopg.errors.InsufficientPrivilege
                    self._changes.append(f"{database}: {function} taken from PUBLIC")
        self.warnings = list(dict.fromkeys(self.warnings))

    # Logins

    def _login(self, name: str, wanted: dict) -> None:
        columns = ", ".join(NEVER)
        row = "rolcanlogin, rolinherit, rolconnlimit, rolvaliduntil IS NOT DISTINCT FROM %s::timestamptz"
        found = self._ask(f"SELECT {row}, {columns} FROM pg_roles WHERE rolname = %s", wanted["valid_until"], name)  # noqa: S608
        if not found:
            self._execute("CREATE ROLE {name} NOLOGIN", f"{name}: role made", name=name)
            found = self._ask(f"SELECT {row}, {columns} FROM pg_roles WHERE rolname = %s", wanted["valid_until"], name)  # noqa: S608
        can_login, inherits, limit, until, *never = found[0]
        for attribute in (word for word, has in zip(NEVER.values(), never, strict=True) if has):
            with self._perhaps(f"{name} is {attribute.removeprefix('NO')}, and the admin may not take that away"):
                self._execute(f"ALTER ROLE {{name}} {attribute}", f"{name}: {attribute} put back", name=name)
        words, told = [], []
        for wrong, word, what in (
            (not can_login, "LOGIN", "may log in"),
            (not inherits, "INHERIT", "INHERIT put back"),
            (limit != self._account["connection_limit"], f"CONNECTION LIMIT {self._account['connection_limit']}", "connection limit set"),
        ):
            if wrong:
                words.append(word)
                told.append(what)
        parts = [sql.SQL(word) for word in words]
        if not until:
            parts.append(sql.SQL("VALID UNTIL {}").format(sql.Literal(wanted["valid_until"] or "infinity")))
            told.append(f"valid until {wanted['valid_until'] or 'ever'}")
        if not can_login or not self._password_is(name, wanted["password"]):
            verifier = self._connection.pgconn.encrypt_password(wanted["password"].encode(), name.encode(), b"scram-sha-256").decode()
            parts.append(sql.SQL("PASSWORD {}").format(sql.Literal(verifier)))
            told.append("password set")
        if parts:
            self._execute("ALTER ROLE {name} {parts}", f"{name}: {', '.join(told)}", name=name, parts=sql.SQL(" ").join(parts))
        self._settings(name)
        self._membership(name)

    def _password_is(self, name: str, password: str) -> bool:
        """By recomputing the verifier where the admin may read it, else by logging in."""
        try:
            with self._connection.transaction():
                told = _scram.matches(self._ask("SELECT rolpassword FROM pg_authid WHERE rolname = %s", name)[0][0], password)
        except psycopg.errors.InsufficientPrivilege:
            told = None
        if told is not None:
            return told
        try:
            self._connect(name, password, name).close()
        except AccountError as error:
            return "too many" in str(error)
        return True

    def _settings(self, name: str) -> None:
        settings = {"statement_timeout": str(self._account["statement_timeout"]), "idle_in_transaction_session_timeout": "60000"}
        if self._account["access"] == "read_only":
            settings["default_transaction_read_only"] = "on"
        held = self._ask("SELECT setdatabase, setconfig FROM pg_db_role_setting WHERE setrole = %s::regrole", _quoted(name))
        everywhere = next((config for database, config in held if database == 0), [])
        if set(everywhere) != {f"{key}={value}" for key, value in settings.items()}:
            self._execute("ALTER ROLE {name} RESET ALL", name=name)
            for key, value in settings.items():
                self._execute("ALTER ROLE {name} SET {key} = {value}", name=name, key=key, value=sql.Literal(value))
            self._changes.append(f"{name}: settings put right")
        for (database,) in self._ask(
            "SELECT d.datname FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE s.setrole = %s::regrole", _quoted(name)
        ):
            self._execute("ALTER ROLE {name} IN DATABASE {database} RESET ALL", f"{name}: settings in {database} taken away", name=name, database=database)

    def _membership(self, name: str) -> None:
        owner = self._account["owner"]
        held = {
            role
            for (role,) in self._ask("SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE m.member = %s::regrole", _quoted(name))
        }
        if owner not in held:
            self._execute("GRANT {owner} TO {name}", f"{name}: member of {owner}", owner=owner, name=name)
        for role in sorted(held - {owner}):
            with self._perhaps(f"{name} is a member of {role}, and the admin may not take that away"):
                self._execute("REVOKE {role} FROM {name}", f"{name}: no longer a member of {role}", role=role, name=name)

    def _end(self, name: str) -> list[str]:
        """A login that may not be used any more; the names of those whose sessions have to go."""
        found = self._ask("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", name)
        if not found:
            return []
        if found[0][0]:
            self._execute("ALTER ROLE {name} NOLOGIN PASSWORD NULL", f"{name}: may not log in any more", name=name)
        return [name]

    def _end_sessions(self, name: str, check: bool) -> None:
        """After the commit, so that no new one can come. An admin who may not signal them is a member for the length of a transaction."""
        count = self._ask("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", name)[0][0]
        if not count:
            return
        if not check:
            ending = "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE usename = %s"
            try:
                self._ask(ending, TERMINATE_MILLISECONDS, name)
            except psycopg.errors.InsufficientPrivilege:
                with self._connection.transaction(force_rollback=True):
                    self._execute("GRANT {name} TO CURRENT_USER", name=name)
                    self._ask(ending, TERMINATE_MILLISECONDS, name)
        self._changes.append(f"{name}: {count} open session(s) ended")


_IN_SCHEMAS = "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY(%s)"


def _quoted(name: str) -> str:
    """A role's name in the form of a regrole."""
    return '"' + name.replace('"', '""') + '"'


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """A server's refusal in our words. Its own primary message holds no statement, hence no verifier."""
    try:
        yield
    except psycopg.Error as error:
        said = (error.diag.message_primary or type(error).__name__)[:300]
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            step = "name the primary server, or wait until it takes writes again"
        elif isinstance(error, psycopg.errors.InsufficientPrivilege):
            step = "give the admin what docs/operations.md names (CREATEROLE, and the right to grant on the schemas)"
        elif error.diag.sqlstate is None:
            step = "see that the server runs and can be reached"
        else:
            step = "correct that in the database"
        raise AccountError(f"cannot {what}: {said} (SQLSTATE {error.diag.sqlstate or 'none: the connection is gone'}). Next: {step}, then run again") from None


def _why_not_connected(error: Any, account: dict, what: str) -> str:
    """libpq's texts name host, user and database, never a password; only the reason is taken from them."""
    text, place = str(error), f"{account['host']}:{account['port']}/{account['database']}"
    reasons = (
        ("password authentication failed", "was refused", "correct it in the .env: ansible-vault edit"),
        ("is not permitted to log in", "was refused", "run rotate.yml"),
        ("too many connections", "found too many connections open", "raise the limit, or wait"),
        ("certificate verify failed", "met a certificate that its CA did not sign", "correct ca"),
        ("does not match host name", "met a certificate for another host name", "correct host, or the server's certificate"),
        ("root certificate file", "has no CA file that can be used", "correct ca"),
        ("does not support SSL", "met a server without TLS", "switch TLS on there"),
        ("does not exist", "names a database or a role that is not there", "correct database, or make it"),
        ("no pg_hba.conf entry", "was refused by the server's pg_hba.conf", "let this host in, with TLS"),
        ("the database system is", "met a server that is just starting or stopping", "wait, then run again"),
    )
    for part, why, step in reasons:
        if part in text:
            return f"{what} at {place} {why}. Next: {step}"
    return f"{what}: {place} cannot be reached. Next: see that the server runs and that this machine reaches it"
