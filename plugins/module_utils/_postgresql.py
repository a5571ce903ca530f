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
from collections.abc import Iterable, Iterator
from typing import Any

from ansible_collections.mcp.tenancy.plugins.module_utils import _scram
from ansible_collections.mcp.tenancy.plugins.module_utils._accounts import REMEDY, AccountError

try:
    import psycopg
    from psycopg import sql

    HAS_LIBRARY, IMPORT_ERROR = True, None
except ImportError:
    HAS_LIBRARY, IMPORT_ERROR = False, traceback.format_exc()

LIBRARY = "psycopg>=3"
ADMIN = "the admin's login"
NO_FILE = "/nonexistent/mcp-tenancy"
CONNECT_SECONDS, TERMINATE_MILLISECONDS, TRIES = 10, 5000, 3
#: Functions that let every login write large objects, whatever its grants.
LARGE_OBJECTS = ("lo_creat(integer)", "lo_create(oid)", "lo_from_bytea(oid, bytea)")
TABLES = {"read_only": ("SELECT",), "read_write": ("SELECT", "INSERT", "UPDATE", "DELETE")}
#: Kinds of pg_class that a grant on tables or sequences is for.
KINDS = {"table": ["r", "p", "v", "m", "f"], "sequence": ["S"]}
#: From this server on a membership says by itself whether grants are inherited.
MEMBERSHIP_OPTIONS = 160000
SEQUENCES = {"read_only": ("SELECT",), "read_write": ("SELECT", "USAGE")}
#: What a read-only login must not be able to do, by its grants and whatever its settings are. In every schema that it can use, ours or not.
_USABLE = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND has_schema_privilege(n.oid, 'USAGE')"
_RELATIONS = f"SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_USABLE}"  # noqa: S608
# CASE, since PostgreSQL orders conditions as it likes and has_sequence_privilege fails at what is no sequence
_WRITABLE = """CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'USAGE, UPDATE') WHEN c.relkind IN ('r', 'p', 'v', 'f')
    THEN has_any_column_privilege(c.oid, 'INSERT, UPDATE') OR has_table_privilege(c.oid, 'DELETE, TRUNCATE') ELSE false END"""
WRITES = {
    "write to": f"{_RELATIONS} AND {_WRITABLE} ORDER BY 1 LIMIT 1",
    "create tables in the schema": f"SELECT n.nspname FROM pg_namespace n WHERE {_USABLE} AND has_schema_privilege(n.oid, 'CREATE') LIMIT 1",  # noqa: S608
    "create schemas in": "SELECT current_database() WHERE has_database_privilege(current_database(), 'CREATE')",
    # what PUBLIC has is not always the admin's to take away; ensure() warns of that
    "make temporary tables in": "SELECT current_database() WHERE has_database_privilege(current_database(), 'TEMPORARY') "
    "AND NOT has_database_privilege('public', current_database(), 'TEMPORARY')",
}
#: Attributes that a role of ours never has, by their column.
NEVER = {
    "rolsuper": "NOSUPERUSER",
    "rolcreatedb": "NOCREATEDB",
    "rolcreaterole": "NOCREATEROLE",
    "rolreplication": "NOREPLICATION",
    "rolbypassrls": "NOBYPASSRLS",
}


class Accounts:
    """``account`` as :func:`_accounts.account` gives it, ``admin`` ``{"user", "password"}``, ``ca`` and ``client`` PEM files.

    ``warnings``: holes that stay open.
    """

    def __init__(self, account: dict, admin: dict | None, ca: str, client: str = "") -> None:
        self._account, self._admin = account, admin
        verified = account["parameters"]["sslmode"] in ("verify-ca", "verify-full")
        # libpq looks for files of its own where it is given none; and takes `require` for verify-ca where it finds one.
        self._files = {"sslrootcert": ca if verified else NO_FILE, "sslcert": client or NO_FILE, "sslkey": client or NO_FILE}
        self._connection: Any = None
        self.warnings: list[str] = []
        self._changes: list[str] = []

    def __enter__(self) -> Accounts:
        if self._admin is not None:
            self._connection = self._connect(self._admin["user"], self._admin["password"], ADMIN)
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def ensure(self, wanted: dict[str, dict | None], *, check: bool = False) -> list[str]:
        """Make it so: ``wanted`` slot → ``{"password", "valid_until"}`` or None for a login that may not be used. What was changed, in words."""
        with _told("change accounts"):
            for left in reversed(range(TRIES)):
                try:
                    ended = self._make(wanted, check)
                    break
                except psycopg.errors.InternalError_:  # somebody changed or dropped one of the objects meanwhile; nothing of ours was kept
                    if not left:
                        raise
            for name in ended:
                self._end_sessions(name, check)
            if self._account.get("gone") and not check:
                self._drop(self._droppable())
        return self._changes

    def _make(self, wanted: dict[str, dict | None], check: bool) -> list[str]:
        """Everything that is one transaction; the logins whose sessions have to go."""
        self._changes, self.warnings, ended = [], [], []
        with self._connection.transaction(force_rollback=check):
            self._owner()
            self._grants()
            self._defaults()
            self._public_holes()
            if self._account.get("template"):
                self._membership(self._account["owner"], self._account["template"])
            for slot, login in wanted.items():
                if login is None:
                    ended += self._end(self._account["logins"][slot])
                else:
                    self._login(self._account["logins"][slot], login)
        return ended

    def prove(self, slot: str, password: str) -> None:
        """Log in for real, read, and see that writing is refused where it should be. Raises AccountError."""
        name, owner, schemas = self._account["logins"][slot], self._account["owner"], self._account.get("schemas") or ["public"]
        with _told(f"use {name}"), self._connect(name, password, f"the login {name}") as connection:
            schemas = [] if self._account.get("template") else schemas  # what a template shows is the team's to say
            blind = connection.execute("SELECT s FROM unnest(%s::text[]) s WHERE NOT has_schema_privilege(s, 'USAGE')", [schemas]).fetchall()
            if blind:
                raise AccountError(f"{name} cannot use the schema {blind[0][0]}. Next: see that the admin may grant it, then run again")
            held = connection.execute(f"SELECT rolname, {', '.join(NEVER)} FROM pg_roles WHERE rolname IN (session_user, %s)", [owner])  # noqa: S608
            for role, *never in held.fetchall():  # a login may become its owner role
                for word in (word for word, has in zip(NEVER.values(), never, strict=True) if has):
                    raise AccountError(f"{role} is {word.removeprefix('NO')}. Next: ALTER ROLE {role} {word}, as a superuser")
            if self._account["access"] != "read_only":
                return
            for kind, question in WRITES.items():
                if found := connection.execute(question).fetchone():
                    raise AccountError(
                        f"{name} can {kind} {found[0]} although its access is read_only. Next: see who granted that to it, to {owner} or to PUBLIC"
                    )

    # Connections

    def _connect(self, user: str, password: str, what: str) -> Any:
        account = self._account
        try:
            return psycopg.connect(
                host=account["host"], port=account["port"], dbname=account["database"], user=user, password=password,
                sslmode=account["parameters"]["sslmode"], **self._files, gssencmode="disable", connect_timeout=CONNECT_SECONDS,
                application_name="mcp.tenancy", autocommit=True, passfile="/dev/null",
                hostaddr="", options="", target_session_attrs="any",  # else the environment's
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
        self._attributes(owner)

    def _attributes(self, name: str) -> None:
        found = self._ask(f"SELECT {', '.join(NEVER)} FROM pg_roles WHERE rolname = %s", name)[0]  # noqa: S608
        for word in (word for word, has in zip(NEVER.values(), found, strict=True) if has):
            with self._perhaps(f"{name} is {word.removeprefix('NO')}, and the admin may not take that away"):
                self._execute(f"ALTER ROLE {{name}} {word}", f"{name}: {word} put back", name=name)

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
                own = () if account.get("template") else privileges  # what a template gives is its own
                self._grant_all(schema, kind, own)
                self._take_away(schema, kind, own)

    def _missing(self, schema: str, kind: str, privileges: tuple[str, ...]) -> list[str]:
        """Objects on which the owner lacks one of the privileges."""
        lacks = " OR ".join(f"NOT has_{kind}_privilege(%s, c.oid, '{privilege}')" for privilege in privileges)
        lacks = f'CASE WHEN c.relkind = ANY(%s::"char"[]) THEN {lacks} ELSE false END'  # has_sequence_privilege fails at what is no sequence
        statement = f"SELECT {_NAME} FROM pg_class c {_IN_SCHEMAS} AND {lacks} ORDER BY 1"  # noqa: S608
        return [name for (name,) in self._ask(statement, [schema], KINDS[kind], *[self._account["owner"]] * len(privileges))]

    def _grant_all(self, schema: str, kind: str, privileges: tuple[str, ...]) -> None:
        owner, missing = self._account["owner"], self._missing(schema, kind, privileges) if privileges else []
        if not missing:
            return
        for name in missing:  # one by one: an admin may not be able to grant on some, and some may be gone by now
            with contextlib.suppress(psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable), self._connection.transaction():
                statement = f"GRANT {{words}} ON {kind.upper()} {{name}} TO {{owner}}"
                self._execute(statement, words=_words(privileges), name=sql.SQL(name), owner=owner)
        left = set(self._missing(schema, kind, privileges))
        if given := [name for name in missing if name not in left]:
            self._changes.append(f"{owner}: {', '.join(privileges)} on {_some(given)}")
        if left:
            self.warnings.append(
                f"{owner} cannot use {_some(sorted(left))}: the admin may not grant it. Next: grant it as their owner, or make the admin a member of that role"
            )

    def _take_away(self, schema: str, kind: str, privileges: tuple[str, ...]) -> None:
        """What the owner was granted beyond its access (somebody else did, or its access was another one), and whatever a login was granted by itself."""
        for role, allowed in ((self._account["owner"], privileges), *((name, ()) for name in self._account["logins"].values())):
            for name, words in self._granted(schema, kind, role, allowed):
                with self._perhaps(f"{role} can write to {name} or do more with it than its access says, and the admin may not take that away"):
                    self._execute(f"REVOKE {{words}} ON {kind.upper()} {{name}} FROM {{role}}", words=_words(words), name=sql.SQL(name), role=role)
                    if name in dict(self._granted(schema, kind, role, allowed)):  # somebody else's grant, and no error says so
                        raise psycopg.errors.InsufficientPrivilege
                    self._changes.append(f"{role}: {'reading' if words == ['SELECT'] else 'writing to'} {name} taken away")

    def _granted(self, schema: str, kind: str, role: str, allowed: tuple[str, ...]) -> list[tuple[str, list[str]]]:
        """Objects with what was granted on them (or on a column) to that very role beyond what is allowed."""
        return self._ask(
            f"SELECT {_NAME}, array_agg(DISTINCT g.privilege_type) FROM pg_class c {_IN_SCHEMAS.replace('WHERE', _GRANTS)} AND c.relkind = ANY(%s::\"char\"[]) "  # noqa: S608
            "AND r.rolname = %s AND g.privilege_type <> ALL(%s) GROUP BY 1 ORDER BY 1",
            [schema], KINDS[kind], role, list(allowed),
        )  # fmt: skip

    def _defaults(self) -> None:
        """Objects that are made later: default privileges belong to who makes them, so each such role that the admin may act for gets them."""
        account, owner = self._account, self._account["owner"]
        for schema in account["schemas"] if not account.get("template") else []:
            makers = self._ask(
                f"SELECT DISTINCT r.rolname FROM pg_roles r WHERE pg_has_role(current_user, r.oid, 'USAGE') AND (r.rolname = current_user "  # noqa: S608
                f"OR r.oid IN (SELECT c.relowner FROM pg_class c {_IN_SCHEMAS}) OR r.oid IN (SELECT defaclrole FROM pg_default_acl d "
                "JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) a JOIN pg_roles o ON o.oid = a.grantee "
                "WHERE n.nspname = %s AND o.rolname = %s)) AND r.rolname NOT LIKE 'pg\\_%%' ORDER BY 1",
                [schema],
                schema,
                owner,
            )
            for (maker,) in makers:
                for objects, kind, privileges in (("TABLES", "r", TABLES[account["access"]]), ("SEQUENCES", "S", SEQUENCES[account["access"]])):
                    held = self._ask(
                        "SELECT a.privilege_type FROM pg_default_acl d JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) a "
                        "WHERE n.nspname = %s AND d.defaclrole = %s::regrole AND d.defaclobjtype = %s AND a.grantee = %s::regrole",
                        schema, _quoted(maker), kind, _quoted(owner),
                    )  # fmt: skip
                    names, what = {name for (name,) in held}, f"{objects.lower()} that {maker} makes in {schema}"
                    roles = {"maker": maker, "schema": schema, "owner": owner}
                    statement = "ALTER DEFAULT PRIVILEGES FOR ROLE {maker} IN SCHEMA {schema} "
                    if more := sorted(names - set(privileges)):
                        with self._perhaps(f"{owner} will be able to write to {what}, and the admin may not take that away"):
                            revoke = f"{statement} REVOKE {{words}} ON {objects} FROM {{owner}}"
                            self._execute(revoke, f"{owner}: will not write to {what}", words=_words(more), **roles)
                    if names >= set(privileges):
                        continue
                    with self._perhaps(f"what {maker} makes in {schema} later will not be visible for {owner} before the next run"):
                        self._execute(f"{statement} GRANT {{words}} ON {objects} TO {{owner}}", f"{owner}: will see {what}", words=_words(privileges), **roles)

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
        row = "rolcanlogin, rolinherit, rolconnlimit, coalesce(rolvaliduntil, 'infinity') = %s::timestamptz"  # none and infinity are the same
        statement, until = f"SELECT {row} FROM pg_roles WHERE rolname = %s", wanted["valid_until"] or "infinity"  # noqa: S608
        found = self._ask(statement, until, name)
        if not found:
            self._execute("CREATE ROLE {name} NOLOGIN", f"{name}: role made", name=name)
            found = self._ask(statement, until, name)
        can_login, inherits, limit, ends = found[0]
        self._attributes(name)
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
        if not ends:
            parts.append(sql.SQL("VALID UNTIL {}").format(sql.Literal(until)))
            told.append(f"valid until {wanted['valid_until'] or 'ever'}")
        if not can_login or not self._password_is(name, wanted["password"]):
            verifier = self._connection.pgconn.encrypt_password(wanted["password"].encode(), name.encode(), b"scram-sha-256").decode()
            parts.append(sql.SQL("PASSWORD {}").format(sql.Literal(verifier)))
            told.append("password set")
        if parts:
            self._execute("ALTER ROLE {name} {parts}", f"{name}: {', '.join(told)}", name=name, parts=sql.SQL(" ").join(parts))
        self._membership(name, self._account["owner"])
        self._settings(name)

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
        """Ours and no others. What only a superuser may set, only a superuser may take away; RESET ALL then leaves it and says nothing."""
        settings = {"statement_timeout": str(self._account["statement_timeout"]), "idle_in_transaction_session_timeout": "60000"}
        if self._account["access"] == "read_only":
            settings["default_transaction_read_only"] = "on"
        if self._account.get("acts_as"):  # so that a policy's current_user is the same in both slots
            settings["role"] = self._account["acts_as"]
        wanted, before = {f"{key}={value}" for key, value in settings.items()}, self._held_settings(name)
        if before == {"": wanted}:
            return
        if before.get("") != wanted:
            self._execute("ALTER ROLE {name} RESET ALL", name=name)
            for key, value in settings.items():
                self._execute("ALTER ROLE {name} SET {key} = {value}", name=name, key=key, value=sql.Literal(value))
        for database in filter(None, before):
            self._execute("ALTER ROLE {name} IN DATABASE {database} RESET ALL", name=name, database=database)
        after = self._held_settings(name)
        if after.get("") != before.get(""):
            self._changes.append(f"{name}: settings put right")
        self._changes += [f"{name}: settings in {database} taken away" for database in filter(None, before) if after.get(database) != before[database]]
        if left := sorted({setting.partition("=")[0] for held in after.values() for setting in held - wanted}):
            self.warnings.append(f"{name} has settings that only a superuser may take away: {', '.join(left)}")

    def _held_settings(self, name: str) -> dict[str, set[str]]:
        """Database (or "" for all) → ``{"name=value"}``."""
        statement = (
            "SELECT coalesce(d.datname, ''), setconfig FROM pg_db_role_setting LEFT JOIN pg_database d ON d.oid = setdatabase WHERE setrole = %s::regrole"
        )
        return {database: set(config) for database, config in self._ask(statement, _quoted(name))}

    def _membership(self, name: str, owner: str) -> None:
        held = self._memberships(name)
        if owner not in held and not self._ask("SELECT 1 FROM pg_roles WHERE rolname = %s", owner):
            raise AccountError(f"there is no role {owner}. Next: correct users.template of {self._account['service']}, or make that role")
        if owner not in held:
            self._execute("GRANT {owner} TO {name}", f"{name}: member of {owner}", owner=owner, name=name)
        elif held[owner] != (True, False):
            with self._perhaps(f"how {name} is a member of {owner} is not as it should be, and the admin may not change that"):
                options = "{owner} TO {name} WITH INHERIT TRUE, ADMIN FALSE" if self._connection.info.server_version >= MEMBERSHIP_OPTIONS else ""
                self._execute(f"GRANT {options}" if options else "REVOKE ADMIN OPTION FOR {owner} FROM {name}", owner=owner, name=name)
                if self._memberships(name)[owner] != (True, False):  # somebody else's grant, and only a warning of the server says so
                    raise psycopg.errors.InsufficientPrivilege
                self._changes.append(f"{name}: membership of {owner} put right")
        for role in sorted(set(held) - {owner}):
            with self._perhaps(f"{name} is a member of {role}, and the admin may not take that away"):
                self._execute("REVOKE {role} FROM {name}", role=role, name=name)
                if role in self._memberships(name):
                    raise psycopg.errors.InsufficientPrivilege
                self._changes.append(f"{name}: no longer a member of {role}")

    def _memberships(self, name: str) -> dict[str, tuple[bool, bool]]:
        """Role → whether its grants are inherited, and whether it can be handed on."""
        inherits = "bool_or(m.inherit_option)" if self._connection.info.server_version >= MEMBERSHIP_OPTIONS else "true"
        statement = f"SELECT r.rolname, {inherits}, bool_or(m.admin_option) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid "  # noqa: S608
        return {role: (inherited, admin) for role, inherited, admin in self._ask(f"{statement} WHERE m.member = %s::regrole GROUP BY 1", _quoted(name))}

    def _end(self, name: str) -> list[str]:
        """A login that may not be used any more; the names of those whose sessions have to go."""
        found = self._ask("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", name)
        if not found:
            return []
        if found[0][0]:
            self._execute("ALTER ROLE {name} NOLOGIN PASSWORD NULL", f"{name}: may not log in any more", name=name)
        return [name]

    def _droppable(self) -> list[str]:
        """Roles that may go with what they were granted. What was made with a service's roles is data: they stay, without a login, while they own any."""
        account = self._account
        names = [*account["logins"].values(), *([account["owner"]] if account.get("owner_is_ours", True) else [])]
        if account.get("acts_as"):
            return names
        owning = (
            "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND EXISTS (SELECT FROM pg_shdepend "
            "WHERE refclassid = 'pg_authid'::regclass AND refobjid = pg_roles.oid AND deptype = 'o')"
        )
        owners = [name for (name,) in self._ask(owning, names)]
        if owners:
            self.warnings.append(f"{', '.join(owners)} own something, so {'they stay' if len(owners) > 1 else 'it stays'}, without a login")
        return [name for name in names if name not in owners]

    def _drop(self, names: list[str]) -> None:
        """Roles that nobody needs any more, with what they were granted here. What they have elsewhere keeps them, without a login."""
        with self._perhaps(f"{', '.join(names)} stay, without a login: they have something that the admin may not take away"):
            there = [name for name in names if self._ask("SELECT 1 FROM pg_roles WHERE rolname = %s", name)]
            for name in there:
                self._execute("GRANT {name} TO CURRENT_USER", name=name)
                self._execute("DROP OWNED BY {name}", name=name)
            for name in there:
                self._execute("DROP ROLE {name}", f"{name}: dropped", name=name)

    def _end_sessions(self, name: str, check: bool) -> None:
        """After the commit, so that no new one can come. An admin who may not signal them is a member for the length of a transaction."""
        open_sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
        count = self._ask(open_sessions, name)[0][0]
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
            if left := self._ask(open_sessions, name)[0][0]:  # one that waits for its disk, for example
                raise AccountError(f"{name}: {left} of {count} open session(s) did not end. Next: run again; if they stay, see pg_stat_activity")
        self._changes.append(f"{name}: {count} open session(s) ended")


_NAME = "format('%%I.%%I', n.nspname, c.relname)"  # not regclass, which is a number for what is dropped meanwhile
_IN_SCHEMAS = "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY(%s)"

_GRANTS = """CROSS JOIN LATERAL (SELECT * FROM aclexplode(c.relacl) UNION ALL
    SELECT x.* FROM pg_attribute t, aclexplode(t.attacl) x WHERE t.attrelid = c.oid AND t.attacl IS NOT NULL) g JOIN pg_roles r ON r.oid = g.grantee WHERE"""


def _words(privileges: Iterable[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.SQL, privileges))


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
        elif isinstance(error, psycopg.errors.InvalidAuthorizationSpecification):
            step = "have its password policy take SCRAM verifiers (credcheck.encrypted_password_allowed): no other form is safe from the server's log"
        elif error.diag.sqlstate is None:
            step = "see that the server runs and can be reached"
        else:
            step = "correct that in the database"
        raise AccountError(f"cannot {what}: {said} (SQLSTATE {error.diag.sqlstate or 'none: the connection is gone'}). Next: {step}, then run again") from None


def _why_not_connected(error: Any, account: dict, what: str) -> str:
    """libpq's texts name host, user and database, never a password; only the reason is taken from them."""
    text, place = str(error), f"{account['host']}:{account['port']}/{account['database']}"
    reasons = (
        ("password authentication failed", "was refused", REMEDY if what == ADMIN else account.get("remedy", REMEDY)),
        ("is not permitted to log in", "was refused", "run rotate.yml"),
        ("too many connections", "found too many connections open", "raise the limit, or wait"),
        ("certificate has expired", "met a certificate that has expired", "give the server a new one"),
        ("valid client certificate", "was refused without a client certificate", "declare client_certificate and client_key"),
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
