# SPDX-License-Identifier: GPL-3.0-or-later
"""deploy.yml on the demo: a CA that is not the databases', a weaker connection. Renewal while calls run: tests/chaos/test_certificates_renewed.py."""

from __future__ import annotations

import json

from tests.integration.conftest import Demo, recap
from tests.integration.database_tls.authority import Authority


def same_wrapper(demo: Demo) -> tuple[str, str]:
    """What runs now goes on as it is: another wrapper would be a restart."""
    services = json.loads((demo.home / "team/etc/services.json").read_text())["services"]
    return "-e", f"mcp_wrapper={services['postgres-dev']['bridge']['wrapper']}"


def test_a_deploy_that_meets_certificates_of_another_ca_tells_all_and_touches_nothing(demo, tmp_path) -> None:
    (tmp_path / "ca.pem").write_text(Authority("a CA of somebody else").pem)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    before = {path: path.read_bytes() for path in (demo.home / "team/etc").rglob("*") if path.is_file()}
    done = demo.deploy("-e", f"demo_ca={tmp_path / 'ca.pem'}", *same_wrapper(demo))
    said = " ".join(done.stdout.split())
    assert done.returncode != 0 and recap(done.stdout)["changed"] == 0, done.stdout[-3000:]
    for name in ("postgres-dev", "postgres-prod", "mongodb-dev", "mongodb-prod"):
        place = f"localhost:{demo.state['ports'][name.partition('-')[0]]}"
        assert f"{name}: {place} shows a certificate of another CA than the declared one. Next: put the CA that signed it into ca" in said, done.stdout[-3000:]
    assert {path: path.read_bytes() for path in before} == before
    assert demo.ask_postgres("dev", "SELECT 1 AS one")


def environments(demo: Demo, **dev: object) -> list[dict]:
    """The demo's, with other things said of dev; its PostgreSQL is taken whatever certificate it shows."""
    ports, ca = demo.state["ports"], str(demo.home / "databases/tls/ca.pem")
    found = []
    for name in ("dev", "prod"):
        databases = {
            engine: {"host": "localhost", "port": ports[engine], "database": f"shop_{name}", "ca": ca, "service_port": ports[f"{engine}-{name}"]}
            for engine in ("postgres", "mongodb")
        }
        found.append({"name": name, **databases, "members": ["alice@demo.example"]})
    found[0]["postgres"]["sslmode"] = "require"
    found[0] |= dev
    return found


def test_a_weaker_connection_is_refused_or_told_of_by_every_run(demo) -> None:
    refused = demo.deploy("-e", json.dumps({"mcp_environments": environments(demo)}))
    said = " ".join(refused.stdout.split())
    assert refused.returncode != 0 and "mcp_environments[0].postgres.sslmode: 'require' is weaker than this environment allows" in said, said[-2000:]
    allowed = json.dumps({"mcp_environments": environments(demo, tls_floor="require")})
    place = f"localhost:{demo.state['ports']['postgres']}"
    warning = f"dev: the connection of postgres-dev to postgres at {place} is weaker than verify-full (require): any server is taken"
    for name, arguments in (("status.yml", []), ("verify.yml", []), ("rotate.yml", ["--check"]), ("deploy.yml", ["--check"])):
        done = demo.playbook(name, "-e", allowed, *arguments)
        told = " ".join(done.stdout.split())
        assert done.returncode == 0 and warning in told, f"{name}: {told[-2000:]}"
        if name in ("status.yml", "verify.yml"):
            row = next(line for line in done.stdout.splitlines() if place in line and "postgres-prod" in line)
            assert row.split()[3] == "verify-full" and row.split()[4] > "2026", row
