# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge with nobody there: what it holds then is what it keeps."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench import usage
from tests.soak.raw import Door
from tests.wrappers.process import Running, resident_bytes

REST_SECONDS = 30.0
CALM_SECONDS = 0.5  # for what is still on its way: closed connections, children that were just told to end
SAMPLE = re.compile(rb"^mcp_bridge_(\w+)\{[^}]*\} (\S+)$", re.M)


@dataclass(frozen=True)
class Rest:
    """Memory in MiB; ``exact`` when it is PSS, else RSS. ``descriptors`` is None where only root may count them. ``processes``: the wrapper's own."""

    second: float
    memory: float
    exact: bool
    child_memory: float
    descriptors: int | None
    threads: int
    processes: int
    children: int
    zombies: int
    in_flight: int


async def gauges(door: Door) -> dict[str, float]:
    """The bridge's own account of itself."""
    _status, text = await door.get("/metrics")
    return {name.decode(): float(value) for name, value in SAMPLE.findall(text)}


def own_processes(running: Running) -> list[int]:
    """The wrapper without what it wraps: one for the bridge alone, more with `translate`."""
    children = set(running.servers())
    return [running.pid, *(pid for pid in running.descendants() if pid not in children)]


async def come_to_rest(running: Running, door: Door, processes: int) -> None:
    """Until nothing is in flight and no generation is on its way in (it would be seen as more ``processes`` or servers) or out.

    Goes on after a while all the same: the sample then tells.
    """
    end = time.monotonic() + REST_SECONDS
    while time.monotonic() < end:
        now = await gauges(door)
        calm = not now["in_flight"] and not now["draining_generations"] and now["up"]
        if calm and len(running.servers()) == 1 and len(own_processes(running)) == processes:
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(CALM_SECONDS)


async def look(running: Running, door: Door, began: float) -> Rest:
    """One sample."""
    children, own = running.servers(), own_processes(running)
    memory, descriptors = usage.pss(own), _descriptors(own)
    return Rest(
        second=time.monotonic() - began,
        memory=resident_bytes(own) / 2**20 if memory is None else memory,
        exact=memory is not None,
        child_memory=resident_bytes(children) / 2**20,
        descriptors=descriptors,
        threads=sum(_threads(pid) for pid in own),
        processes=len(own),
        children=len(children),
        zombies=_zombies(set(own) | set(children)),
        in_flight=int((await gauges(door))["in_flight"]),
    )


def _descriptors(pids: list[int]) -> int | None:
    try:
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
    except PermissionError:
        return None


def _threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def _zombies(parents: set[int]) -> int:
    """Dead children that these have not buried."""
    found = 0
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                found += fields[0] == "Z" and int(fields[1]) in parents
    return found
