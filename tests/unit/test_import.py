# SPDX-License-Identifier: GPL-3.0-or-later
"""What is understood of a folder of the guide, and what is told about the rest. The folders are real; no value may be in what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string, _gateways_txt, _import, _init, _table
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _import_folder, _import_gateway

PASSWORD = "hunter2-canary"
COMMAND = 'python3 -m mcpgateway.translate --stdio "npx -y {server}" --expose-sse --port 8031 --host 0.0.0.0'
POSTGRES, MONGODB = "@modelcontextprotocol/server-postgres", "mongodb-mcp-server"


def service(server: str, **more: object) -> dict:
    """As the guide writes them."""
    return {"image": "translate:latest", "command": ["sh", "-c", COMMAND.format(server=server)], **more}


def dump(services: dict) -> str:
    import yaml

    return yaml.safe_dump({"services": services}, sort_keys=False)


def understood(folder: Path, files: dict[str, str], **options: object) -> _import.Understood:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    found = _import.understand(_import_folder.Reader(folder).folder, **options)
    shown = _table.text(_import.COLUMNS, [finding.row() for finding in found.findings])
    assert PASSWORD not in shown and "canary" not in shown, shown
    return found


def told(found: _import.Understood, what: str) -> _import.Finding:
    """The one finding about something."""
    (one,) = [finding for finding in found.findings if finding.what.startswith(what)]
    return one


def url(database: str, engine: str = "postgresql", host: str = "db.internal", query: str = "") -> str:
    return f"{engine}://reader:{PASSWORD}@{host}/{database}{query}"


def test_one_deployment_with_a_gateways_list(tmp_path) -> None:
    """The guide's first option."""
    found = understood(
        tmp_path,
        {
            ".env": "HOST=0.0.0.0\nPLATFORM_ADMIN_EMAIL=ops@team-a.example\n"
            f"POSTGRES_CONNECTION_STRING={url('a_db', query='?sslmode=require')}\n"
            f"MONGODB_CONNECTION_STRING={url('a_db', 'mongodb', 'mongo.internal:27018', '?authSource=admin&tls=true')}\nJWT_SECRET_KEY=canary\n",
            "docker-compose.yml": dump(
                {
                    "gateway": {"image": "gateway"},
                    "memory": service("@modelcontextprotocol/server-memory"),
                    "postgres": service(f"{POSTGRES} ${{POSTGRES_CONNECTION_STRING}}", env_file=".env"),
                    "mongodb": service(f"{MONGODB}@latest ${{MONGODB_CONNECTION_STRING}}"),
                }
            ),
            "scripts/gateways.txt": "# a comment\npostgres|http://postgres:8031/sse|SSE\nmemory|http://memory:8027/sse|SSE\nWiki|https://wiki.example/mcp\n",
        },
    )
    (main,) = found.environments
    assert main["name"] == "main" and main["members"] == ["ops@team-a.example"]
    assert main["postgres"] == f"postgresql://reader:{PASSWORD}@db.internal:5432/a_db"
    assert main["mongodb"] == f"mongodb://reader:{PASSWORD}@mongo.internal:27018/a_db?authSource=admin"
    line = (tmp_path / "docker-compose.yml").read_text().splitlines().index("  postgres:") + 1
    assert told(found, "service postgres").where == f"docker-compose.yml:{line}" and "it was sslmode=require" in told(found, "service postgres").how
    verdicts = {finding.what: (finding.verdict, finding.where) for finding in found.findings}
    assert verdicts["POSTGRES_CONNECTION_STRING"] == (_import.TAKEN, ".env:3")
    assert verdicts["gateway postgres"] == (_import.TAKEN, "scripts/gateways.txt:2")
    for left in ("service gateway", "service memory", "gateway memory", "gateway Wiki", "HOST", "JWT_SECRET_KEY"):
        assert verdicts[left][0] == _import.LEFT
    assert _import.UNCLEAR not in {finding.verdict for finding in found.findings}


def test_several_environments_of_one_compose_file(tmp_path) -> None:
    """The guide's third option."""
    compose = {name: service(f"{POSTGRES} ${{POSTGRES_{name[9:].upper()}_CONNECTION_STRING}}") for name in ("postgres-dev", "postgres-prod")}
    env = f"POSTGRES_DEV_CONNECTION_STRING={url('dev')}\nPOSTGRES_PROD_CONNECTION_STRING={url('prod')}\nPOSTGRES_CONNECTION_STRING={url('prod')}\n"
    found = understood(
        tmp_path, {".env": env, "compose.yaml": dump(compose), "gateways.txt": "postgres-dev|http://postgres-dev:8031/sse|SSE\n"}, members=["a@b.example"]
    )
    assert [(one["name"], one["postgres"].rpartition("/")[2]) for one in found.environments] == [("dev", "dev"), ("prod", "prod")]
    assert told(found, "POSTGRES_CONNECTION_STRING").how.startswith("the same login as service postgres-prod")
    assert told(found, "gateway postgres-dev").how.startswith("as postgres-dev")


def test_several_env_files(tmp_path) -> None:
    files = {name: f"POSTGRES_CONNECTION_STRING={url(database)}\n" for name, database in ((".env.dev", "d"), ("stage.env", "s"), ("prod/.env", "p"))}
    found = understood(tmp_path, {**files, ".env.example": "POSTGRES_CONNECTION_STRING=postgresql://…\n"})
    assert [(one["name"], one["postgres"][-1]) for one in found.environments] == [("dev", "d"), ("prod", "p"), ("stage", "s")]
    assert [finding.where for finding in found.findings if finding.verdict == _import.LEFT] == [".env.example"]
    assert told(found, "members").verdict == _import.UNCLEAR  # nobody is named


@pytest.mark.parametrize(
    "definition",
    [
        service(POSTGRES, environment={"DATABASE_URI": "${PG_CONNECTION_STRING}"}),
        service(POSTGRES, environment=["DATABASE_URL=${PG_CONNECTION_STRING:-none}"]),
        service(f"{POSTGRES} $${{DB_LOGIN}}", env_file=["db/.env"]),
        service(f"{POSTGRES} $$LOGIN", environment=["LOGIN=${PG_CONNECTION_STRING:?must be set}"]),
        service(f"{POSTGRES}@0.6.2 --quiet $PG_CONNECTION_STRING"),
        {"command": "python -m mcpgateway.translate --port 1 --stdio='npx -y " + POSTGRES + " ${PG_CONNECTION_STRING}' --expose-sse"},
        {"entrypoint": ["python3", "-m", "mcpgateway.translate"], "command": ["--stdio", f"npx -y {POSTGRES} ${{PG_CONNECTION_STRING}}"]},
        service(f"{POSTGRES} {url('shop')}"),
    ],
)
def test_ways_to_hand_over_a_connection_string(tmp_path, definition: dict) -> None:
    env = f"PG_CONNECTION_STRING={url('shop')}\n"
    found = understood(tmp_path, {".env": env, "db/.env": f"DB_LOGIN={url('shop')}\n", "compose.yml": dump({"pg": definition})}, environment="dev")
    assert {one["name"]: one["postgres"] for one in found.environments}["dev"] == f"postgresql://reader:{PASSWORD}@db.internal:5432/shop"
    assert told(found, "service pg").verdict == _import.TAKEN


@pytest.mark.parametrize(
    ("files", "where", "what"),
    [
        ({".env": f"A=1\n{PASSWORD}\n"}, ".env:2", "is not NAME=value"),
        ({".env": f"A='{PASSWORD}\n"}, ".env:1", "unclosed quote"),
        ({".env": f"POSTGRES_URL={url('a')}\nPOSTGRES_URL={url('b')}\n"}, ".env:2", "a second time, after .env:1"),
        ({".env": f"POSTGRES_URL=postgresql://u:{PASSWORD}${{X}}@h/d\n"}, ".env:1", "single quotes"),
        ({".env": f"\nPOSTGRES_URL=postgresql://u:{PASSWORD}@@h/d\n"}, ".env:2", "percent-encoded"),
        ({".env": f"POSTGRES_URL=mysql://u:{PASSWORD}@h/d\n"}, ".env:1", "must start with postgresql://"),
        ({".env": f"MONGODB_URI=mongodb+srv://u:{PASSWORD}@h/d\n"}, ".env:1", "must start with mongodb://"),
        ({".env": f"MONGODB_URI=mongodb://u:{PASSWORD}@h:27017/?authSource=admin\n"}, ".env:1", "names no database"),
        ({".env": f"POSTGRES_PASSWORD={PASSWORD}\n"}, ".env:1", "a login in parts"),
        ({".env": f"POSTGRES_9_URL={url('a')}\n"}, ".env:1", "no name here"),
        ({".env": f"WHATEVER={PASSWORD}\n"}, ".env:1", "is not known here"),
        ({".env": "$ANSIBLE_VAULT;1.1;AES256\n00\n"}, ".env", "is encrypted"),
        ({".env": f"PG_URL={url('a')}\n", "dev.env": f"PG_MAIN_URL={url('b')}\n"}, "dev.env:1", "different logins (.env:1, dev.env:1)"),
        ({"compose.yml": "services: [\n"}, "compose.yml:2", "is not YAML"),
        ({"compose.yml": "x: 1\n"}, "compose.yml", "no compose file"),
        ({"compose.yml": dump({"pg": service(POSTGRES)})}, "compose.yml:2", "has no connection string"),
        ({"compose.yml": dump({"pg": service(f"{POSTGRES} ${{NOT_SET}}")})}, "compose.yml:2", "NOT_SET is not set"),
        ({"compose.yml": dump({"pg": {"command": "python -m mcpgateway.translate --stdio 'npx"}})}, "compose.yml:2", "unclosed quote"),
        ({"compose.yml": dump({"pg": service(f"{POSTGRES} {url('a')} 'x")})}, "compose.yml:2", "unclosed quote"),
        (
            {".env": f"LOGIN=postgresql://u:{PASSWORD}$X@h/d\n", "compose.yml": dump({"pg": service(f"{POSTGRES} ${{LOGIN}}")})},
            "compose.yml:2",
            "LOGIN has a $ that Compose would replace",
        ),
        ({"gateways.txt": f"a|http://u:{PASSWORD}@h/mcp|SSE\n"}, "gateways.txt:1:3", "a login in its URL"),
        ({"gateways.txt": "ok|http://h/mcp\na|ftp://h/mcp|SSE\n"}, "gateways.txt:2:3", "no http or https URL"),
        ({"gateways.txt": "a|http://h/mcp|STDIO\n"}, "gateways.txt:1:16", "neither SSE nor STREAMABLEHTTP"),
        ({"gateways.txt": "a|http://h/mcp|SSE|x\n"}, "gateways.txt:1:20", "a fourth field"),
        ({"gateways.txt": "a|http://h/mcp\na|http://i/mcp\n"}, "gateways.txt:2:1", "a second time"),
    ],
)  # fmt: skip
def test_what_is_unclear_is_told_with_its_place_and_not_taken(tmp_path, files: dict, where: str, what: str) -> None:
    found = understood(tmp_path, files)
    assert any(finding.where == where and what in finding.how and finding.verdict == _import.UNCLEAR for finding in found.findings), found.findings
    taken = [finding for finding in found.findings if finding.verdict == _import.TAKEN and not finding.what.startswith("gateway")]
    assert found.environments == [] and not taken


def test_other_servers_come_along_where_an_environment_is_named_for_them(tmp_path) -> None:
    env = f"POSTGRES_DEV_URL={url('a')}\nEXTRA_GATEWAYS=Two|https://two.example/sse,bad\n"
    found = understood(tmp_path, {".env": env, "gateways.txt": "Wiki|https://wiki.example/mcp|STREAMABLEHTTP\n"}, upstreams="dev", members=["a@b.example"])
    wiki, two = (
        {"name": "Wiki", "url": "https://wiki.example/mcp", "transport": "STREAMABLEHTTP"},
        {"name": "Two", "url": "https://two.example/sse", "transport": "SSE"},
    )
    assert found.environments[0]["upstreams"] == [two, wiki] and told(found, "gateway Wiki").verdict == _import.TAKEN
    assert told(found, "EXTRA_GATEWAYS").how.startswith("one of its gateways is not name|url|transport")
    made = _init.new_team({"team": "t", "hosts": ["h"], "environments": found.environments})
    assert made.problems == [] and made.declaration["mcp_environments"][0]["upstreams"] == [two, wiki]


def test_what_a_gateway_has_registered_is_taken_once_and_nothing_of_a_credential(tmp_path) -> None:
    address = "http://localhost:4444"

    def registered(name: str, url: str, **more: object) -> _import.Registration:
        return _import.Registration(_gateways_txt.Gateway(name, url, "SSE"), **more)

    (tmp_path / ".env").write_text(f"POSTGRES_DEV_URL={url('a')}\n")
    (tmp_path / "gateways.txt").write_text("Wiki|https://wiki.example/sse|SSE\nNews|https://news.example/sse|SSE\n")
    reader = _import_folder.Reader(tmp_path)
    stamp = reader.stamp
    rows = [
        registered("wiki", "https://wiki.example/sse"),
        registered("News", "https://other.example/sse"),
        registered("postgres-dev", "http://postgres-dev:8031/sse", auth="bearer"),
        registered("Secret", "https://secret.example/sse", auth="bearer"),
        registered("Off", "https://off.example/sse", enabled=False),
        registered("More", "https://more.example/sse?key=canary"),
    ]
    reader.registered(address, rows, [_import.Finding(address, "2 users", _import.LEFT, "name them")])
    assert "canary" not in reader.stamp and reader.stamp != stamp, "what is registered there may change between question and answer"
    found = _import.understand(reader.folder, upstreams="dev", members=["a@b.example"])
    verdicts = {one.what: (one.verdict, one.how) for one in found.findings if one.where == address}
    assert verdicts == {
        "gateway wiki": (_import.LEFT, "is at gateways.txt:1 already"),
        "gateway News": (_import.UNCLEAR, "is at gateways.txt:2 already, with another URL; only one can be meant"),
        "gateway postgres-dev": (_import.TAKEN, "as postgres-dev, which deploy.yml registers anew"),
        "gateway Secret": (_import.LEFT, "needs a credential (bearer), which no gateway gives out; an upstream here is registered without one"),
        "gateway Off": (_import.LEFT, "is switched off there"),
        "gateway More": (_import.TAKEN, "an upstream of dev, as it is"),
        "2 users": (_import.LEFT, "name them"),
    }
    assert [one["name"] for one in found.environments[0]["upstreams"]] == ["Wiki", "News", "More"]


@pytest.mark.parametrize(
    ("address", "env", "said"),
    [
        ("http://gw.internal:4444", "JWT_SECRET_KEY=canary\nPLATFORM_ADMIN_EMAIL=a@b.example\n", "in clear"),
        ("ftp://localhost", "", "is not an http or https address"),
        ("http://u:hunter2-canary@localhost", "", "without a login"),
        ("http://localhost:x", "", "is not an http or https address"),
        ("https://localhost", "JWT_SECRET_KEY=canary\n", "no .env of the folder has JWT_SECRET_KEY and PLATFORM_ADMIN_EMAIL"),
        ("http://localhost:1", f"JWT_SECRET_KEY={'canary' * 6}\nPLATFORM_ADMIN_EMAIL=a@b.example\n", "did not say what it has registered"),
    ],
)
def test_a_gateway_that_cannot_be_asked_is_told_with_the_next_step(tmp_path, address: str, env: str, said: str) -> None:
    (tmp_path / ".env").write_text(env)
    with pytest.raises(_import_gateway.ImportGatewayError, match=said) as told_:
        _import_gateway.registrations(address, _import_folder.Reader(tmp_path).folder.envs)
    assert "canary" not in str(told_.value) and "Next: " in str(told_.value)


def test_what_is_written_as_gateways_txt_reads_back() -> None:
    given = [_gateways_txt.Gateway("b", "https://h/servers/1/mcp", "STREAMABLEHTTP"), _gateways_txt.Gateway("a", "http://[::1]:1/sse", "SSE")]
    found, wrong = _gateways_txt.parse(_gateways_txt.render("team_a", given))
    assert wrong == [] and [(one.name, one.url, one.transport, one.line) for one in found] == [
        ("a", *("http://[::1]:1/sse", "SSE"), 2),
        ("b", given[0].url, given[0].transport, 3),
    ]
    with pytest.raises(_gateways_txt.LineError, match="fourth field"):
        _gateways_txt.render("team_a", [_gateways_txt.Gateway("a", "http://h/a|b", "SSE")])


def test_a_name_that_only_containers_know_is_told(tmp_path) -> None:
    compose = dump({"db": {"image": "postgres"}, "postgres": service(f"{POSTGRES} {url('shop', host='db')}")})
    assert "only containers know" in told(understood(tmp_path, {"compose.yml": compose}), "service postgres").how


def test_an_environment_whose_name_cannot_stay_is_told(tmp_path) -> None:
    found = understood(tmp_path, {".env": f"POSTGRES_EU_WEST_URL={url('a')}\n"})
    assert found.environments[0]["name"] == "euwest" and "eu_west is called euwest" in told(found, "POSTGRES_EU_WEST_URL").how


def test_nothing_outside_of_the_folder_is_read(tmp_path) -> None:
    (tmp_path / "elsewhere").write_text(f"POSTGRES_URL={url('a')}\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".env").symlink_to("../elsewhere")
    found = understood(folder, {})
    assert found.environments == [] and told(found, "file").how.startswith("is a link out of the folder")


def test_a_byte_order_mark_and_windows_lines(tmp_path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbf" + f"POSTGRES_URL='{url('a')}'\r\nHOST=x\r\n".encode())
    found = understood(tmp_path, {})
    assert found.environments[0]["postgres"].endswith("/a") and [one.where for one in found.findings if one.what != "members"] == [".env:1", ".env:2"]


@pytest.mark.parametrize(
    ("text", "engine", "made", "notes"),
    [
        ("postgres://u:p%40@h/d", "postgres", "postgresql://u:p%40@h:5432/d", ["TLS is verified now (verify-full)"]),
        ("postgresql://u:p@h:1/d?sslmode=verify-full&hunter2=x", "postgres", "postgresql://u:p@h:1/d", ["without another one"]),
        ("mongodb://u:p@h/d?ssl=true&retryWrites=true", "mongodb", "mongodb://u:p@h:27017/d?authSource=d", ["without retryWrites"]),
        ("mongodb://u:p@h/d?authSource=admin", "mongodb", "mongodb://u:p@h:27017/d?authSource=admin", ["TLS is required now"]),
    ],
)
def test_what_a_connection_string_becomes(text: str, engine: str, made: str, notes: list[str]) -> None:
    assert _import.canonical(text, engine) == (made, notes)


def test_a_password_of_every_kind_arrives_byte_for_byte(tmp_path) -> None:
    password = "@ : / % ? # ' \" \\ $ é"
    text = _connection_string.render("postgres", "u", password, "h", 5432, "d")
    found = understood(tmp_path, {".env": f"POSTGRES_URL={text}\n"})
    assert _connection_string.parse(found.environments[0]["postgres"], "postgres").password == password
