# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""``mcp_edge`` of a declaration: what stands in front of the gateway, as Caddy's own JSON. Pure.

JSON and no Caddyfile: a value is a value there, whatever characters it has. What a declaration may say is in :mod:`_edge_check`.
"""

from __future__ import annotations

import hashlib
import json

from ansible_collections.mcp.tenancy.plugins.module_utils import _declaration, _rotation

SERVICE = "edge"
LIFETIME, CA_FILE = "12h", "edge-ca.pem"
#: ``calls_per_second`` and ``burst`` of one person; ``connections`` that one address may open in a second.
RATE = {"calls_per_second": 20, "burst": 100, "connections": 50}
#: Where Caddy looks whether a certificate is due; it looks at a twelfth of its life.
RENEW_SECONDS = (5, 600)
#: The bridge's bounds where a service declares none (services/mcp_bridge, config.py).
REQUEST_BYTES, CALL_SECONDS = 1024 * 1024, 60
#: What a request has around the call that it carries.
SPARE_BYTES, SPARE_SECONDS = 64 * 1024, 30

#: What of a request must not pass, in Caddy's notation: sessions of others, who one is, where one comes from, what is meant for upstream.
DROPPED = (
    *("Mcp-Session-Id", "X-Mcp-Session-Id", "X-Upstream-*", "X-Contextforge-*", "X-Forwarded-*", "Forwarded", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip"),
    *("X-Database-Identity", "X-Edge-*", "X-Original-*", "X-Rewrite-*", "X-Http-Method*", "X-Method-Override", "X-Internal-*"),
    *("Via", "Proxy-*", "Upgrade", "*_*"),  # the last: names that a reader behind may take for those with a hyphen
)
#: By this the filter in the gateway's process learns which address calls (roles/gateway, mcp_gateway_rate.py).
CLIENT_HEADER = "X-Edge-Client"
#: The headers of a caller's own login; they pass where a service accepts them.
LOGIN_HEADERS = {"headers": ("X-Database-User", "X-Database-Password"), "connection_string": ("X-Database-Connection-String",)}

#: The gateway's setting for origins, beside that of clients' URLs, of which it takes what a page of its own sends.
UI_ORIGINS = "CSRF_TRUSTED_ORIGINS"
#: Paths at which MCP is spoken; they are not there under the Admin UI's name.
CLIENT_DOORS = r"(?i)^/(v1/)?(servers/[^/]*/)?(mcp|sse|message)(/|$)"
#: How Caddy tells that it read more of a request than it should.
TOO_LARGE = "{http.error.message}.contains('request body too large')"

SECURITY_HEADERS = {
    "Strict-Transport-Security": ["max-age=31536000"],
    "X-Content-Type-Options": ["nosniff"],
    "X-Frame-Options": ["DENY"],
    "Referrer-Policy": ["no-referrer"],
}
#: With the policy above a browser sends a form with ``Origin: null``, and the gateway takes no form of which it does not know that its own page sent it.
UI_REFERRER = {"Referrer-Policy": ["same-origin"]}
#: Answers of a gateway to machines are never pages.
API_HEADERS = {"Content-Security-Policy": ["default-src 'none'; frame-ancestors 'none'"], "Cache-Control": ["no-store"]}
#: The only path for clients. What follows is written anew from the id, so nothing else of the URL gets any further.
DOOR = r"^/servers/([0-9a-f-]{32,36})/mcp/?$"

REFUSED = {401: "Authentication required", 403: "Access denied", 404: "Not found", 413: "Request too large", 503: "The gateway cannot answer now"}


def of(declaration: dict) -> dict | None:
    """The edge with everything that was left out; None where there is none. ``tls`` is ``internal``, ``acme`` or ``given``."""
    told = declaration.get("mcp_edge")
    if not told:
        return None
    tls = told.get("tls", "internal")
    found = {
        "port": _declaration.EDGE_PORT,
        "lifetime": LIFETIME,
        "ca_file": CA_FILE,
        "acme": {},
        "ui": None,
        **told,
        "rate": {**RATE, **(told.get("rate") or {})},
    }
    found["port"] = int(found["port"])
    return {**found, "tls": "given", "given": dict(tls)} if isinstance(tls, dict) else {**found, "tls": tls, "given": {}}


def names(edge: dict) -> list[str]:
    """The names that it answers to."""
    return [edge["name"], *([edge["ui"]["name"]] if edge["ui"] else [])]


def places(declaration: dict) -> dict[str, str]:
    """Where its things lie on a host."""
    where = _declaration.paths(declaration)
    folder, data = f"{where['etc']}/{SERVICE}", f"{where['work']}/{SERVICE}"
    return {
        "folder": folder,
        "config": f"{folder}/caddy.json",
        "tls": f"{folder}/tls.pem",  # chain and key in one file, so that they are replaced together
        "acme_ca": f"{folder}/acme-ca.pem",
        "data": data,
        "root": f"{data}/pki/authorities/local/root.crt",
        "log": f"{where['log']}/{SERVICE}",
        "admin": f"{where['run']}/{SERVICE}/admin.sock",
    }


def manifest_entry(declaration: dict, program: str) -> dict | None:
    """What units and firewall are made from. ``program``: Caddy."""
    edge = of(declaration)
    if edge is None:
        return None
    where = places(declaration)
    shown = {key: where[key] for key in ("config", "data", "log", "admin")}
    return {"user": _declaration.user(declaration, SERVICE), "program": program, "port": edge["port"], "connections": edge["rate"]["connections"], **shown}


def gateway_settings(declaration: dict) -> dict[str, str]:
    """What the gateway's process has to know of it: bounds of one client's calls, and at which address browsers have its pages."""
    edge = of(declaration)
    if edge is None:
        return {}
    bounds = {f"MCP_EDGE_{name.upper()}": str(edge["rate"][name]) for name in ("calls_per_second", "burst")}
    return {**bounds, **({UI_ORIGINS: json.dumps([_declaration.https_url(edge["ui"]["name"], edge["port"])])} if edge["ui"] else {})}


def revision(read: str, program: str) -> dict[str, str]:
    """Labels of what should be running: another ``start`` needs a new process, another ``config`` needs to be ``read`` again."""
    return {"start": hashlib.sha256(program.encode()).hexdigest()[:16], "config": hashlib.sha256(read.encode()).hexdigest()[:16]}


def config_text(declaration: dict) -> str:
    """Caddy's configuration as a file."""
    return json.dumps(config(declaration), indent=1, sort_keys=True) + "\n"


def config(declaration: dict) -> dict:
    """Caddy's configuration, version 2.6 and later."""
    edge, where = of(declaration), places(declaration)
    return {
        "admin": {"listen": f"unix/{where['admin']}", "config": {"persist": False}},
        "storage": {"module": "file_system", "root": where["data"]},
        "logging": _logging(where),
        "apps": {
            "http": {"grace_period": f"{_seconds(declaration) + SPARE_SECONDS}s", "servers": {SERVICE: _server(declaration, edge)}},
            **_tls(declaration, edge, where),
        },
    }


def _logging(where: dict) -> dict:
    """Access log in a file, the rest in the journal. Neither has headers or what follows a path: a login may be there."""
    fields: dict[str, dict] = {name: {"filter": "delete"} for name in ("request>headers", "resp_headers", "request>tls", "user_id")}
    fields["request>uri"] = {"filter": "regexp", "regexp": r"\?.*", "value": ""}
    encoder = {"format": "filter", "wrap": {"format": "json"}, "fields": fields}
    access = f"http.log.access.{SERVICE}"
    rolled = {"output": "file", "filename": f"{where['log']}/access.log", "roll_size_mb": 50, "roll_keep": 10, "roll_keep_days": 90}
    return {
        "logs": {
            "default": {"writer": {"output": "stderr"}, "encoder": encoder, "level": "INFO", "exclude": [access, "admin.api"]},
            "access": {"writer": rolled, "encoder": encoder, "include": [access]},
        }
    }


def _server(declaration: dict, edge: dict) -> dict:
    any_error = {**_answer(503), "status_code": "{http.error.status_code}", "body": '{"detail":"{http.error.status_text}"}'}
    heads, routes = _heads({}), []
    if edge["ui"]:
        routes.append(_site(edge["ui"]["name"], [{"handle": [_heads(UI_REFERRER)]}, *_ui_routes(declaration, edge)]))
    routes.append({"handle": [heads]})
    routes.append(_site(edge["name"], _client_routes(declaration)))
    return {
        "listen": [f":{edge['port']}"],
        "protocols": ["h1", "h2"],
        "read_header_timeout": "10s",
        "read_timeout": "30s",
        "write_timeout": f"{_seconds(declaration) + 2 * SPARE_SECONDS}s",
        "idle_timeout": "2m",
        "max_header_bytes": 64 * 1024,
        "strict_sni_host": True,
        "automatic_https": {"disable": True},  # what it would do is written out below, without a port for redirects
        "tls_connection_policies": [{"protocol_min": "tls1.2", "alpn": ["h2", "http/1.1"]}],
        "logs": {"default_logger_name": SERVICE},
        "routes": [*routes, {"handle": [_answer(404)]}],
        # What Caddy says itself: too large, too late, no gateway.
        "errors": {
            "routes": [{"handle": [heads]}, {"match": [{"expression": TOO_LARGE}], "terminal": True, "handle": [_answer(413)]}, {"handle": [any_error]}]
        },
    }


def _heads(other: dict) -> dict:
    """What every answer has, ``other`` in its place, and what none has."""
    return {"handler": "headers", "response": {"deferred": True, "set": {**SECURITY_HEADERS, **other}, "delete": ["Server", "Via", "X-Powered-By"]}}


def _site(name: str, routes: list[dict]) -> dict:
    return {"match": [{"host": [name]}], "terminal": True, "handle": [{"handler": "subroute", "routes": routes}]}


def _client_routes(declaration: dict) -> list[dict]:
    """Health without a word about what is behind, each virtual server's door, and nothing else."""
    well, ill = _answer(200, '{"status":"ok"}'), _answer(503)
    healthy = [{"match": {"status_code": [200]}, "routes": [{"handle": [well]}]}, {"routes": [{"handle": [ill]}]}]
    refusals = [_instead(declared, as_) for declared, as_ in (([401], 401), ([403, 404], 403), ([5], 503))]  # 5: all from 500
    drop = {"handler": "headers", "request": {"delete": [*DROPPED, "Cookie", *_logins_not_taken(declaration)]}}
    door = [
        {"handler": "request_body", "max_size": _bytes(declaration)},
        drop,
        {"handler": "rewrite", "uri": "/servers/{http.regexp.door.1}/mcp?"},  # the end says: without a query
        _proxy(declaration, refusals),
    ]
    return [
        {"handle": [{"handler": "headers", "response": {"deferred": True, "set": API_HEADERS}}]},
        {
            "match": [{"path": ["/health"], "method": ["GET", "HEAD"]}],
            "terminal": True,
            "handle": [
                {"handler": "headers", "request": {"delete": [*DROPPED, "Cookie", "Authorization"]}},
                {"handler": "rewrite", "uri": "/health?"},
                _proxy(declaration, healthy),
            ],
        },
        {
            "match": [{"path_regexp": {"name": "door", "pattern": DOOR}, "method": ["POST", "GET", "DELETE", "OPTIONS"]}],
            "terminal": True,
            "handle": door,
        },
        {"handle": [_answer(404)]},
    ]


def _ui_routes(declaration: dict, edge: dict) -> list[dict]:
    """Browsers of the Admin UI, from the addresses that may; to everybody else there is nothing here."""
    drop = {"handler": "headers", "request": {"delete": list(DROPPED)}}
    body = {"handler": "request_body", "max_size": _bytes(declaration)}
    stranger = {"match": [{"not": [{"remote_ip": {"ranges": list(edge["ui"]["allow"])}}]}], "terminal": True, "handle": [_answer(404)]}
    # Clients have another name.
    door = {"match": [{"path_regexp": {"name": "clients", "pattern": CLIENT_DOORS}}], "terminal": True, "handle": [_answer(404)]}
    # A page is many requests, and who may come here is declared: they are not counted.
    return [stranger, door, {"handle": [body, drop, _proxy(declaration, [], counted=False)]}]


def _proxy(declaration: dict, instead: list[dict], counted: bool = True) -> dict:
    gateway = int(declaration.get("mcp_gateway_port") or _declaration.GATEWAY_PORT)
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"127.0.0.1:{gateway}"}],
        # Set here and not with the dropped ones: a client can name a header in Connection, and then it goes before this is done.
        **({"headers": {"request": {"set": {CLIENT_HEADER: ["{http.request.remote.host}"]}}}} if counted else {}),
        "transport": {
            "protocol": "http",
            "dial_timeout": "5s",
            "response_header_timeout": f"{_seconds(declaration) + SPARE_SECONDS}s",
            # A connection for each call: the gateway ends idle ones when it likes, and a call that is sent just then would be lost.
            "keep_alive": {"enabled": False},
            "compression": False,
        },
        "load_balancing": {"try_duration": "10s", "try_interval": "200ms"},  # only what could not be sent is tried again
        # No flush_interval: with -1, Caddy 2.6 ends in a panic when it is reloaded while a call is under way (docs/upstream.md). Streams are flushed anyway.
        **({"handle_response": instead} if instead else {}),
    }


def _instead(statuses: list[int], status: int) -> dict:
    """An answer of the same kind that says nothing else: words of the gateway may tell what there is."""
    return {"match": {"status_code": statuses}, "routes": [{"handle": [_answer(status)]}]}


def _answer(status: int, body: str = "") -> dict:
    headers = {"Content-Type": ["application/json"], **({"Www-Authenticate": ["Bearer"]} if status == 401 else {})}
    return {"handler": "static_response", "status_code": str(status), "headers": headers, "body": body or json.dumps({"detail": REFUSED[status]})}


def _tls(declaration: dict, edge: dict, where: dict) -> dict:
    """The apps ``tls`` and, for an own CA, ``pki``."""
    if edge["tls"] == "given":
        return {"tls": {"certificates": {"load_files": [{"certificate": where["tls"], "key": where["tls"]}]}}}
    automation: dict = {"policies": [{"subjects": names(edge), "issuers": [_issuer(edge, where)]}]}
    apps: dict = {"tls": {"certificates": {"automate": names(edge)}, "automation": automation}}
    if edge["tls"] == "internal":
        least, most = RENEW_SECONDS
        life = int(_rotation.duration(edge["lifetime"]).total_seconds())
        automation["renew_interval"] = f"{min(most, max(least, life // 12))}s"
        title = f"mcp.tenancy {declaration['mcp_team']} {edge['name']}"
        own = {"install_trust": False, "name": title, "root_common_name": f"{title} root", "intermediate_common_name": f"{title} intermediate"}
        apps["pki"] = {"certificate_authorities": {"local": own}}
    return apps


def _issuer(edge: dict, where: dict) -> dict:
    if edge["tls"] == "internal":
        return {"module": "internal", "lifetime": f"{int(_rotation.duration(edge['lifetime']).total_seconds())}s"}
    told = edge["acme"]
    # Proven at the port that is open anyway.
    found = {"module": "acme", "challenges": {"http": {"disabled": True}, "tls-alpn": {"alternate_port": edge["port"]}}}
    found |= {"ca": told["directory"]} if told.get("directory") else {}
    found |= {"email": told["email"]} if told.get("email") else {}
    return found | ({"trusted_roots_pem_files": [where["acme_ca"]]} if told.get("ca") else {})


def _logins_not_taken(declaration: dict) -> list[str]:
    taken = {way for service in _declaration.user_services(declaration) for way in service["users"].get("accepts") or ["headers"]}
    return [header for way, headers in LOGIN_HEADERS.items() if way not in taken for header in headers]


def _bytes(declaration: dict) -> int:
    """What a request may have: a little more than the most patient bridge takes, which then says itself what is too much."""
    told = [int(service["limits"].get("max_request_bytes", REQUEST_BYTES)) for service in _declaration.services(declaration)]
    return max(told, default=REQUEST_BYTES) + SPARE_BYTES


def _seconds(declaration: dict) -> int:
    """What the longest call may take."""
    told = [float(service["limits"].get("call_seconds", CALL_SECONDS)) for service in _declaration.services(declaration)]
    return int(max(told, default=CALL_SECONDS)) + 1


def summary(declaration: dict, host: str) -> dict:
    """What the role has to know; empty without an edge."""
    edge = of(declaration)
    return {} if edge is None else {**edge, "places": places(declaration), "marker": marker(host)}


def authority_block(text: str, host: str) -> str:
    """What of the control node's CA file is this host's; empty when nothing is."""
    begin, end = marker(host, "BEGIN"), marker(host, "END")
    lines = text.splitlines()
    return "\n".join(lines[lines.index(begin) + 1 : lines.index(end)]) if begin in lines and end in lines else ""


def marker(host: str, mark: str = "{mark}") -> str:
    """The lines around a host's root certificate in that file."""
    return f"# {mark} the edge of {host}"
