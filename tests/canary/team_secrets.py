# SPDX-License-Identifier: GPL-3.0-or-later
"""A team's secrets by name: out of its encrypted ``.env`` and the credentials' documents, with what is derived from them. On the control node only."""

from __future__ import annotations

import json
import urllib.parse

from ansible_collections.mcp.tenancy.plugins.module_utils import _connection_string, _declaration, _own_secrets
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _credentials_file, _team_env

END = "_CONNECTION_STRING"


def of(env: _team_env.TeamEnv, stores: list[dict], services: list[str], hosts: list[str]) -> dict[str, str]:
    """``stores``: what ``credential_store`` read, ``{"version", "document"}``. Raises TeamEnvError, CredentialsError."""
    keys, values = env.keys(), env.read()
    found = {}
    for number, key in enumerate(keys):  # two, while the key is being changed
        more = f" ({number})" if number else ""
        found[f"vault key of {env.team}{more}"] = key.decode()
        found |= {f"vault key of host {host}{more}": _team_env.host_key(key, host).decode() for host in hosts}
    found |= in_env(values)
    for service in services:
        bearers = {name: values[name] for name in _declaration.bearer_secrets(service) if values.get(name)}
        found |= {f"bearer of {service}, from {name}": _declaration.bridge_token(value, service) for name, value in bearers.items()}
    for held in stores:
        found |= in_document(_credentials_file.opened(held, keys, env.team))
    return found


def services(declaration: dict) -> list[str]:
    """The names of those that have a bearer."""
    return [service["name"] for service in (*_declaration.services(declaration), *_declaration.user_services(declaration))]


def in_env(values: dict[str, str]) -> dict[str, str]:
    """Of a connection string the password alone, which stands nowhere in its place."""
    return {name: _password(name, value) if name.endswith(END) else value for name, value in values.items() if value and name != _own_secrets.SINCE}


def _password(name: str, value: str) -> str:
    try:
        return _connection_string.parse(value, name.partition("_")[0].lower()).password
    except (_connection_string.ConnectionStringError, KeyError):
        return urllib.parse.unquote(urllib.parse.urlsplit(value).password or "") or value


def in_document(document: dict) -> dict[str, str]:
    """Every login that is stored, those that are on their way and those of people too."""
    slots = [(name, slot) for name, entry in document["credentials"].items() for slot in entry["slots"].values()]
    return {f"{slot['login']} of {name}": slot["password"] for name, slot in slots}


def in_clients(text: str) -> dict[str, str]:
    """The tokens of a client configuration."""
    return {f"token of {name}": entry["headers"]["Authorization"].removeprefix("Bearer ") for name, entry in json.loads(text)["mcpServers"].items()}
