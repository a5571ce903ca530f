# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd wants to hear (sd_notify(3)): that this process is ready, and, at intervals, that its event loop turns."""

from __future__ import annotations

import asyncio
import os
import socket


def notify(state: str) -> None:
    """Tell the service manager; nothing happens where there is none."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.sendall(state.encode())


async def beat() -> None:
    """Feed the watchdog from the event loop, for as long as it asks to be fed; one that hangs is restarted."""
    interval = int(os.environ.get("WATCHDOG_USEC") or 0) / 3e6
    while interval:
        notify("WATCHDOG=1")
        await asyncio.sleep(interval)
