# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""From what a user of the guide has (clear ``.env``, compose file, ``gateways.txt``) to the answers that a new team is made of. Pure.

Nothing is guessed: what can be read in two ways is told, with its place and what to do, and is not taken. No finding holds a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string, _declaration, _declaration_check, _gateways_txt, _import_compose
from ansible_collections.mcp.tenancy.plugins.module_utils._import_compose import Setting

TAKEN, LEFT, UNCLEAR = "taken", "left", "unclear"
COLUMNS = ("where", "what", "verdict", "how")
DEFAULT_ENVIRONMENT = "main"
_ENGINES = {"POSTGRES": "postgres", "POSTGRESQL": "postgres", "PG": "postgres", "MONGO": "mongodb", "MONGODB": "mongodb"}
_VARIABLE = re.compile(r"(?P<engine>POSTGRES(?:QL)?|PG|MONGO(?:DB)?)(?:_(?P<environment>[A-Z0-9_]+?))?_(?:CONNECTION_STRING|URL|URI|DSN)")
_PART = re.compile(r"(?:POSTGRES(?:QL)?|PG|MONGO(?:DB)?)_?(?:[A-Z0-9]+_)*(?:HOST|PORT|USER|USERNAME|PASSWORD|DB|DATABASE)")
#: Parameters of drivers whose names may be printed when they are dropped. Another name could be a piece of a password.
_PARAMETERS = {
    "sslmode", "sslrootcert", "sslcert", "sslkey", "application_name", "connect_timeout", "options", "target_session_attrs", "schema", "search_path",
    "tls", "ssl", "tlsCAFile", "authSource", "authMechanism", "retryWrites", "w", "replicaSet", "directConnection", "readPreference", "appName", "maxPoolSize",
}  # fmt: skip

#: Other variables of the guide's ``.env``: pattern, and why they stay behind. The first that fits counts.
_STAYS = [
    ("|".join(_declaration.OWN_SECRETS), "a new one is drawn by the first deploy"),
    (r"BASIC_AUTH_\w+|PLATFORM_ADMIN_FULL_NAME|SECURE_COOKIES|DATABASE_URL|" + "|".join(_declaration.GATEWAY_SETTINGS), "decided by the collection"),
    (r"PORT", "the gateway listens on mcp_gateway_port here, on loopback"),
    (r"REGISTER_\w+|GATEWAY_URL|MCPGATEWAY_CONTAINER|CURSOR_\w+", "of the guide's scripts; deploy.yml registers, client.yml makes tokens"),
    (r"GATEWAY_JWT|MCPGATEWAY_BEARER_TOKEN", "a token of the old gateway, which the new one does not take; client.yml makes others"),
    (r"\w+_(PORT|VOLUME|PATH)", "of a container of the compose file"),
    (r"\w+_(API_KEY|TOKEN|ACCESS_TOKEN)", "a key of another MCP server, which is not imported"),
]


@dataclass(frozen=True)
class Finding:
    """One row of the table: where (``file:line``), what stands there, whether it is taken, how, or what to do."""

    where: str
    what: str
    verdict: str
    how: str

    def row(self) -> dict[str, str]:
        """Under :data:`COLUMNS`."""
        return {"where": self.where, "what": self.what, "verdict": self.verdict, "how": self.how}


@dataclass(frozen=True)
class Compose:
    """One compose file. ``services``: name → (line, definition). ``project``: the variables that Compose puts into it; ``files``: those of its ``env_file``."""

    name: str
    services: Mapping[str, tuple[int, Mapping[str, Any]]]
    project: Mapping[str, Setting]
    files: Mapping[str, Mapping[str, Setting]]
    environment: str = ""


@dataclass(frozen=True)
class Registration:
    """What an existing gateway has registered. ``auth``: the type of the credential that it keeps for it, empty for none."""

    gateway: _gateways_txt.Gateway
    auth: str = ""
    enabled: bool = True


@dataclass(frozen=True)
class Folder:
    """What was read. ``envs``: for each ``.env`` the environment that its name says (empty for none) and its variables. ``lists``: ``gateways.txt``.

    ``registered``: a gateway's address → what it has registered.
    """

    envs: list[tuple[str, list[Setting]]] = field(default_factory=list)
    composes: list[Compose] = field(default_factory=list)
    lists: dict[str, str] = field(default_factory=dict)
    registered: dict[str, list[Registration]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


@dataclass
class _Login:
    engine: str
    environment: str
    text: str = field(repr=False)
    where: str = ""
    what: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass
class Understood:
    """``environments`` are answers as :func:`_init.new_team` takes them (with secrets); ``findings`` is what people are shown."""

    findings: list[Finding] = field(default_factory=list)
    environments: list[dict] = field(default_factory=list)


def understand(folder: Folder, environment: str = DEFAULT_ENVIRONMENT, members: list[str] | None = None, upstreams: str = "") -> Understood:
    """Everything in a folder. ``environment`` is that of names that say none; ``members`` come into each environment; ``upstreams`` names the environment
    whose agents get the MCP servers of ``gateways.txt`` that are no databases (none when empty)."""
    reader = _Reader(environment or DEFAULT_ENVIRONMENT, upstreams)
    for compose in folder.composes:
        reader.compose(compose)
    for said, settings in folder.envs:
        reader.env(said, settings)
    reader.settle()
    for name, text in folder.lists.items():
        reader.gateways(name, text)
    for address, registrations in folder.registered.items():
        for registration in registrations:
            reader.registration(registration, address)
    people = list(dict.fromkeys([*(members or []), *([] if members else reader.members)]))
    found = [{"name": name, **logins, "members": people, **reader.more(name)} for name, logins in sorted(reader.taken.items())]
    if found and not people:
        reader.nobody()
    order = {TAKEN: 0, UNCLEAR: 1, LEFT: 2}
    return Understood(sorted([*folder.findings, *reader.findings], key=lambda finding: order[finding.verdict]), found)


class _Reader:
    """Goes through the sources; ``findings`` grows, ``taken`` is environment → engine → connection string."""

    def __init__(self, environment: str, upstreams: str) -> None:
        self.findings: list[Finding] = []
        self.taken: dict[str, dict[str, str]] = {}
        self.members: list[str] = []
        self._base, self._upstreams = environment, upstreams
        self._logins: list[_Login] = []
        self._used: dict[str, str] = {}
        self._services: dict[str, str] = {}
        self._others: dict[str, str] = {}
        self._referred: list[tuple[Setting, str]] = []
        self._servers: list[dict[str, str]] = []
        self._listed: dict[str, tuple[str, str]] = {}

    def _say(self, where: str, what: str, verdict: str, how: str) -> None:
        self.findings.append(Finding(where, what, verdict, how))

    # Compose files

    def compose(self, compose: Compose) -> None:
        for name, (line, definition) in compose.services.items():
            where = f"{compose.name}:{line}"
            try:
                server = _import_compose.server(definition, compose.project, compose.files)
            except ValueError as error:
                self._say(where, f"service {name}", UNCLEAR, f"{error}; correct it, or give the connection string in .env alone")
                continue
            if server is None:
                self._others[name] = "runs no translate"
                self._say(where, f"service {name}", LEFT, "runs no translate; gateway and databases are not taken from a compose file")
            elif not server.engine:
                self._others[name] = f"{server.package or 'its server'} is no database server"
                self._say(where, f"service {name}", LEFT, f"{server.package or 'its server'} is no database server that this collection runs")
            else:
                self._database(compose, name, where, server)

    def _database(self, compose: Compose, name: str, where: str, server: _import_compose.Server) -> None:
        what = f"service {name} ({server.package})"
        for variable in server.variables:
            self._used[variable.place] = name
        self._others[name] = "its login was not understood"
        if server.missing:
            self._say(where, what, UNCLEAR, f"{', '.join(sorted(set(server.missing)))} is not set in any .env of its; set it there")
        elif server.unsure:
            self._say(where, what, UNCLEAR, f"{server.unsure[0]} has a $ that Compose would replace; put the value into single quotes if it is meant as it is")
        elif not server.connection:
            names = " or ".join(_import_compose.VARIABLES[server.engine])
            self._say(where, what, UNCLEAR, f"has no connection string, neither as an argument nor as {names}")
        else:
            said = next((found for one in server.variables if (found := named(one.name)) and found[1]), None)
            environment = said[1] if said else _of_service(name) or compose.environment or self._base
            self._login(_Login(server.engine, environment, server.connection, where, what), name, compose.services)

    # .env files

    def env(self, said: str, settings: list[Setting]) -> None:
        for setting in settings:
            found = named(setting.name)
            if setting.place in self._used:
                self._referred.append((setting, self._used[setting.place]))
            elif found and found[1].endswith("_admin"):
                self._say(setting.place, setting.name, LEFT, "an admin login; it makes a credential managed: docs/import.md, What comes next")
            elif found and not setting.plain:
                self._say(setting.place, setting.name, UNCLEAR, "has a $ that Compose would replace; put the value into single quotes if it is meant as it is")
            elif found and not setting.value:
                self._say(setting.place, setting.name, LEFT, "is empty")
            elif found:
                self._login(_Login(found[0], found[1] or said or self._base, setting.value, setting.place, setting.name))
            elif setting.name == "EXTRA_GATEWAYS":
                self._extra_gateways(setting)
            else:
                self._other(setting)

    def _other(self, setting: Setting) -> None:
        if setting.name == "PLATFORM_ADMIN_EMAIL":
            if _declaration_check.EMAIL.fullmatch(setting.value):
                self.members.append(setting.value)
                self._say(
                    setting.place, setting.name, TAKEN, "a member of each environment (calls tools, administers nothing), unless import_members names others"
                )
            else:
                self._say(setting.place, setting.name, UNCLEAR, "is no e-mail address; name members with -e import_members=alice@example.com")
            return
        stays = next((why for pattern, why in _STAYS if re.fullmatch(pattern, setting.name)), None)
        if stays:
            self._say(setting.place, setting.name, LEFT, stays)
        elif _PART.fullmatch(setting.name):
            self._say(setting.place, setting.name, UNCLEAR, "a login in parts; write it as one connection string, POSTGRES_CONNECTION_STRING=postgresql://…")
        else:
            self._say(setting.place, setting.name, UNCLEAR, "is not known here; if the gateway reads it, add it to mcp_gateway_settings afterwards")

    # Logins

    def _login(self, login: _Login, service: str = "", beside: Mapping[str, Any] | None = None) -> None:
        name = re.sub(r"[-_]", "", login.environment)
        if not _declaration_check.ENVIRONMENT.fullmatch(name):
            self._say(login.where, login.what, UNCLEAR, "its environment's name is no name here (up to 16 letters and digits); rename it")
            return
        if name != login.environment:
            login.notes.append(f"environment {login.environment} is called {name}")
        login.environment = name
        try:
            login.text, notes = canonical(login.text, login.engine)
        except _connection_string.ConnectionStringError as error:
            self._say(login.where, login.what, UNCLEAR, f"{error}; correct the connection string")
            return
        host = _connection_string.parse(login.text, login.engine).host
        if host in (beside or {}) or host == "host.docker.internal":
            notes.append(f"{host} is a name that only containers know: see that the gateway's host reaches the database under it")
        login.notes += notes
        self._logins.append(login)
        if service:
            self._services[service] = f"{login.engine}-{name}"
            del self._others[service]

    def settle(self) -> None:
        """One login for each service of the new team; where there are two it is not for us to choose."""
        places: dict[tuple[str, str], list[_Login]] = {}
        for login in self._logins:
            places.setdefault((login.environment, login.engine), []).append(login)
        alike = {login.text: login for login in self._logins if login.environment != self._base}
        for (environment, engine), logins in places.items():
            service = f"{engine}-{environment}"
            if environment == self._base and len(logins) == 1 and (other := alike.get(logins[0].text)):
                self._say(logins[0].where, logins[0].what, LEFT, f"the same login as {other.what} at {other.where}")
                continue
            if len({login.text for login in logins}) > 1:
                where = ", ".join(login.where for login in logins)
                for login in logins:
                    self._say(login.where, login.what, UNCLEAR, f"{service} has different logins ({where}); remove all but one, or say which environment")
                continue
            for login in logins:
                self._say(login.where, login.what, TAKEN, "; ".join([f"{service} at {_target(login)}", *login.notes]))
            self.taken.setdefault(environment, {})[engine] = logins[0].text
        for setting, service in self._referred:
            good = environment_has(self.taken, self._services.get(service, ""))
            self._say(setting.place, setting.name, TAKEN if good else UNCLEAR, f"as the login of service {service}" if good else f"see service {service}")

    # gateways.txt

    def gateways(self, name: str, text: str) -> None:
        found, wrong = _gateways_txt.parse(text)
        for line, column, message in wrong:
            self._say(f"{name}:{line}:{column}", "line", UNCLEAR, f"{message}; write it as name|url|transport")
        for gateway in found:
            self._gateway(gateway, f"{name}:{gateway.line}")

    def _extra_gateways(self, setting: Setting) -> None:
        for part in (one for one in setting.value.split(",") if one.strip()):
            try:
                self._gateway(_gateways_txt.entry(part), setting.place)
            except _gateways_txt.LineError as error:
                self._say(setting.place, setting.name, UNCLEAR, f"one of its gateways {error}; write it as name|url|transport")

    def registration(self, registration: Registration, address: str) -> None:
        if registration.enabled:
            self._gateway(registration.gateway, address, registration.auth)
        else:
            self._say(address, f"gateway {registration.gateway.name}", LEFT, "is switched off there")

    def _gateway(self, gateway: _gateways_txt.Gateway, where: str, auth: str = "") -> None:
        host, what = urlsplit(gateway.url).hostname or "", f"gateway {gateway.name}"
        if before := self._listed.get(gateway.name.lower()):
            same = before[1] == gateway.url
            self._say(where, what, LEFT if same else UNCLEAR, f"is at {before[0]} already" + ("" if same else ", with another URL; only one can be meant"))
            return
        self._listed[gateway.name.lower()] = (where, gateway.url)
        engine, environment = _service_name(gateway.name)
        likely = f"{engine}-{environment or self._base}" if engine else ""
        service = self._services.get(host) or next((one for one in (likely,) if environment_has(self.taken, one)), "")
        if service:
            self._say(where, what, TAKEN, f"as {service}, which deploy.yml registers anew")
        elif host in self._others:
            self._say(where, what, LEFT, f"{self._others[host]}, so nothing would answer there")
        elif auth:
            self._say(where, what, LEFT, f"needs a credential ({auth}), which no gateway gives out; an upstream here is registered without one")
        elif self._upstreams:
            self._servers.append({"name": gateway.name, "url": gateway.url, "transport": gateway.transport})
            self._say(where, what, TAKEN, f"an upstream of {self._upstreams}, as it is")
        else:
            self._say(where, what, LEFT, "no database of this team; -e import_upstreams=ENVIRONMENT gives it to the agents of that environment")

    def nobody(self) -> None:
        self._say(
            "-", "members", UNCLEAR, "nobody is named who may call the tools; name them with -e import_members=alice@example.com, or in the inventory later"
        )

    def more(self, environment: str) -> dict[str, list]:
        return {"upstreams": self._servers} if self._servers and environment == self._upstreams else {}


def named(variable: str) -> tuple[str, str] | None:
    """Engine and environment (lower case, or empty) that a variable's name says; None when it is no connection string's."""
    match = _VARIABLE.fullmatch(variable)
    return (_ENGINES[match["engine"]], (match["environment"] or "").lower()) if match else None


def environment_has(taken: Mapping[str, Mapping[str, str]], service: str) -> bool:
    """Whether a service (``postgres-dev``) is among what is taken."""
    engine, _dash, environment = service.partition("-")
    return engine in taken.get(environment, {})


def _of_service(name: str) -> str:
    return _service_name(name)[1]


def _service_name(name: str) -> tuple[str, str]:
    """Engine and environment that a name such as ``postgres-dev``, ``mongo_prod`` or ``dev-postgres`` says; empty where it says none."""
    words = [word for word in re.split(r"[-_]", name.lower()) if word]
    engine = next((_ENGINES[word.upper()] for word in words if word.upper() in _ENGINES), "")
    rest = [word for word in words if word.upper() not in _ENGINES and word not in ("mcp", "server", "db")]
    return (engine, "".join(rest)) if engine else ("", "")


def canonical(text: str, engine: str) -> tuple[str, list[str]]:
    """The connection string as this collection writes it, and what is different from before. Raises :class:`ConnectionStringError`."""
    base, _mark, query = text.partition("?")
    found = _connection_string.parse(base, engine)
    given = dict(parse_qsl(query, keep_blank_values=True))
    notes, parameters = [], {}
    if engine == "postgres":
        mode = given.pop("sslmode", "")
        if mode != "verify-full":
            notes.append(
                "TLS is verified now (verify-full)" + (f", it was sslmode={mode}" if mode in ("disable", "allow", "prefer", "require", "verify-ca") else "")
            )
    else:
        # Drivers look the user up in the database that the string names, unless it says another one.
        parameters["authSource"] = given.pop("authSource", "") or found.database
        if "true" not in (given.pop("tls", ""), given.pop("ssl", "")):
            notes.append("TLS is required now")
    if given:
        names = sorted(name if name in _PARAMETERS else "another one" for name in given)
        notes.append(f"without {', '.join(dict.fromkeys(names))}")
    made = _connection_string.render(engine, found.user, found.password, found.host, found.port, found.database, parameters)
    _connection_string.parse(made, engine)
    return made, notes


def _target(login: _Login) -> str:
    found = _connection_string.parse(login.text, login.engine)
    return f"{found.host}:{found.port}/{found.database}"
