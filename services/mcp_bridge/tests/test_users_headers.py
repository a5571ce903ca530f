# SPDX-License-Identifier: GPL-3.0-or-later
"""U1, U3: which login a request brings, by one strict rule; whatever a connection string says, only the declared target is ever connected to."""

from __future__ import annotations

import base64
import random
from pathlib import Path
from urllib.parse import quote

import pytest

from mcp_bridge.config import Config, Users
from mcp_bridge.errors import BridgeError
from mcp_bridge.users import headers, wrapped
from mcp_bridge.users.credential import Credential

HOST, PORT, DATABASE = "db.team-a.internal", 5432, "team_a"
PARAMETERS = {"postgres": {"sslmode": "verify-full"}, "mongodb": {"authSource": "admin", "tls": "true"}}
SCHEME = {"postgres": "postgresql", "mongodb": "mongodb"}
ODD = [*"@:/?#%&=+,;'\"\\$()[]<>{}|^`~é漢", "a b", "=?base64?YQ==?=", "x" * 200, "\U0001f511", "%40", "%00", "-c"]


def users(engine: str, **more: object) -> Users:
    return Users(
        host=HOST, port=PORT, database=DATABASE, ca="/ca.pem", sandbox="/bwrap", parameters=PARAMETERS[engine], accepts=["headers", "connection_string"], **more
    )


def brought(engine: str, *given: tuple[str, bytes | str], **more: object) -> Credential | None:
    raw = [(name.lower().encode(), value if isinstance(value, bytes) else value.encode()) for name, value in given]
    return headers.credential(raw, engine, users(engine, **more))


def encoded(text: str) -> str:
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def string(engine: str, user: str = "alice", password: str = "secret", place: str = f"{HOST}:{PORT}/{DATABASE}", query: str = "") -> str:  # noqa: S107 - of nobody
    return f"{SCHEME[engine]}://{user}:{password}@{place}{query}"


@pytest.mark.parametrize("engine", ["postgres", "mongodb"])
@pytest.mark.parametrize("password", ODD)
def test_a_password_arrives_byte_by_byte_in_each_form(engine: str, password: str) -> None:
    wanted = Credential("alice", password)
    assert brought(engine, (headers.USER, "alice"), (headers.PASSWORD, encoded(password))) == wanted
    assert brought(engine, (headers.STRING, string(engine, password=quote(password, safe="")))) == wanted
    if password.isascii() and not password.startswith("=?"):
        assert brought(engine, (headers.USER, "alice"), (headers.PASSWORD, password)) == wanted


@pytest.mark.parametrize("engine", ["postgres", "mongodb"])
def test_the_port_may_be_left_out_and_what_is_declared_may_be_said(engine: str) -> None:
    wanted = Credential("alice", "secret")
    query = "?" + "&".join(f"{name}={value}" for name, value in PARAMETERS[engine].items())
    assert brought(engine, (headers.STRING, string(engine, query=query))) == wanted
    if engine == "postgres":
        assert brought(engine, (headers.STRING, string(engine, place=f"{HOST}/{DATABASE}"))) == wanted


def test_no_login_is_no_login() -> None:
    assert brought("postgres") is None
    assert brought("postgres", ("Authorization", "Bearer x"), ("X-Database", "x")) is None


BAD_HEADERS = {
    "twice": [(headers.USER, "a"), (headers.USER, "a"), (headers.PASSWORD, "p")],
    "twice, in another case": [("x-database-user", "a"), ("X-DATABASE-USER", "a"), (headers.PASSWORD, "p")],
    "both ways": [(headers.USER, "a"), (headers.PASSWORD, "p"), (headers.STRING, string("postgres"))],
    "a string and half a login": [(headers.PASSWORD, "p"), (headers.STRING, string("postgres"))],
    "no password": [(headers.USER, "a")],
    "no user": [(headers.PASSWORD, "p")],
    "empty": [(headers.USER, "a"), (headers.PASSWORD, "")],
    "empty in base64": [(headers.USER, "a"), (headers.PASSWORD, "=?base64??=")],
    "with underscores": [("X_Database_User", "a"), (headers.PASSWORD, "p")],
    "blank at the end": [(headers.USER, "a"), (headers.PASSWORD, "p ")],
    "tab": [(headers.USER, "a"), (headers.PASSWORD, "p\tp")],
    "line end": [(headers.USER, "a"), (headers.PASSWORD, "p\r\nX-Evil: 1")],
    "NUL": [(headers.USER, "a\0b"), (headers.PASSWORD, "p")],
    "NUL in base64": [(headers.USER, encoded("a\0b")), (headers.PASSWORD, "p")],
    "line end in base64": [(headers.USER, "a"), (headers.PASSWORD, encoded("a\nb"))],
    "Latin-1": [(headers.USER, "a"), (headers.PASSWORD, "é".encode("latin-1"))],
    "bare UTF-8": [(headers.USER, "a"), (headers.PASSWORD, "é")],
    "no base64": [(headers.USER, "a"), (headers.PASSWORD, "=?base64?%%%?=")],
    "no UTF-8 in base64": [(headers.USER, "a"), (headers.PASSWORD, "=?base64?/w==?=")],
    "not NFKC": [(headers.USER, encoded("a\ufb01")), (headers.PASSWORD, "p")],
    "8 KiB": [(headers.USER, "a"), (headers.PASSWORD, "p" * 8192)],
    "a string of 8 KiB": [(headers.STRING, string("postgres", password="p" * 8192))],
}


@pytest.mark.parametrize("given", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_headers_that_are_not_by_the_rule_are_refused_and_not_repeated(given: list) -> None:
    with pytest.raises(BridgeError) as error:
        brought("postgres", *given)
    assert "secret" not in str(error.value) and "pppp" not in str(error.value) and error.value.outcome == "invalid"


ELSEWHERE = [
    *("localhost:5432", "127.0.0.1:5432", "[::1]:5432", "0.0.0.0:5432", "169.254.169.254:5432", "100.64.0.1:5432", "[::ffff:127.0.0.1]:5432"),
    *("2130706433:5432", "0177.0.0.1:5432", "0x7f.1:5432", f"{HOST}:5433", f"{HOST}.:5432", f"{HOST.upper()}:5432", f"{HOST}:05432x"),
    *(f"evil,{HOST}:5432", f"{HOST},evil:5432", f"{HOST}:5432,evil:1", f"{HOST}@evil:5432", f"evil#{HOST}:5432", f"evil%00{HOST}:5432"),
    *("", ":5432", "%2Fvar%2Frun%2Fpostgresql", "/var/run/postgresql", "@evil:5432"),
]
PARAMETERS_REFUSED = {
    "postgres": [
        *("sslmode=disable", "sslmode=allow", "sslmode=prefer", "sslmode=require", "sslmode=verify-ca", "sslmode=", "SSLMODE=disable", "sslmode%20=disable"),
        *("sslmode=verify-full&sslmode=disable", "ssl=0", "uselibpqcompat=true", "sslnegotiation=direct", "gssencmode=prefer", "channel_binding=disable"),
        *("sslrootcert=/tmp/evil.pem", "sslrootcert=system", "sslkey=/etc/shadow", "sslcert=/x", "require_auth=none", "requirepeer=x"),
        *("host=evil", "hostaddr=127.0.0.1", "port=1", "dbname=other", "user=bob", "password=x", "service=x", "servicefile=/tmp/x", "passfile=/tmp/x"),
        *("options=-c%20session_preload_libraries%3Dx", "options=-c%20default_transaction_read_only%3Doff", "application_name=a%0Ab"),
        *("target_session_attrs=any", "replication=database"),
    ],
    "mongodb": [
        *("tls=false", "tls=true&tls=false", "ssl=false", "ssl=true", "tlsInsecure=true", "tlsAllowInvalidHostnames=true", "tlsAllowInvalidCertificates=true"),
        *("tlsCAFile=/tmp/x", "tlsCertificateKeyFile=/etc/shadow", "authMechanism=PLAIN", "authMechanism=MONGODB-OIDC", "authMechanism=MONGODB-AWS"),
        *("authMechanism=MONGODB-X509", "authSource=$external", "authSource=evil", "authMechanismProperties=ALLOWED_HOSTS:*"),
        *("proxyHost=evil", "proxyPort=1", "directConnection=false", "replicaSet=x", "readPreference=secondary", "loadBalanced=true"),
        *("compressors=zlib", "srvServiceName=x", "appName=a%0Ab"),
    ],
}


@pytest.mark.parametrize("engine", ["postgres", "mongodb"])
@pytest.mark.parametrize("place", ELSEWHERE)
def test_u1_a_string_that_leads_elsewhere_is_refused(engine: str, place: str) -> None:
    with pytest.raises(BridgeError) as error:
        brought(engine, (headers.STRING, string(engine, place=f"{place}/{DATABASE}")))
    assert "secret" not in str(error.value) and "alice" not in str(error.value)


@pytest.mark.parametrize(("engine", "query"), [(engine, query) for engine, queries in PARAMETERS_REFUSED.items() for query in queries])
def test_u1_a_parameter_that_could_change_the_way_is_refused(engine: str, query: str) -> None:
    with pytest.raises(BridgeError):
        brought(engine, (headers.STRING, string(engine, query=f"?{query}")))


@pytest.mark.parametrize(
    "text",
    [
        *(f"host={HOST} user=alice password=secret", "alice:secret", f"mongodb+srv://alice:secret@{HOST}/{DATABASE}", f"jdbc:postgresql://{HOST}/{DATABASE}"),
        *(f"postgresql+psycopg://alice:secret@{HOST}/{DATABASE}", f"postgresql://alice@{HOST}/{DATABASE}", f"postgresql://{HOST}/{DATABASE}"),
        *(string("postgres", place=f"{HOST}:{PORT}/other"), string("postgres", place=f"{HOST}:{PORT}/"), string("postgres", place=f"{HOST}:{PORT}")),
        *(string("postgres", place=f"{HOST}:{PORT}/{DATABASE}#x"), string("postgres", user="a%00b"), string("postgres", user="")),
        string("postgres", password="%zz"),
    ],
)
def test_u1_what_is_no_connection_string_of_this_target_is_refused(text: str) -> None:
    for engine in ("postgres", "mongodb"):
        with pytest.raises(BridgeError):
            brought(engine, (headers.STRING, text))


def test_what_a_target_does_not_accept_is_refused() -> None:
    only = Users(host=HOST, port=PORT, database=DATABASE, ca="/ca.pem", parameters=PARAMETERS["postgres"], accepts=["headers"])
    with pytest.raises(BridgeError, match="not accepted here"):
        headers.credential([(b"x-database-connection-string", string("postgres").encode())], "postgres", only)


@pytest.mark.parametrize("engine", ["postgres", "mongodb"])
def test_u1_no_string_of_100000_changes_where_a_server_connects_to(engine: str) -> None:
    """Pieces of good and bad strings, put together and mutated. What is taken changes user and password of the server's environment, and nothing else of it."""
    chance = random.Random(engine)
    config = Config("x", ["node"], Path("/run/x"), engine=engine, users=users(engine), environment={"PGHOST": HOST})
    bare = wrapped.settings(config, Credential("U", "P"))
    schemes = [f"{SCHEME[engine]}://", "postgres://", "postgresql://", "mongodb://", "mongodb+srv://", "http://", "", f"{SCHEME[engine].upper()}://"]
    logins = ["alice:secret@", "alice@", ":@", "", "a:b:c@", "a%40b:p%2F@", "a:b@evil@", f"{quote('é漢')}:p@", "a:%00@", "a b:c@", "@"]
    places = [f"{HOST}:{PORT}", *ELSEWHERE]
    databases = [f"/{DATABASE}", "", "/", "/other", f"/{DATABASE}/x", "/%2e%2e", f"/{quote(DATABASE)}"]
    queries = ["", "?", *(f"?{query}" for query in PARAMETERS_REFUSED[engine]), *(f"?{name}={value}" for name, value in PARAMETERS[engine].items())]
    noise = [*"@:/?#%&=,;[]\\ '\"\0\n\r\tA1é", "%00", "%0a", "//", "..", "evil", "://", "&sslmode=disable", "?tls=false", ",evil:1"]
    taken = 0
    for _ in range(100_000):
        # The first of each list is good; most pieces are, so that one bad piece has to be noticed by itself.
        text = "".join(pieces[0] if chance.random() < 0.8 else chance.choice(pieces) for pieces in (schemes, logins, places, databases, queries))
        for _ in range(chance.choice([0, 0, 0, 1, 2, 3])):
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice(noise) + text[at + chance.choice([0, 0, 1, 3]) :]
        try:
            credential = headers.credential([(b"x-database-connection-string", text.encode())], engine, config.users)
        except BridgeError:
            continue
        taken += 1
        assert text.count("@") == 1 and text.partition("@")[2].startswith(HOST), text
        settings = wrapped.settings(config, credential)
        assert settings.command == bare.command
        if engine == "postgres":
            assert {**settings.environment, "PGUSER": "U", "PGPASSWORD": "P"} == bare.environment, text
        else:
            login, _, rest = settings.environment["MDB_MCP_CONNECTION_STRING"].partition("@")
            assert rest == bare.environment["MDB_MCP_CONNECTION_STRING"].partition("@")[2] and login.count("/") == 2 and login.count(":") == 2, text
    assert taken > 1000, "the fuzzer finds good ones too"


def test_a_credential_is_found_by_all_of_it_and_shows_none_of_it() -> None:
    secret = b"k" * 32
    pairs = [("ab", "c"), ("a", "bc"), ("a", "b"), ("A", "b"), ("a", "B"), ("abc", ""), ("a\u00e9", "b")]
    assert len({Credential(user, password).key(secret) for user, password in pairs}) == len(pairs)
    assert Credential("a", "b").key(secret) != Credential("a", "b").key(b"l" * 32)
    assert "geheim" not in f"{Credential('a', 'geheim')!r}{Credential('a', 'geheim')}"
