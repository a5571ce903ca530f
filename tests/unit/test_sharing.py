# SPDX-License-Identifier: GPL-3.0-or-later
"""What gateways of one team share: what may be declared, what follows from it, and where its logins go."""

from __future__ import annotations

import copy
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string, _declaration, _declaration_check, _manifest, _sharing, _sharing_check
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _team_env
from tests.unit.test_declaration import DECLARATION, PROGRAMS

DATABASE = {"host": "db.internal", "database": "team_a_gateway", "ca": "ca.pem"}
CACHE = {"host": "redis.internal", "ca": "ca.pem"}
SHARED = {**DECLARATION, "mcp_gateway_database": DATABASE, "mcp_gateway_cache": CACHE, "mcp_public_url": "https://mcp.team-a.internal"}
ODD = ["plain", "@ : / % ? # ' \" \\ $ &=+", "%41%zz", "é ü 漢 😀", " leading and trailing ", "x" * 200, "{a} [b]; ,|<>^`~!*()"]
LOGINS = {
    "GATEWAY_DATABASE_CONNECTION_STRING": _connection_string.render("postgres", "keeper", "p@ss", "db.internal", 5432, "team_a_gateway"),
    "GATEWAY_CACHE_CONNECTION_STRING": _connection_string.render("redis", "keeper", "p/ss", "redis.internal", 6379, "0"),
}


def with_(variable: str, **changes: object) -> dict:
    """A declaration with other keys in one of the two; None takes a key out."""
    told = {name: value for name, value in {**SHARED[variable], **changes}.items() if value is not None}
    return {**SHARED, variable: told}


def told(declaration: dict) -> list[str]:
    return [str(problem) for problem in _declaration_check.problems(declaration)]


@pytest.mark.parametrize("declaration", [SHARED, {**DECLARATION, "mcp_gateway_database": DATABASE}])
def test_a_good_declaration_has_no_problem(declaration) -> None:
    assert told(declaration) == []


@pytest.mark.parametrize(
    ("declaration", "place", "says"),
    [
        (with_("mcp_gateway_database", host=None), "mcp_gateway_database.host", "one host name"),
        (with_("mcp_gateway_database", host="a b"), "mcp_gateway_database.host", "one host name"),
        (with_("mcp_gateway_database", port=70000), "mcp_gateway_database.port", "1 to 65535"),
        (with_("mcp_gateway_database", database="a b"), "mcp_gateway_database.database", "one database"),
        (with_("mcp_gateway_database", ca=None), "mcp_gateway_database.ca", "verified TLS"),
        (with_("mcp_gateway_database", sslmode="require"), "mcp_gateway_database.sslmode", "any server is taken for the database"),
        (with_("mcp_gateway_database", sslmode="prefer", tls_floor="disable"), "mcp_gateway_database.sslmode", "cannot|can be relied upon"),
        (with_("mcp_gateway_database", tls_floor="none"), "mcp_gateway_database.tls_floor", "verify-full"),
        (with_("mcp_gateway_database", databse="x"), "mcp_gateway_database.databse", "did you mean database"),
        (with_("mcp_gateway_database", password="x"), "mcp_gateway_database.password", "encrypted .env"),
        (with_("mcp_gateway_cache", host=7), "mcp_gateway_cache.host", "one host name"),
        (with_("mcp_gateway_cache", database="first"), "mcp_gateway_cache.database", "0 to 255"),
        (with_("mcp_gateway_cache", database=True), "mcp_gateway_cache.database", "0 to 255"),
        (with_("mcp_gateway_cache", tls=False), "mcp_gateway_cache.tls", "nothing is encrypted"),
        (with_("mcp_gateway_cache", ca=None), "mcp_gateway_cache.ca", "verified TLS"),
        (with_("mcp_gateway_cache", sslmode="require"), "mcp_gateway_cache.sslmode", "is not a known name"),
        ({**SHARED, "mcp_gateway_cache": "redis"}, "mcp_gateway_cache", "must be a mapping"),
        ({**SHARED, "mcp_gateway_database": {}}, "mcp_gateway_database", "must be a mapping"),
        ({**DECLARATION, "mcp_gateway_cache": CACHE}, "mcp_gateway_cache", "declare mcp_gateway_database"),
        ({**DECLARATION, "mcp_gateway_databse": DATABASE}, "mcp_gateway_databse", "did you mean mcp_gateway_database"),
        ({**SHARED, "mcp_gateway_settings": {"REDIS_URL": "redis://x"}}, "mcp_gateway_settings.REDIS_URL", "set by the collection"),
        ({**SHARED, "mcp_gateway_settings": {"UNHEALTHY_THRESHOLD": 3}}, "mcp_gateway_settings.UNHEALTHY_THRESHOLD", "set by the collection"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_next_step(declaration, place, says) -> None:
    found = told(declaration)
    assert any(line.startswith(f"{place}: ") and "Next: " in line and any(word in line for word in says.split("|")) for line in found), found


def test_weaker_connections_are_taken_where_they_are_allowed_and_then_told() -> None:
    declaration = {
        **with_("mcp_gateway_database", sslmode="require", tls_floor="require", ca=None),
        "mcp_gateway_cache": {**CACHE, "tls": False, "tls_floor": "disable"},
    }
    assert told(declaration) == []
    database, cache = _sharing.weaker(declaration)
    assert database.startswith("mcp_gateway_database: ") and "nothing is encrypted" in cache and "Next: " in cache
    assert _sharing.weaker(SHARED) == []


# Several hosts


def on_hosts(declaration: dict, others: dict[str, dict] | None = None) -> list[str]:
    same = {name: declaration[name] for name in (*_sharing_check.SAME, "mcp_edge") if name in declaration}
    placed = [(f"mcp_environments[{index}]", one) for index, one in enumerate(declaration["mcp_environments"])]
    return [str(one) for one in _sharing_check.on_hosts(declaration, "gw1", {"gw2": same} if others is None else others, placed)]


def test_several_hosts_need_a_cache_one_name_and_every_environment() -> None:
    assert on_hosts(SHARED) == [] and on_hosts(DECLARATION) == []
    without = {name: value for name, value in SHARED.items() if name != "mcp_gateway_cache"}
    (line,) = on_hosts(without)
    assert "would not know for up to a minute what another changed or revoked" in line and "Next: declare mcp_gateway_cache" in line
    assert on_hosts(without, {}) == [], "one host needs none"
    nameless = {name: value for name, value in SHARED.items() if name != "mcp_public_url"}
    (line,) = on_hosts(nameless)
    assert "no one name" in line and "mcp_edge" in line
    assert on_hosts({**nameless, "mcp_edge": {"name": "mcp.team-a.internal"}}) == []
    partly = copy.deepcopy(SHARED)
    partly["mcp_environments"][1]["hosts"] = ["gw1"]
    (line,) = on_hosts(partly)
    assert line.startswith("mcp_environments[1].hosts: leaves out gw2") and "Next: remove it" in line


@pytest.mark.parametrize(
    ("theirs", "place"),
    [
        ({"mcp_gateway_database": {**DATABASE, "host": "other.internal"}}, "mcp_gateway_database"),
        ({"mcp_gateway_cache": {**CACHE, "port": 6380}}, "mcp_gateway_cache"),
        ({"mcp_public_url": "https://gw2.team-a.internal"}, "mcp_public_url"),
    ],
)
def test_what_is_shared_is_the_same_on_each_host(theirs, place) -> None:
    same = {name: SHARED[name] for name in _sharing_check.SAME}
    (line,) = on_hosts(SHARED, {"gw2": {**same, **theirs}})
    assert line.startswith(f"{place}: is another one on gw2")


def test_two_names_of_edges_are_a_mistake() -> None:
    ours = {name: value for name, value in SHARED.items() if name != "mcp_public_url"} | {"mcp_edge": {"name": "mcp.team-a.internal"}}
    same = {name: ours[name] for name in _sharing_check.SAME if name in ours}
    (line,) = on_hosts(ours, {"gw2": {**same, "mcp_edge": {"name": "gw2.team-a.internal"}}})
    assert line.startswith("mcp_edge.name: is another one on gw2")


def test_the_first_host_tells_the_registry() -> None:
    assert [_sharing.registrar(one, ["gw1", "gw2"], "gw2") for one in (SHARED, DECLARATION)] == ["gw1", "gw2"]


# What the gateway is given


def test_without_it_nothing_is_different() -> None:
    assert told({**DECLARATION, "mcp_gateway_settings": {"UNHEALTHY_THRESHOLD": 3}}) == []
    own = _declaration.gateway(DECLARATION)["settings"]
    assert own["REDIS_URL"] == "", "nobody is asked who happens to listen at the gateway's own default"
    assert _sharing.settings(DECLARATION, own) is own and _sharing.secrets(DECLARATION) == {} and _sharing.urls(DECLARATION, {}) == {}
    assert _manifest.manifest(DECLARATION, PROGRAMS)["services"]["gateway"]["environment"]["DATABASE_URL"] == "sqlite:////srv/mcp/team_a/state/mcp.db"


def test_s2_logins_are_secrets_of_the_gateway_alone_and_in_no_plain_setting() -> None:
    services = _manifest.manifest(SHARED, PROGRAMS)["services"]
    entry = services["gateway"]
    assert {name: entry["secrets"][name]["key"] for name in ("DATABASE_URL", "REDIS_URL")} == {
        "DATABASE_URL": "GATEWAY_DATABASE_URL",
        "REDIS_URL": "GATEWAY_CACHE_URL",
    }
    assert not {"DATABASE_URL", "REDIS_URL"} & entry["environment"].keys()
    assert (entry["environment"]["CACHE_TYPE"], entry["environment"]["UNHEALTHY_THRESHOLD"]) == ("redis", "-1")
    assert all("GATEWAY_" not in str(service) for name, service in services.items() if name != "gateway")


def test_one_host_with_a_database_alone_keeps_its_cache_there() -> None:
    settings = _manifest.manifest({**DECLARATION, "mcp_gateway_database": DATABASE}, PROGRAMS)["services"]["gateway"]["environment"]
    assert settings["CACHE_TYPE"] == "database" and "DATABASE_URL" not in settings


def test_the_team_may_say_how_many_connections_a_gateway_opens() -> None:
    assert _sharing.settings(SHARED, {})["DB_POOL_SIZE"] == "20"
    assert _sharing.settings(SHARED, {"DB_POOL_SIZE": "5"})["DB_POOL_SIZE"] == "5"


@pytest.mark.parametrize("password", ODD)
def test_s6_logins_arrive_in_the_urls(password) -> None:
    place = {"host": "db.internal", "port": 5432, "database": "a%b é", "parameters": {"sslmode": "verify-full"}}
    url = urlsplit(_sharing.database_url(place, f"user {password}", password, "/srv/a b/ca.pem"))
    assert (url.scheme, url.hostname, url.port, unquote(url.username), unquote(url.password)) == (
        "postgresql+psycopg",
        "db.internal",
        5432,
        f"user {password}",
        password,
    )
    assert unquote(url.path) == "/a%b é" and parse_qs(url.query) == {"sslmode": ["verify-full"], "sslrootcert": ["/srv/a b/ca.pem"]}
    url = urlsplit(_sharing.cache_url({**place, "database": "3"}, f"user {password}", password, "/srv/a b/ca.pem"))
    assert (url.scheme, unquote(url.username), unquote(url.password), url.path) == ("rediss", f"user {password}", password, "/3")
    assert parse_qs(url.query) == {"ssl_cert_reqs": ["required"], "ssl_check_hostname": ["True"], "ssl_ca_certs": ["/srv/a b/ca.pem"]}


@pytest.mark.parametrize(
    ("mode", "database", "cache"),
    [
        ("disable", "sslmode=disable", ""),
        ("require", "sslmode=require", "ssl_cert_reqs=none&ssl_check_hostname=False"),
        ("verify-ca", "sslmode=verify-ca&sslrootcert=%2Fca.pem", "ssl_cert_reqs=required&ssl_check_hostname=False&ssl_ca_certs=%2Fca.pem"),
    ],
)
def test_weaker_connections_say_so_in_the_url(mode, database, cache) -> None:
    place = {"host": "::1", "port": 1, "database": "0", "parameters": {"sslmode": mode}}
    assert _sharing.database_url(place, "u", "p", "/ca.pem") == f"postgresql+psycopg://u:p@[::1]:1/0?{database}"
    scheme = "redis" if mode == "disable" else "rediss"
    assert _sharing.cache_url(place, "u", "p", "/ca.pem") == f"{scheme}://u:p@[::1]:1/0" + (f"?{cache}" if cache else "")


# The operator's .env


def env_problems(declaration: dict, **values: str | None) -> list[str]:
    given = {name: value for name, value in {**LOGINS, **values}.items() if value is not None}
    unmanaged = {**declaration, "mcp_environments": []}
    return [str(problem) for problem in _team_env.problems(given, unmanaged, ".env")]


def test_their_logins_are_in_the_encrypted_env_and_agree_with_the_declaration() -> None:
    assert env_problems(SHARED) == []
    (line,) = env_problems(SHARED, GATEWAY_DATABASE_CONNECTION_STRING=None)
    assert "is missing: mcp_gateway_database is declared" in line and "postgresql://USER:PASSWORD@db.internal:5432/team_a_gateway" in line
    (line,) = env_problems(SHARED, GATEWAY_CACHE_CONNECTION_STRING="redis://u:secret@elsewhere:6379/0")
    assert "disagrees with mcp_gateway_cache about its host (the inventory says redis.internal)" in line and "secret" not in line
    (line,) = env_problems(SHARED, GATEWAY_CACHE_CONNECTION_STRING="redis://:secret@redis.internal:6379/0")
    assert "is not redis://user:password@host" in line and "secret" not in line
    assert len(env_problems(DECLARATION)) == 2, "of a team that declares neither, nobody uses them"


def test_a_host_gets_the_urls_with_the_paths_of_its_cas() -> None:
    values = {**dict.fromkeys(_declaration.OWN_SECRETS, "x"), **LOGINS}
    held = _team_env.projection(values, {**SHARED, "mcp_environments": []}, {"credentials": {}})
    url = urlsplit(held["GATEWAY_DATABASE_URL"])
    assert (url.scheme, url.netloc, url.path) == ("postgresql+psycopg", "keeper:p%40ss@db.internal:5432", "/team_a_gateway")
    assert parse_qs(url.query) == {"sslmode": ["verify-full"], "sslrootcert": ["/srv/mcp/team_a/etc/ca/gateway-database.pem"]}
    url = urlsplit(held["GATEWAY_CACHE_URL"])
    assert (url.scheme, url.netloc, url.path) == ("rediss", "keeper:p%2Fss@redis.internal:6379", "/0")
    assert parse_qs(url.query)["ssl_ca_certs"] == ["/srv/mcp/team_a/etc/ca/gateway-cache.pem"]
    assert not set(LOGINS) & set(held), "the operator's own form stays on the control node"


def test_what_is_wrong_with_a_redis_login_is_told_without_it() -> None:
    with pytest.raises(_connection_string.ConnectionStringError, match="must start with redis://"):
        _connection_string.parse("http://u:secret@h/0", "redis")
    assert _connection_string.parse("redis://u:p%40@h/0", "redis").port == 6379
