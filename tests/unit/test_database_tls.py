# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared about TLS with databases, and what follows from it. Servers are in tests/integration/database_tls."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _bridges, _database_tls, _declaration, _declaration_check, _manifest, _status
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _database_material, _team_env
from tests.integration.database_tls.authority import Authority
from tests.unit.test_declaration import DECLARATION, PROGRAMS
from tests.unit.test_team_env import document

CLIENT = {"client_certificate": "c.pem", "client_key": "c.key"}


def declared(engine: str, floor: str | None = None, **changes: object) -> dict:
    found = copy.deepcopy(DECLARATION)
    dev = found["mcp_environments"][0]
    dev[engine] = {name: value for name, value in {**dev[engine], "credential": "unmanaged", **changes}.items() if value is not None}
    if floor is not None:
        dev["tls_floor"] = floor
    return found


@pytest.mark.parametrize(
    ("engine", "floor", "changes", "place", "says"),
    [
        ("postgres", None, {"sslmode": "require"}, "postgres.sslmode", "'require' is weaker than this environment allows: any server is taken"),
        ("postgres", "verify-ca", {"sslmode": "require"}, "postgres.sslmode", "tls_floor: require"),
        ("postgres", "disable", {"sslmode": "prefer"}, "postgres.sslmode", "not a kind of connection"),
        ("mongodb", None, {"tls": False}, "mongodb.tls", "nothing is encrypted"),
        ("mongodb", None, {"tls": "verify-ca"}, "mongodb.tls", "use true with the right ca"),
        ("mongodb", "disable", {"tls": False, "credential": None}, "mongodb.credential", "would cross the network in clear"),
        ("mongodb", "disable", {"tls": False, "users": {"accepts": ["headers"]}}, "mongodb.users", "people's logins need TLS"),
        ("postgres", "verify-ca", {"sslmode": "verify-ca", "ca": None}, "postgres.ca", "is missing"),
        ("postgres", None, {"client_key": "c.key"}, "postgres.client_certificate", "goes with its key"),
        ("postgres", None, {"client_key": 5, "client_certificate": "c.pem"}, "postgres.client_key", "path of a PEM file"),
        ("postgres", "disable", {"sslmode": "disable", **CLIENT}, "postgres.client_key", "no client certificate without TLS"),
        ("postgres", "weak", {}, "tls_floor", "'weak' is not a kind of connection"),
    ],
)
def test_what_cannot_be_is_refused_with_place_and_next_step(engine, floor, changes, place, says) -> None:
    found = _declaration_check.problems(declared(engine, floor, **changes))
    assert [problem.place for problem in found] == [f"mcp_environments[0].{place}"]
    assert says in str(found[0]) and "Next: " in str(found[0])


@pytest.mark.parametrize(("engine", "name"), [("postgres", "sslmode"), ("mongodb", "tls")])
def test_a_weaker_connection_needs_a_floor_and_is_always_told_of(engine, name) -> None:
    for mode in ("require", "verify-ca"):
        weak = declared(engine, mode, **{name: mode})
        assert _declaration_check.problems(weak) == []
        (told,) = _declaration.weaker(weak)
        assert told.startswith(f"dev: the connection of {engine}-dev to {engine} at ") and f"weaker than verify-full ({mode})" in told and "Next: " in told
        assert _declaration_check.problems(declared(engine, "verify-full", **{name: mode})) != []
    assert _declaration.weaker(DECLARATION) == []
    assert _declaration.weaker(declared(engine, "disable")) == [], "a floor alone makes nothing weaker"


def test_no_ca_is_needed_where_none_is_looked_at() -> None:
    weak = declared("postgres", "require", sslmode="require", ca=None)
    assert _declaration_check.problems(weak) == []
    services = _manifest.manifest(weak, PROGRAMS)["services"]
    assert services["postgres-dev"]["wrapped"]["command"][-1] == "postgresql://?sslmode=require&uselibpqcompat=true"


def test_what_a_driver_is_told_is_what_is_declared() -> None:
    etc = "/srv/mcp/team_a/etc/ca"
    for engine, mode, says in (
        ("postgres", "verify-full", f"postgresql://?sslmode=verify-full&sslrootcert={etc}/postgres-dev.pem"),
        ("postgres", "verify-ca", f"postgresql://?sslmode=verify-ca&uselibpqcompat=true&sslrootcert={etc}/postgres-dev.pem"),
        ("postgres", "disable", "postgresql://?sslmode=disable"),
    ):
        services = _manifest.manifest(declared(engine, mode, sslmode=mode), PROGRAMS)["services"]
        assert services["postgres-dev"]["wrapped"]["command"][-1] == says
        assert services["postgres-dev"]["bridge"]["target"]["mode"] == mode
    for mode, says in (("verify-ca", "tlsAllowInvalidHostnames=true"), ("require", "tlsAllowInvalidCertificates=true"), ("disable", "tls=false")):
        weak = declared("mongodb", mode, tls=mode)
        one = {**weak, "mcp_environments": weak["mcp_environments"][:1]}
        string = _team_env.projection(_team_env.generate({}), one, document())["MONGODB_DEV_CONNECTION_STRING"]
        assert says in string and ("tlsCAFile" in string) == (mode != "disable")
        assert _database_tls.mode_of("mongodb", _database_tls.mongodb_parameters(mode)) == mode


def test_s2_a_client_certificate_is_a_file_of_its_own_service_and_in_no_environment() -> None:
    services = _manifest.manifest(declared("postgres", **CLIENT, users={"accepts": ["headers"]}), PROGRAMS)["services"]
    for name in ("postgres-dev", "postgres-dev-users"):
        path = f"/run/mcp/team_a/{name}/client.pem"
        assert services[name]["client"] == {"key": "POSTGRES_DEV_CLIENT_CERTIFICATE"}
        assert f"&sslcert={path}&sslkey={path}" in services[name]["wrapped"]["command"][-1]
        assert "CLIENT_CERTIFICATE" not in str([services[name]["secrets"], services[name]["wrapped"]["secrets"]])
    assert "/run/mcp/team_a/postgres-dev-users/client.pem" in services["postgres-dev-users"]["bridge"]["users"]["visible"]
    assert "client" not in services["mongodb-dev"] and "client" not in services["postgres-prod"]


def test_a_host_gets_the_client_certificates_of_its_own_services() -> None:
    one = {**DECLARATION, "mcp_environments": declared("mongodb", **CLIENT)["mcp_environments"][:1]}
    held = _team_env.projection(_team_env.generate({}), one, document(), {"MONGODB_DEV_CLIENT_CERTIFICATE": "pem\n"})
    assert held["MONGODB_DEV_CLIENT_CERTIFICATE"] == "pem\n"
    assert "tlsCertificateKeyFile=%2Frun%2Fmcp%2Fteam_a%2Fmongodb-dev%2Fclient.pem" in held["MONGODB_DEV_CONNECTION_STRING"]


def test_a_name_for_certificates_tells_them_apart_and_nothing_of_the_key() -> None:
    ca, own = Authority("one"), Authority("one").client("x")
    assert _database_tls.digest(ca.pem, own.certificate + own.key) == _database_tls.digest(f"# a note\n{ca.pem}", own.certificate)
    found = {_database_tls.digest(*texts) for texts in ((ca.pem,), (ca.pem, own.certificate), (own.certificate, ca.pem), (ca.pem + own.certificate,), ("",))}
    assert len(found) == 5


class Env:
    """The team's key."""

    team = "team_a"

    def keys(self) -> list[bytes]:
        return [b"0" * 64]


@pytest.mark.parametrize("sealed", [False, True])
def test_a_clients_key_is_read_encrypted_or_private(tmp_path: Path, sealed: bool) -> None:
    own = Authority("clients").client("x")
    own.written(tmp_path / "c.pem", tmp_path / "c.key")
    (tmp_path / "ca.pem").write_text("a CA")
    if sealed:
        (tmp_path / "c.key").write_bytes(_team_env.encrypt(own.key.encode(), Env().keys()[0], "team_a"))
        (tmp_path / "c.key").chmod(0o644)
    files = _database_material.DatabaseMaterial(lambda path: str(tmp_path / path), Env())
    given = declared("postgres", **CLIENT)
    assert files.problems(given) == []
    assert files.clients(given) == {"POSTGRES_DEV_CLIENT_CERTIFICATE": own.certificate + own.key}
    assert files.digests(given)["postgres-dev"] == _database_tls.digest("a CA", own.certificate) != files.digests(given)["postgres-prod"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "c.key").chmod(0o640), "mcp_environments[0].postgres.client_key: others may read it. Next: chmod 600 c.key"),
        (lambda folder: (folder / "c.key").unlink(), "c.key cannot be read"),
        (lambda folder: (folder / "c.pem").write_text("hunter2"), "postgres.client_certificate: is not a PEM certificate"),
        (lambda folder: (folder / "c.key").write_text("hunter2"), "client_key: is not a PEM key without a passphrase"),
        (lambda folder: (folder / "c.key").write_text(Authority("x").client("y").key), "is the key of another certificate"),
        (lambda folder: (folder / "c.key").write_bytes(_team_env.encrypt(b"hunter2", b"1" * 64, "team_a")), "encrypted with another key than the team's"),
        (lambda folder: (folder / "ca.pem").unlink(), "mcp_environments[0].postgres.ca: there is no file ca.pem"),
    ],
)
def test_files_that_cannot_be_used_are_told_before_anything_is_touched(tmp_path: Path, spoil: object, says: str) -> None:
    Authority("clients").client("x").written(tmp_path / "c.pem", tmp_path / "c.key")
    (tmp_path / "ca.pem").write_text("a CA")
    spoil(tmp_path)
    files = _database_material.DatabaseMaterial(lambda path: str(tmp_path / path), Env())
    found = [str(problem) for problem in files.problems(declared("postgres", **CLIENT))]
    assert any(says in one and "Next: " in one for one in found) and "hunter2" not in str(found)


def test_a_bridge_with_another_ca_than_it_should_have_is_told_and_waited_for() -> None:
    said, told = {"credential": "1.a", "tls": "old", "refused": 0, "status": "ready"}, []

    def reload(commands: list) -> str:
        told.append(commands)
        said["tls"] = "new"
        return ""

    given = _bridges.Bridge("postgres-dev", 1, "1.a", [["reload"]], tls="new")
    assert _bridges.bring([given], 5, reload, lambda _port: said, check=True)["postgres-dev"]["changed"] and told == []
    assert _bridges.bring([given], 5, reload, lambda _port: said) == {"postgres-dev": {"credential": "1.a", "changed": True, "error": ""}}
    assert told == [[["reload"]]]
    assert not _bridges.bring([given], 5, reload, lambda _port: said)["postgres-dev"]["changed"]
    assert not _bridges.bring([_bridges.Bridge("postgres-dev", 1, "1.a", [])], 5, reload, lambda _port: said)["postgres-dev"]["changed"]


def test_the_table_has_a_row_for_each_connection_and_certificates_that_end_are_spoken_of() -> None:
    target = _database_tls.Target("postgres", "db.internal", 5432)
    expired = _database_tls.sentence(target, _database_tls.Verdict("expired", "shows a certificate that has expired (on 2026-01-01)"))
    well = {"mode": "verify-full", "cause": "", "told": "", "until": "", "days": None}
    told = {
        "postgres-dev": {**well, "place": target.place, "cause": "expired", "told": expired},
        "mongodb-dev": {**well, "place": "m:27017", "until": "2026-12-01", "days": 4},
        "mongodb-prod": {**well, "place": "p:27017", "cause": "unreachable", "told": "p:27017 cannot be reached. Next: x"},
    }
    rows = _status.databases({"gw1": told, "gw2": {}})
    assert [row["TLS"] for row in rows] == ["verify-full", "unreachable", "refused: expired"]
    assert rows[2]["what is wrong"] == "shows a certificate that has expired (on 2026-01-01)." and not _status.databases_well(rows)
    assert _status.databases_well(rows[:2]), "who is away is no matter of TLS"
    (soon,) = _status.ending(told)
    assert soon.startswith("mongodb-dev: the certificate of m:27017 ends on 2026-12-01, in 4 day(s). Next: renew it at the server")
