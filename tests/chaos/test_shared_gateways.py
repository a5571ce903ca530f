# SPDX-License-Identifier: GPL-3.0-or-later
"""Two gateways of one team over one PostgreSQL and one Redis. Real hosts: Molecule, shared."""

from __future__ import annotations

import itertools
import json
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _database_tls, _sharing
from tests.gateway_alone import Gateway, free_port, python_of_gateway
from tests.integration.database_tls.authority import Authority
from tests.integration.shared_gateways import DATABASE, ODD, Shared, shared_gateways
from tests.integration.test_registry import MUTATING

AT_ONCE, CACHED = 2.0, 35.0  # seconds; the second: for which a gateway believes what it knows of a token, with something to spare
FILES = itertools.count(1)
PASSWORDS = (ODD, "plain", "%41%zz", " leading and trailing ", "x" * 200, "é ü 漢 😀", "!*()<>^`|~,")
#: What the gateway's libraries make of URLs on stdin.
READ = {
    "sqlalchemy": "import json, sys; from sqlalchemy import make_url\n"
    "print(json.dumps([{**u._asdict(), **u.query, 'query': 0} for u in map(make_url, json.load(sys.stdin))]))",
    "redis": "import json, sys; from redis.connection import parse_url\n"
    "print(json.dumps([{**u, 'database': u['db'], 'connection_class': 0} for u in map(parse_url, json.load(sys.stdin))]))",
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Shared]:
    with shared_gateways(tmp_path_factory.mktemp("shared")) as found:
        yield found


@pytest.fixture(scope="module")
def entry(shared) -> dict:
    """A client's entry, made by the first gateway."""
    done = shared.register(0, "clients.json")
    assert not done["failed"] and done["changed"], done
    return shared.entry("clients.json")


def test_two_first_starts_at_once_make_one_administrator(shared) -> None:
    with shared.postgres.superuser(DATABASE) as connection:
        assert connection.execute("SELECT count(*) FROM email_users").fetchone() == (1,)


def test_registrations_are_the_same_from_each_and_a_second_run_sends_nothing_that_changes_anything(shared, entry) -> None:
    for number in (1, 0, 1):
        with shared.gateways[number].asked() as asked:
            again = shared.register(number, "clients.json")
        assert (again["failed"], again["changed"], again["actions"]) == (False, False, []), again
        assert asked and [one for one in asked if one[0] in MUTATING and not one[1].rstrip("/").endswith("/mcp")] == []


def test_a_token_of_one_works_at_the_other(shared, entry) -> None:
    assert [shared.answer(number, entry) for number in (0, 1)] == ["one", "one"]


def test_a_registration_that_is_changed_at_one_is_seen_by_the_other(shared, entry) -> None:
    for number, upstream in ((0, "two"), (1, "one")):
        other = 1 - number
        assert shared.answer(other, entry) != upstream, "the other one has what was before at hand"
        done = shared.register(number, "clients.json", upstream)
        assert not done["failed"] and done["changed"], done
        took = shared.until(lambda other=other, upstream=upstream: shared.answer(other, entry) == upstream, 90)
        print(f"changed at gateway {number + 1}, seen by the other after {took:.2f} s")
        assert took < AT_ONCE


def revoked(shared: Shared, number: int, when: str = "", before_it: Callable[[dict], None] = lambda held: None) -> list[float]:
    """Seconds until a token that one of the two revokes is refused by it, and by the other one. ``before_it`` is done when both know the token."""
    file = f"revoked-{next(FILES)}.json"
    with shared.gateways[number].client() as client:
        before = {token["id"] for token in client.list_tokens()}
        done = shared.register(number, file)
        assert not done["failed"] and done["changed"], done
        held = shared.entry(file)
        (made,) = [token for token in client.list_tokens() if token["id"] not in before]
        for _round in range(3):
            assert [shared.call(one, held).status_code for one in (0, 1)] == [200, 200], "both have it at hand"
        before_it(held)
        client.revoke_token(made["id"])
    took = [shared.until(lambda one=one: shared.call(one, held).status_code == 401, 90) for one in (number, 1 - number)]
    print(f"revoked at gateway {number + 1}{when}: refused there after {took[0]:.2f} s, at the other one after {took[1]:.2f} s")
    return took


def test_a_token_that_is_revoked_at_one_is_refused_at_the_other(shared, entry) -> None:
    for number in (0, 1):
        assert max(revoked(shared, number)) < AT_ONCE


def test_one_is_killed_under_load_and_nobody_at_the_other_notices(shared) -> None:
    assert not shared.register(0, "load.json")["failed"]
    held, stop, wrong, seconds = shared.entry("load.json"), threading.Event(), [], []

    def caller() -> None:
        while not stop.is_set():
            began = time.monotonic()
            try:
                assert shared.answer(1, held) == "one"
            except (AssertionError, httpx.HTTPError) as error:
                wrong.append(f"{type(error).__name__} {error}")
            seconds.append(time.monotonic() - began)

    callers = [threading.Thread(target=caller) for _number in range(4)]
    for thread in callers:
        thread.start()
    shared.until(lambda: len(seconds) > 20, 60)
    shared.kill(0)
    shared.start(0)
    shared.ready(0)
    before = len(seconds)
    shared.until(lambda: len(seconds) > before + 20, 60)  # and they go on beside the one that is back
    stop.set()
    for thread in callers:
        thread.join()
    print(f"{len(seconds)} calls, {len(wrong)} failed, longest {max(seconds):.2f} s")
    assert wrong == [] and len(seconds) > 20
    assert shared.answer(0, held) == "one", "the one that was killed is back, with the same token"


def test_without_redis_calls_go_on(shared) -> None:
    def calls(held: dict) -> None:
        shared.redis.stop()
        took = []
        for number in (0, 1) * 5:
            began = time.monotonic()
            assert shared.answer(number, held) == "one"
            took.append(time.monotonic() - began)
        print(f"without Redis: {len(took)} calls, longest {max(took):.2f} s, last {took[-1]:.2f} s")

    try:
        assert max(revoked(shared, 0, " without Redis", calls)) < CACHED
        assert [httpx.get(f"{one.url}/ready", timeout=30).status_code for one in shared.gateways] == [503, 503], "and who watches is told"
        refused = shared.register(0, "redis.json")
        assert refused["failed"] and "Next: " in refused["msg"], "nothing is changed that the other one would not hear of"
    finally:
        shared.redis.start()
    for one in shared.gateways:
        shared.until(lambda one=one: httpx.get(f"{one.url}/ready", timeout=30).status_code == 200, 60)
    time.sleep(5)  # in which they listen again
    for number in (0, 1):
        assert max(revoked(shared, number, " with Redis back")) < AT_ONCE


def test_postgresql_ends_all_sessions_and_calls_go_on(shared) -> None:
    """As when it starts anew: connections that a gateway has at hand are dead, and are found to be before they are used."""
    assert not shared.register(0, "sessions.json")["failed"]
    held = shared.entry("sessions.json")
    with shared.postgres.superuser(DATABASE) as connection:
        (ended,) = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND usename <> 'postgres'"
        ).fetchone()
    assert ended > 1
    assert [shared.answer(number, held) for number in (0, 1) * 3] == ["one"] * 6


def test_both_start_at_once_with_another_encryption_secret(shared) -> None:
    """As own_secrets.yml has them do; what is stored is brought there once, and each can read it."""
    shared.upstreams.bearers["guarded"] = "the bearer of what is behind"
    assert not shared.register(0, "encryption.json", "guarded", shared.upstreams.bearers["guarded"])["failed"]
    held = shared.entry("encryption.json")
    assert [shared.answer(number, held) for number in (0, 1)] == ["guarded", "guarded"]
    for number in (0, 1):
        shared.kill(number)
    before = shared.environment["AUTH_ENCRYPTION_SECRET"]
    shared.environment |= {"AUTH_ENCRYPTION_SECRET": secrets.token_urlsafe(48), "AUTH_ENCRYPTION_SECRET_BEFORE": before}
    for number in (0, 1):
        shared.start(number)
    for number in (0, 1):
        shared.ready(number)
    assert [shared.answer(number, held) for number in (0, 1)] == ["guarded", "guarded"]


def test_s1_logins_are_in_no_log_and_behind_no_door(shared) -> None:
    forms = {ODD, quote(ODD, safe=""), quote(ODD)}
    for one in shared.gateways:
        text = (one.home / "output.log").read_text()
        assert [form for form in forms if form in text] == []
        with one.client() as client:
            for path in ("/admin/config/settings", "/v1/admin/config/settings"):
                said = client._send("GET", path)  # as its administrator
                assert said.status_code == 403 and "rediss" not in said.text
    for process in shared.processes:
        assert all(form.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes() for form in forms)


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_s1_a_login_that_is_refused_is_not_in_the_log_either(shared, name) -> None:
    wrong, home = f"{ODD} wrong", shared.home / name
    (home / "cwd").mkdir(parents=True)
    given = {**shared.environment, name: shared.environment[name].replace(quote(ODD, safe=""), quote(wrong, safe="")), "REDIS_MAX_RETRIES": "1"}
    assert given[name] != shared.environment[name]
    other = Shared([Gateway(python_of_gateway(), home, free_port(), "")], [None], shared.postgres, shared.redis, shared.upstreams, home, given)
    other.start(0)
    assert other.processes[0].wait(120) != 0
    text = (home / "output.log").read_text()
    assert text and [form for form in (ODD, quote(ODD, safe=""), quote(ODD)) if form in text] == []


@pytest.mark.parametrize("library", ["sqlalchemy", "redis"])
def test_s6_urls_are_read_back_by_the_gateways_own_libraries(library) -> None:
    """As they are read in the gateway's process. That it logs in with such a login is what every other test here rests upon."""
    place = {"host": "db.internal", "port": 1234, "database": "a%b é" if library == "sqlalchemy" else "3", "parameters": {"sslmode": "verify-full"}}
    render = _sharing.database_url if library == "sqlalchemy" else _sharing.cache_url
    urls = [render(place, f"user {password}", password, "/srv/a b/ca.pem") for password in PASSWORDS]
    done = subprocess.run([python_of_gateway(), "-c", READ[library]], input=json.dumps(urls), capture_output=True, text=True, check=True)
    files = "sslrootcert" if library == "sqlalchemy" else "ssl_ca_certs"
    for password, found in zip(PASSWORDS, json.loads(done.stdout), strict=True):
        assert (found["username"], found["password"], found["host"], found["port"]) == (f"user {password}", password, "db.internal", 1234)
        assert (str(found["database"]), found[files]) == (place["database"], "/srv/a b/ca.pem")


def test_a_deploy_looks_at_the_certificate_of_redis(shared, tmp_path) -> None:
    for authority, cause in ((shared.home / "redis/ca.pem", ""), (tmp_path / "other.pem", "other_ca")):
        if cause:
            authority.write_text(Authority("somebody else's").pem)
        assert _database_tls.look(_database_tls.Target("redis", "localhost", shared.redis.port, str(authority))).cause == cause
