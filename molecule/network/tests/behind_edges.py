# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that trusts what each team gives to its clients, and what an edge shows and answers."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from two_teams import CONTROL, Client, Team

#: Name and port at which each team's edge is reached.
DOORS = {"team_a": ("gw1.team-a.internal", 443), "team_b": ("gw1.team-b.internal", 8443)}
AUTHORITIES = "/root/edges.pem"

#: One raw request, told whole: what an attacker sees. Header lines as they are, so that they may be doubled and odd.
RAW = """
import http.client, json, ssl, sys
given = json.load(sys.stdin)
connection = http.client.HTTPSConnection(given["host"], given["port"], timeout=30, context=ssl.create_default_context(cafile=given["authorities"]))
connection.putrequest(given["method"], given["path"], skip_accept_encoding=True)
body = given["body"].encode() + b" " * given["padding"]
for name, value in given["headers"]:
    connection.putheader(name, value)
connection.putheader("Content-Length", str(len(body)))
connection.endheaders(body)
answer = connection.getresponse()
print(json.dumps({"status": answer.status, "headers": {name.lower(): value for name, value in answer.getheaders()}, "body": answer.read().decode()}))
"""
#: The certificate that is shown: its serial number, and whether it can be verified.
SHOWN = """
import socket, ssl, sys
host, port, trusting = sys.argv[1], int(sys.argv[2]), ssl.create_default_context(cafile=sys.argv[3])
with socket.create_connection((host, port), timeout=10) as plain, trusting.wrap_socket(plain, server_hostname=host) as tls:
    print(tls.getpeercert()["serialNumber"])
"""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


class EdgeClient(Client):
    """The client's host with a bundle of what teams give out, and nothing else to believe."""

    def __init__(self, host: object, teams: dict[str, Team]) -> None:
        super().__init__(host, teams)
        self.place(AUTHORITIES, "".join((CONTROL / name / "edge-ca.pem").read_text() for name in teams))
        self.place("/root/.curlrc", f"cacert = {AUTHORITIES}\n")
        self.host.check_output(
            "sh -c %s", f"printf '#!/bin/sh\\nexec env SSL_CERT_FILE={AUTHORITIES} {self.python} \"$@\"\\n' >/root/python && chmod 755 /root/python"
        )
        self.python = "/root/python"

    def raw(self, team: str, path: str, headers: list[tuple[str, str]], method: str = "POST", body: str = "", name: str = "", padding: int = 0) -> Answer:
        host, port = DOORS[team]
        given = {"host": name or host, "port": port, "authorities": AUTHORITIES, "path": path, "method": method, "headers": headers, "body": body}
        given["padding"] = padding  # so many blanks after the body
        text = base64.b64encode(json.dumps(given).encode()).decode()
        return Answer(**json.loads(self.host.check_output("sh -c %s", f"echo {text} | base64 -d | {self.python} -c {_quoted(RAW)}")))

    def call(self, team: str, entry_url: str, token: str, *more: tuple[str, str], method: str = "tools/list", padding: int = 0, **params: object) -> Answer:
        """A JSON-RPC request at a virtual server's door, with further headers."""
        headers = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream"), *more]
        headers += [("Authorization", f"Bearer {token}")] if token else []
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        return self.raw(team, "/" + entry_url.split("/", 3)[3], headers, body=body, padding=padding)

    def serial(self, team: str) -> str:
        """Of the certificate that the edge shows; fails when it cannot be verified."""
        host, port = DOORS[team]
        return self.host.check_output("%s -c %s %s %s %s", self.python, SHOWN, host, str(port), AUTHORITIES)


def token_of(entry: dict) -> str:
    return entry["headers"]["Authorization"].removeprefix("Bearer ")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
