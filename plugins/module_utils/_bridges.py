# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""The bridges of one host: which login each uses, the next one on request, and when nothing is left on the one before."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

POLL_SECONDS = 0.05
#: Reads /readyz of a port; None when nobody answers.
Ask = Callable[[int], "dict | None"]
#: Makes a bridge read its login again. Returns what went wrong, or "".
Reload = Callable[[list[list[str]]], str]


@dataclass(frozen=True)
class Bridge:
    """``mark``: the name of the login that it should use. ``reload``: commands, one after the other. ``token``: its bearer, to be asked as a client.

    ``tls``: the name of the CA and client certificate that it should use; empty where that is not looked at.
    ``bearers``: labels of the bearers that it should accept, exactly these; None where nobody wants to know.
    """

    name: str
    port: int
    mark: str
    reload: list[list[str]]
    token: str = field(default="", repr=False)
    tls: str = ""
    bearers: list[str] | None = None

    def right(self, said: dict) -> bool:
        """Whether it uses and accepts what it should, by what it said."""
        return said.get("credential", "") == self.mark and self.tls in ("", said.get("tls")) and (self.bearers is None or said.get("bearers") == self.bearers)


def glance(port: int) -> dict | None:
    """What a bridge says of itself without asking its database: one that is away, or a name server that is slow, takes no time."""
    return ask(port, "/healthz")


def ask(port: int, door: str = "/readyz") -> dict | None:
    """What a bridge says of itself, ready or not."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=45)  # it may have to wait for its database
    try:
        connection.request("GET", door)
        return json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def lists_its_tools(bridge: Bridge) -> bool:
    """Whether it answers a client's first question: a round trip to the wrapped server, whatever its database does."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}})
    headers = {"Authorization": f"Bearer {bridge.token}", "Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    connection = http.client.HTTPConnection("127.0.0.1", bridge.port, timeout=45)
    try:
        connection.request("POST", "/mcp", body, headers)
        return bool(json.loads(connection.getresponse().read())["result"]["tools"])
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def bring(
    bridges: list[Bridge], seconds: float, reload: Reload, asking: Ask = ask, *, drained: bool = False, check: bool = False, at_once: int = 0
) -> dict[str, dict]:
    """Each bridge uses its mark; with ``drained`` no call is left on any other. Name → ``{"credential", "changed", "error"}``.

    Bridges that already do are not touched, and whether their database answers is not asked. As many are told and waited for together as there
    are processors (``at_once`` says otherwise): each starts a server, and what starts too many of them under load starts none in time.
    """
    found = {bridge.name: _look(bridge, asking) for bridge in bridges}
    late = [bridge for bridge in bridges if not bridge.right(found[bridge.name])]
    for bridge in late:
        found[bridge.name]["changed"] = True
    if check:
        return {name: _told(state) for name, state in found.items()}
    at_once = at_once or os.cpu_count() or 1
    for wave in [late[place : place + at_once] for place in range(0, len(late), at_once)]:
        for bridge in wave:
            found[bridge.name]["error"] = reload(bridge.reload)
        deadline = time.monotonic() + seconds
        for bridge in wave:
            _settle(bridge, found[bridge.name], deadline, asking, drained)
    deadline = time.monotonic() + seconds
    for bridge in bridges:
        if bridge not in late:
            _settle(bridge, found[bridge.name], deadline, asking, drained)
    return {name: _told(state) for name, state in found.items()}


def _settle(bridge: Bridge, state: dict, deadline: float, asking: Ask, drained: bool) -> None:
    if not state["error"] and (state["changed"] or drained):
        state.update(_wait(bridge, state, deadline, asking, drained))
    if not state["error"] and bridge.token:
        state["error"] = _wait_for_tools(bridge, deadline)


def _look(bridge: Bridge, asking: Ask) -> dict:
    said = asking(bridge.port) or {}
    told = {"credential": said.get("credential", ""), "tls": said.get("tls", ""), "bearers": said.get("bearers"), "refused": said.get("refused", 0)}
    return {**told, "changed": False, "error": ""}


def _wait(bridge: Bridge, before: dict, deadline: float, asking: Ask, drained: bool) -> dict:
    """Until it uses its mark and is ready, or says that it refused, or time is up."""
    why = "it does not answer"
    while True:
        said = asking(bridge.port)
        if said is not None:
            right = bridge.right(said)
            ready = said.get("status") == "ready" or not before["changed"]
            if right and ready and not (drained and _left(said)):
                return {"credential": bridge.mark, "error": ""}
            if not right and said.get("refused", 0) > before["refused"]:
                return {"credential": said.get("credential", ""), "error": f"the bridge refused what it was given: {said.get('trouble')}"}
            still = (
                "calls are still under way on the login before" if right else "it still uses another login, CA or client certificate, or accepts other bearers"
            )
            why = said.get("trouble") or said.get("why") or still
        if time.monotonic() > deadline:
            used = (said or {}).get("credential", "")
            return {"credential": used, "error": f"{why}. Next: see the log of {bridge.name}, then run again"}
        time.sleep(POLL_SECONDS)


def _wait_for_tools(bridge: Bridge, deadline: float) -> str:
    """What is wrong with a bridge that does not list its tools in time."""
    while not lists_its_tools(bridge):
        if time.monotonic() > deadline:
            return f"it does not list its tools. Next: see the log of {bridge.name}, then run again"
        time.sleep(POLL_SECONDS * 4)
    return ""


def _left(said: dict) -> bool:
    """Whether another generation than the newest is still there."""
    return any(int(number) != said.get("generation") for number in said.get("in_flight", {}))


def _told(state: dict) -> dict:
    return {name: state[name] for name in ("credential", "changed", "error")}
