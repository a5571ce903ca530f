# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""How a team stands, for who is on call: a row for each service on each host. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from ansible_collections.mcp.tenancy.plugins.module_utils import _credentials, _own_secrets, _rotation
from ansible_collections.mcp.tenancy.plugins.module_utils._database_tls import UNREACHABLE

ACTIVE = ("host", "service", "user", "login", "calls", "in flight", "idle", "memory")
OWN = ("own secret", "age", "state")
COLUMNS = ("host", "service", "environment", "health", "login", "slot", "generation", "age", "due in", "last result")
DATABASES = ("host", "service", "database", "TLS", "certificate until", "what is wrong")
#: Days before its end from which a certificate is spoken of.
ENDING_DAYS = 14


def databases(hosts: dict[str, dict]) -> list[dict]:
    """A row for each connection. ``hosts``: host → what ``mcp.tenancy.database_tls`` tells of each service's database; empty for a host that told nothing."""
    return [
        {
            "host": host,
            "service": name,
            "database": one["place"],
            "TLS": one["mode"] if not one["cause"] else f"refused: {one['cause']}" if one["cause"] != UNREACHABLE else UNREACHABLE,
            "certificate until": one["until"] or "-",
            "what is wrong": one["told"].partition(" Next: ")[0].removeprefix(f"{one['place']} "),
        }
        for host, told in hosts.items()
        for name, one in sorted(told.items())
    ]


def databases_well(rows: list[dict]) -> bool:
    """Whether no connection is refused."""
    return not any(row["TLS"].startswith("refused") for row in rows)


def ending(told: dict) -> list[str]:
    """A sentence for each certificate that ends soon."""
    return [
        f"{name}: the certificate of {one['place']} ends on {one['until']}, in {one['days']} day(s). Next: renew it at the server; services go on meanwhile."
        for name, one in sorted(told.items())
        if one["days"] is not None and one["days"] < ENDING_DAYS
    ]


def active(hosts: dict[str, dict]) -> list[dict]:
    """Who uses a login of their own now: a row for each login on each host. ``user`` is whom the gateway names."""
    return [
        {
            "host": host,
            "service": name,
            "user": one.get("user") or "-",
            "login": one["login"],
            "calls": str(one["calls"]),
            "in flight": str(one["in_flight"]),
            "idle": span(datetime.timedelta(seconds=one["idle_seconds"])),
            "memory": f"{one['memory_kib'] / 1024:.0f} MiB",
        }
        for host, told in hosts.items()
        for name, state in sorted((told["states"] or {}).items())
        for one in sorted(state.get("people") or [], key=lambda one: one["login"])
    ]


def rows(declaration: dict, document: dict, hosts: dict[str, dict], now: datetime.datetime) -> list[dict]:
    """``hosts``: host → ``{"services": names that should be there, "users": those of people, "states": what they say, "edge"}``.

    ``states`` is None for a host that cannot be reached. ``edge`` is None, or ``{"name", "protocol", "why" (it does not answer)}``.
    """
    rotation, found = _rotation.of(declaration), []
    for host, told in hosts.items():
        for name in ["gateway", *told["services"]]:
            entry = document["credentials"].get(name)
            state = _state(told["states"], name)
            row = dict.fromkeys(COLUMNS, "") | {"host": host, "service": name, "environment": name.partition("-")[2], "health": _health(state, entry)}
            if entry is not None:
                row |= _credential(entry, rotation, now)
            found.append(row)
        if edge := told.get("edge"):
            row = {"host": host, "service": "edge", "health": edge["why"] or "ok", "last result": f"{edge['name']} {edge['protocol']}".strip()}
            found.append(dict.fromkeys(COLUMNS, "") | row)
        for service in told.get("users", []):
            state = _state(told["states"], service["name"])
            users = (state or {}).get("users") or {}
            shown = f"{users['processes']} of {users['most']} in use, {users['stored']} stored" if users else ""
            row = {"host": host, "service": service["name"], "environment": service["environment"], "health": _health(state, None), "login": "each their own"}
            found.append(dict.fromkeys(COLUMNS, "") | row | {"last result": shown})
            stored = {name: entry for name, entry in sorted(document["credentials"].items()) if name.startswith(f"{service['base']}/")}
            for name, entry in stored.items():
                row = {"host": host, "service": name, "environment": service["environment"], "health": "ok" if entry["active"] else "has no login"}
                found.append(dict.fromkeys(COLUMNS, "") | row | _credential(entry, rotation, now))
    return found


def own(values: dict[str, str], document: dict, rekey_under_way: bool, now: datetime.datetime) -> list[dict]:
    """A row for the vault key and each of our own secrets that can be changed: how old, as far as it was written down, and whether a change is under way."""
    found = [_own("vault key", document.get("rekeyed_at", "")[:10], "rekey.yml" if rekey_under_way else "", now)]
    since, busy = _own_secrets.since(values), _own_secrets.under_way(values)
    return found + [_own(kind, since.get(kind, ""), "own_secrets.yml" if kind in busy else "", now) for kind in _own_secrets.KINDS]


def _own(name: str, day: str, playbook: str, now: datetime.datetime) -> dict:
    try:
        age = span(now - datetime.datetime.fromisoformat(day).replace(tzinfo=datetime.UTC))
    except ValueError:
        age = "never changed"
    return {"own secret": name, "age": age, "state": f"on its way, run {playbook} again" if playbook else "ok"}


def _state(states: dict | None, name: str) -> dict | None:
    return None if states is None else states.get(name, {"ready": False, "why": "is not deployed"})


def well(found: list[dict], secrets: Iterable[dict] = ()) -> bool:
    """Whether nothing needs somebody."""
    return not any(row["health"] != "ok" or "overdue" in row["due in"] or row["last result"].startswith(("failed", "on its way")) for row in found) and all(
        row["state"] == "ok" for row in secrets
    )


def _health(state: dict | None, entry: dict | None) -> str:
    if state is None:
        return "host not reached"
    if not state["ready"]:
        return f"not ready: {state['why']}"
    if entry is not None and entry["walk"] is None:
        wanted = _credentials.in_use(entry)
        if wanted is not None and state.get("credential", wanted["mark"]) != wanted["mark"]:
            return "uses another login than the store says"
    return "ok"


def _credential(entry: dict, rotation: _rotation.Rotation, now: datetime.datetime) -> dict:
    slot, age = entry["slots"].get(entry["active"]) or {}, now - _credentials.moment(entry["changed_at"])
    last = entry["last"] or {}
    if entry["walk"]:
        result = f"on its way: {entry['walk']['step']} since {entry['walk']['began']}"
    else:
        result = " ".join(filter(None, (last.get("result"), last.get("at"), last.get("why", "")[:60])))
    due = "unmanaged" if entry["kind"] != "managed" else "now" if entry["generation"] == 0 else _due(rotation.every - age, rotation)
    return {
        "login": slot.get("login", ""),
        "slot": entry["active"] or "",
        "generation": str(entry["generation"]),
        "age": span(age),
        "due in": due,
        "last result": result,
    }


def _due(left: datetime.timedelta, rotation: _rotation.Rotation) -> str:
    """A login ends by itself a period after it was due; at half of that somebody has to look."""
    if left > datetime.timedelta():
        return span(left)
    if -left < rotation.every / 2:
        return "now"
    return f"overdue, ends in {span(max(datetime.timedelta(), rotation.every + left))}"


def span(time: datetime.timedelta) -> str:
    """``3d``, ``5h``, ``12m``: the largest unit, rounded down."""
    seconds = int(time.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
