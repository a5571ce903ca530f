# SPDX-License-Identifier: GPL-3.0-or-later
"""How many calls one client may make: a bucket for each genuine bearer, and one for each address of everybody else.

Whether a bearer is genuine is known here and not at the edge (Debian's Caddy has no rate limiter, and any limiter in front could go by addresses only).
So people behind one address do not use up each other's calls, who has no genuine bearer uses up nobody's but that address's, and one that was
revoked uses up its own.

Only what came through the edge is counted: it says from which address, in a header that no client can send (``_edge.py``).
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import os
import time
from collections import OrderedDict
from collections.abc import Callable

HEADER = b"x-edge-client"
#: Buckets at the same time. The one that was used the longest ago goes first; a forgotten client begins with a full one.
MOST = 20_000
#: Without a genuine bearer a call costs so much of its address's bucket: guessing is slower than calling. Reading a page of the Admin UI is no guess.
STRANGER_COST, PAGE_COST = 5, 1


class Rate:
    """Token buckets: ``burst`` calls at once, ``per_second`` in the long run."""

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str, cost: float = 1) -> int:
        """0 when there is room, which is then taken; else the whole seconds until there is."""
        now = self._clock()
        left, since = self._buckets.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._per_second)
        cost = min(cost, self._burst)
        self._buckets[key] = (left - cost if left >= cost else left, now)
        if len(self._buckets) > MOST:
            self._buckets.popitem(last=False)
        return 0 if left >= cost else math.ceil((cost - left) / self._per_second)


def of_environment() -> Rate | None:
    """The bounds that the deploy has set; None where there is no edge."""
    per_second = float(os.environ.get("MCP_EDGE_CALLS_PER_SECOND") or 0)
    return Rate(per_second, float(os.environ.get("MCP_EDGE_BURST") or per_second)) if per_second > 0 else None


def address(headers: list[tuple[bytes, bytes]]) -> str:
    """Where a request came to the edge from, IPv6 by its network of 64 bits; "" for what did not come through it."""
    told = [value.decode("latin-1") for name, value in headers if name == HEADER]
    if not told:
        return ""
    try:
        ip = ipaddress.ip_address(told[0].partition("%")[0])
    except ValueError:
        return "unknown"
    return str(ip if ip.version == 4 else ipaddress.ip_network((ip, 64), strict=False))


def seconds_to_wait(rate: Rate | None, scope: dict, person: Callable[[bytes], str]) -> int:
    """0 when the request (an ASGI scope) may go on. ``person``: from a bearer to who is named by it, "" when it is not genuine."""
    headers = scope["headers"]
    where = address(headers)
    if rate is None or not where:
        return 0
    given = [value for name, value in headers if name == b"authorization" and value.strip().lower() not in (b"", b"bearer")]  # which the UI's scripts send
    if len(given) == 1 and person(given[0]):
        return rate.wait(hashlib.sha256(given[0]).hexdigest())
    return rate.wait(where, PAGE_COST if scope["method"] in ("GET", "HEAD") and not given else STRANGER_COST)
