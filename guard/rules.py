# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own rules as plugins of detect-secrets: each looks at one line and yields the secret in it. What is beside them is in ``THEIRS``.

``hints`` find the lines that are worth a look, in the whole text at once.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Generator
from typing import Any

from detect_secrets.plugins.base import BasePlugin

from guard.values import is_placeholder, looks_drawn

#: Detectors of detect-secrets that know a form which nothing else has. The ones that go by entropy or by names alone are left out: on collections of
#: playbooks nearly all that they say is wrong, and our own rules for names look at the value too.
THEIRS = (
    "AWSKeyDetector", "AzureStorageKeyDetector", "DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector", "JwtTokenDetector",
    "MailchimpDetector", "NpmDetector", "OpenAIDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector", "SquareOAuthDetector", "StripeDetector",
    "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip


class ConnectionString(BasePlugin):
    """``scheme://user:password@host``, and a password among the parameters of a URL or the words of a DSN."""

    secret_type = "connection string with a password"  # noqa: S105 - a name
    hints = (re.compile(r"://[^\s/@]*:[^\n]*@"), re.compile(r"pass(?:word|wd)?=", re.IGNORECASE))
    _url = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s:@/?#'\"<>|`]{0,200}:(?P<password>[^\s/'\"<>`|]{1,500})@[\w.\[{$%<-]")
    _parameter = re.compile(r"(?:jdbc:|://)[^\s'\"]{1,500}[?&;]pass(?:word|wd)?=(?P<password>[^&;\s'\"]{1,200})", re.IGNORECASE)
    _words = re.compile(
        r"\b(?:host|user|dbname)=[^\s,()\[\]{}]{1,100} (?:[^\s,()\[\]{}]{1,100} ){0,8}password=(?P<password>'[^']{1,200}'|[^\s'\",()\[\]{}]{1,200})",
        re.IGNORECASE,
    )

    def analyze_string(self, string: str) -> Generator[str, None, None]:
        for pattern in (self._url, self._parameter, self._words):
            for match in pattern.finditer(string):
                if not is_placeholder(match["password"]):
                    yield match["password"]


class Authorization(BasePlugin):
    """What a client shows a server: a bearer, or a login in Base64."""

    secret_type = "token of a client"  # noqa: S105 - a name
    hints = (re.compile(r"\b(?:bearer|basic)[ \t]", re.IGNORECASE),)
    _bearer = re.compile(r"\bbearer[ \t]+(?P<token>[A-Za-z0-9._~+/=-]{20,4000})", re.IGNORECASE)
    _basic = re.compile(r"\bbasic[ \t]+(?P<login>[A-Za-z0-9+/]{8,400}={0,2})(?![A-Za-z0-9+/=])", re.IGNORECASE)

    def analyze_string(self, string: str) -> Generator[str, None, None]:
        for match in self._bearer.finditer(string):
            if looks_drawn(match["token"]):
                yield match["token"]
        for match in self._basic.finditer(string):
            try:
                _user, colon, password = base64.b64decode(match["login"], validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                continue
            if colon and password.isprintable() and not is_placeholder(password):
                yield match["login"]


class NamedSecret(BasePlugin):
    """A name that says password, secret, token or key, and a value that looks drawn. In an inventory any value that is no placeholder will do."""

    secret_type = "secret under its name"  # noqa: S105 - a name
    hints = (re.compile(r"(?:PASS|SECRET|TOKEN|KEY)\w{0,10}[\"']?[ \t]{0,20}[=:]", re.IGNORECASE),)
    _assigned = re.compile(
        r"(?:PASS(?:WORD|WD|PHRASE)|SECRET|TOKEN|(?:API|ACCESS|SECRET|ENCRYPTION|VAULT)_?KEY)(?:_HASH)?"
        r"[\"']?[ \t]{0,20}(?:=>|:=|=|:)[ \t]{0,20}[bruf]?[\"']?(?P<value>[^\s\"'`,;]{8,4000})",
        re.IGNORECASE,
    )
    _of_inventory = re.compile(r"(?:^|/)(?:inventories|group_vars|host_vars)/(?:[^/]*/)*[^/]*(?:\.(?:ya?ml|json|ini|toml)$|(?<=/)[^/.]+$)")
    _plain = re.compile(r"[~/]|.*://|(?:True|False|lookup|vault|query)\b|[\w-]+\(|!", re.IGNORECASE)

    def analyze_line(self, filename: str, line: str, line_number: int = 0, **options: Any) -> set:
        self._inventory = bool(self._of_inventory.search(filename))
        return super().analyze_line(filename, line, line_number, **options)

    def analyze_string(self, string: str) -> Generator[str, None, None]:
        for match in self._assigned.finditer(string):
            value = match["value"]
            plain = self._inventory and re.search(r"[^A-Za-z_.-]", value) and not is_placeholder(value) and not self._plain.match(value)
            if looks_drawn(value) or plain:
                yield value


class PgPass(BasePlugin):
    """A line of a ``.pgpass``."""

    secret_type = "password file of PostgreSQL"  # noqa: S105 - a name
    hints = (re.compile(r":\S*:\S*:\S*:"),)
    _line = re.compile(r"[^\s:#]{1,255}:(?:\d{1,5}|\*):[^\s:]{1,63}:[^\s:]{1,63}:(?P<password>\S{4,200})$")

    def analyze_line(self, filename: str, line: str, line_number: int = 0, **options: Any) -> set:
        return super().analyze_line(filename, line, line_number, **options) if filename.rpartition("/")[2] in (".pgpass", "pgpass", "pgpass.conf") else set()

    def analyze_string(self, string: str) -> Generator[str, None, None]:
        match = self._line.fullmatch(string.strip())
        if match and not is_placeholder(match["password"]):
            yield match["password"]


OURS = (ConnectionString, Authorization, NamedSecret, PgPass)
