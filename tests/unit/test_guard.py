# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's rules: what is a secret, what only stands where one would. Secrets are drawn anew for each run."""

from __future__ import annotations

import base64
import json
import secrets
import string

import pytest

from guard import allowed
from guard.scan import Hit, scan
from guard.values import is_placeholder, looks_drawn


def drawn(length: int = 24) -> str:
    """Letters and digits, of both at least one."""
    return "a1B2" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


def rules(path: str, text: str | bytes) -> set[str]:
    return {hit.rule for hit in scan(path, text.encode() if isinstance(text, str) else text)}


def private_key() -> str:
    body = base64.b64encode(secrets.token_bytes(96)).decode()
    return f"-----BEGIN {'PRIVATE'} KEY-----\n{body[:64]}\n{body[64:]}\n-----END {'PRIVATE'} KEY-----\n"


@pytest.mark.parametrize(
    ("path", "text", "rule"),
    [
        ("a.md", lambda: f"psql postgresql://reader:{drawn()}@db.internal/shop", "connection string with a password"),
        ("a.yml", lambda: f"url: mongodb+srv://reader:{drawn()}@db/shop?tls=true", "connection string with a password"),
        ("a.py", lambda: f"URL = 'postgresql+asyncpg://u:{drawn()}%40@db/shop'", "connection string with a password"),
        ("a.sh", lambda: f"curl https://u:Sommer-{secrets.randbelow(900) + 1000}@host/x", "connection string with a password"),
        ("a.xml", lambda: f"jdbc:postgresql://db/shop?user=reader&password={drawn()}", "connection string with a password"),
        ("a.ini", lambda: f"dsn = host=db user=reader password={drawn()}", "connection string with a password"),
        ("a.txt", lambda: f"Authorization: Bearer {drawn(40)}", "token of a client"),
        ("a.txt", lambda: "Authorization: Basic " + base64.b64encode(f"alice:{drawn()}".encode()).decode(), "token of a client"),
        ("a.py", lambda: f"API_TOKEN = \"{drawn()}\"", "secret under its name"),
        ("a.yml", lambda: f"  admin_password: {drawn()}", "secret under its name"),
        ("a.json", lambda: json.dumps({"client_secret": drawn()}), "secret under its name"),
        ("inventories/team_a/group_vars/all.yml", lambda: f"db_password: Sommer{secrets.randbelow(900) + 100}!", "secret under its name"),
        (".pgpass", lambda: f"db:5432:shop:reader:{drawn()}", "password file of PostgreSQL"),
        ("x/.env", lambda: f"# ours\nexport A={drawn()}", "clear .env"),
        ("prod.env", lambda: "PORT=1\n", "clear .env"),
        (".env.local", lambda: "A = 'b'\n", "clear .env"),
        ("team_a.key", lambda: secrets.token_hex(32) + "\n", "vault key"),
        ("notes", lambda: secrets.token_hex(32), "vault key"),
        (".vault_pass", lambda: f"Sommer{secrets.randbelow(900) + 100}", "vault key"),
        ("id_ed25519", private_key, "private key"),
        ("a.json", lambda: json.dumps({"key": private_key()}), "private key"),
        ("client.json", lambda: json.dumps({"mcpServers": {"a": {"headers": {"Authorization": f"Bearer {drawn(6)}"}}}}), "client configuration with a token"),
        (".vscode/mcp.json", lambda: json.dumps({"servers": {"a": {"env": {"DB_PASSWORD": drawn(4)}}}}), "client configuration with a token"),
    ],
)  # fmt: skip
def test_what_is_secret(path: str, text, rule: str) -> None:
    text = text()
    hits = scan(path, text.encode())
    assert rule in {hit.rule for hit in hits}, hits
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"):
        assert {(hit.line, hit.rule) for hit in scan(path, text.encode(encoding))} == {(hit.line, hit.rule) for hit in hits}, encoding
    assert rules(path, text.replace("\n", "\r\n")) == rules(path, text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.md", "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, postgresql://user:pass@db:5432/x, redis://:secret@h"),
        ("a.yml", "url: postgresql://reader:{{ password }}@db/shop\nother: postgresql://u:${PASSWORD}@h/d"),
        ("a.py", "f'postgresql://u:{PASSWORD}@h/d'\nprint('https://h:443/a@b')"),
        ("a.sh", 'curl -H "Authorization: Bearer $TOKEN" -H "Authorization: Bearer <your token here please>"'),
        ("a.yml", "password: \"{{ lookup('community.general.random_string') }}\"\napi_token: !vault |\n  $ANSIBLE_VAULT;1.1;AES256"),
        ("a.py", "password = module.params['login_password']\ntoken = some_function_name(argument1)\nSECRET_KEY_NAME = 'MCP_BRIDGE_TOKEN_2'"),
        ("inventories/a/group_vars/all.yml", "update_password: always\nvault_password_file: ~/.keys/team1.key\ndb_password: \"{{ vault_db_password }}\""),
        (".env", "$ANSIBLE_VAULT;1.2;AES256;team_a\n3132333435\n"),
        (".env", "# nothing yet\n"),
        (".env.example", "POSTGRES_CONNECTION_STRING=postgresql://user:password@host:5432/database\n"),
        ("host.key", "$ANSIBLE_VAULT;1.2;AES256;team_a\n3132333435\n"),
        ("page.sha256", "0" * 10 + "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c\n"),
        ("COMMIT", "5433313e1fa1b59ae9982bd87a9bbfcd0c65213f\n"),
        ("client.json", json.dumps({"mcpServers": {"a": {"headers": {"Authorization": "Bearer ${TEAM_TOKEN}"}}}})),
        ("a.md", "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----"),
        ("lock.txt", "detect-secrets==1.5.0 \\\n    --hash=sha256:e24e7b9b5a35048c313e983f76c4bd09dad89f045ff059e354f9943bf45aa060"),
    ],
)  # fmt: skip
def test_what_is_none(path: str, text: str) -> None:
    assert scan(path, text.encode()) == []


def test_what_is_no_text_is_searched_too() -> None:
    raw = b"SQLite format 3\0\x01\xff\xfe" + bytes(range(256)) + f"postgresql://u:{drawn()}@db/shop".encode() + b"\0\0\xff"
    assert rules("state/mcp.db", raw) == {"connection string with a password"}


def test_nothing_of_a_secret_is_in_a_hit() -> None:
    secret = drawn()
    assert secret not in repr(scan("a", f"postgresql://u:{secret}@h/d".encode())) and secret[:8] not in repr(scan("a", f"password={secret}".encode()))


@pytest.mark.parametrize("value", ["password", "your-token-here", "MySecretPassword", "changeme123", "<token>", "{{ x }}", "$VAR", "****", "abc", "p", "xxxx"])
def test_placeholders(value: str) -> None:
    assert is_placeholder(value) and not looks_drawn(value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[]", "is not a list under"),
        ("allowed: [{path: a, rule: b}]", "allowed[0]: says no reason"),
        ("allowed: [{path: a, rule: b, reason: because}]", "allowed[0]: says no reason"),
        ("allowed: [{rule: b, reason: it is a test}]", "allowed[0]: needs path"),
        ("allowed: [{path: a, rule: b, reason: it is a test, line: 3}]", "allowed[0]: needs path"),
        ("allowed: [{path: a, rule: b, reason: it is a test, count: 0}]", "allowed[0].count"),
        ("allowed: [", "cannot be read"),
    ],
)
def test_a_list_with_mistakes_is_refused(tmp_path, content: str, says: str) -> None:
    (tmp_path / allowed.FILE).write_text(content)
    with pytest.raises(allowed.AllowedError, match="Next") as told:
        allowed.read(tmp_path)
    assert says in str(told.value)


def test_what_is_allowed_is_counted(tmp_path) -> None:
    (tmp_path / allowed.FILE).write_text("allowed: [{path: 'tests/*', rule: r, reason: it is a test, count: 2}]")
    one, two, three, other = (Hit("tests/a", line, "r") for line in (1, 2, 3)), None, None, Hit("src/a", 1, "r")
    one, two, three = one
    entries = allowed.read(tmp_path)
    assert allowed.without([other, one, two], entries) == [other] and allowed.idle(entries) == []
    assert allowed.without([one, two, three], entries) == [one, two, three], "nobody can tell which of them is new"
    assert allowed.without([one], entries) == [] and allowed.idle(entries) == entries
