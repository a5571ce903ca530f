# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.bench.postgres_host FOLDER``: the demo's PostgreSQL with one read-only login, until stdin ends.

A process of its own, in the demo's virtual environment, since that is where PostgreSQL is; what it prints is one JSON object: the wrapped
server's variables. It ends with whoever holds its stdin, so that a killed run leaves no database behind.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

from demo import data, logins, postgres, state, tls

SERVICE, LOGIN, DATABASE = "postgres-dev", "bench_ro", "shop_dev"
READY_SECONDS = 30


def main() -> None:
    home = Path(sys.argv[1])
    here = state.load(home)
    tls.ensure(home / "databases" / "tls")
    (home / "databases" / "postgres").mkdir(parents=True, exist_ok=True)
    postgres.ensure_cluster(home / "databases" / "postgres" / "data")
    server = subprocess.Popen(postgres.command(home, here), stdin=subprocess.DEVNULL, stderr=(home / "postgres.log").open("ab"))
    try:
        end = time.monotonic() + READY_SECONDS
        while not postgres.answers(here):
            if server.poll() is not None or time.monotonic() > end:
                sys.exit(f"PostgreSQL did not start:\n{(home / 'postgres.log').read_text()[-2000:]}")
            time.sleep(0.05)
        data.load_postgres(here)
        password = secrets.token_urlsafe(24)
        logins.ensure(home, here, {SERVICE: (LOGIN, password)})
        with postgres.admin(here) as connection:  # a wrapper with one server for each session opens many; the limit is not what is measured
            connection.execute(f"ALTER ROLE {LOGIN} CONNECTION LIMIT -1")
        told = {"PGHOST": "localhost", "PGPORT": str(here.ports["postgres"]), "PGDATABASE": DATABASE, "PGUSER": LOGIN, "PGPASSWORD": password}
        told |= {"PGSSLMODE": "verify-full", "NODE_EXTRA_CA_CERTS": str(home / "databases" / "tls" / "ca.pem")}
        print(json.dumps(told), flush=True)
        sys.stdin.read()
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(here.run(), ignore_errors=True)


if __name__ == "__main__":
    main()
