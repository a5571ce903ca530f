# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m mcp_bridge (--config FILE | --manifest FILE SERVICE)`: one bridge. SIGHUP: the bearers of now, the next generation. SIGTERM: finish, then end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import typing

import uvloop

from mcp_bridge import config as configuration
from mcp_bridge import guard
from mcp_bridge.access import Access
from mcp_bridge.audit import Audit
from mcp_bridge.bridge import Bridge
from mcp_bridge.config import Config, ConfigError
from mcp_bridge.errors import BridgeError
from mcp_bridge.link import Link
from mcp_bridge.metrics import Metrics, State
from mcp_bridge.notify import beat, notify
from mcp_bridge.process import hide, raise_file_limit
from mcp_bridge.server import serve
from mcp_bridge.service import Service
from mcp_bridge.stdio import StdioLink
from mcp_bridge.web import Web

if typing.TYPE_CHECKING:
    from mcp_bridge.users.access import UserAccess
    from mcp_bridge.users.metrics import UserState
    from mcp_bridge.users.service import UserService

log = logging.getLogger("mcp_bridge")


def listening_socket(config: Config) -> tuple[socket.socket, bool]:
    """Inherited (systemd's LISTEN_FDS, or a number in the configuration), so that a restart refuses nobody; else our own. And whether it is inherited."""
    inherited = 3 if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1" else config.fd
    if inherited is not None:
        return socket.socket(fileno=inherited), True
    listening = socket.socket(socket.AF_INET6 if ":" in config.host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((config.host, config.port))
    listening.listen(1024)
    return listening, False


def link_maker(config: Config, source: list[str]) -> Link:
    """The way to the wrapped server. `translate` is loaded only where it is used, with the HTTP client that it needs."""
    if config.wrapper == "bridge":
        return StdioLink(config)
    from mcp_bridge.translate import TranslateLink

    return TranslateLink(config, source)


def users(config: Config, names: tuple[str, int, list[str]]) -> tuple[UserService, UserState, UserAccess]:
    """Callers bring their own logins. Loaded only where they do, with the database drivers that it needs."""
    from mcp_bridge.users.access import UserAccess
    from mcp_bridge.users.metrics import UserState
    from mcp_bridge.users.service import UserService

    service = UserService(config)
    key = os.environ.get(config.identity_env, "")
    return service, UserState(service), UserAccess(config, key, *names)


async def run(config: Config, source: list[str], bearers: list[str]) -> None:
    listening, inherited = listening_socket(config)
    names = (bearers[0], listening.getsockname()[1], config.allowed_hosts)
    if config.users is None:
        service = Service(config, lambda: link_maker(config, source))
        state, access = State(service), Access(*names)
    else:
        service, state, access = users(config, names)
    access.accept(bearers)
    bridge = Bridge(config, service, guard.for_service(config), Audit(config.audit_file, config.service), Metrics(config.service, state))
    web = Web(bridge, access)

    async def reload() -> None:
        try:
            used, wanted = service.status(), {"credential": config.credential(), "tls": service.way.material()}
            if access.accept(config.bearers()) and {name: used[name] for name in wanted} == wanted:
                log.info("the bearers of now: %s", " ".join(access.bearers))
                return  # that was all
        except (ConfigError, OSError) as error:
            log.error("%s", error)
        with contextlib.suppress(BridgeError):  # logged, and told by /readyz
            await service.reload()

    pending: set[asyncio.Task] = set()

    def on_hup() -> None:
        task = asyncio.get_running_loop().create_task(reload())
        pending.add(task)
        task.add_done_callback(pending.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, on_hup)
    service.start()
    beating = asyncio.get_running_loop().create_task(beat())
    notify("READY=1")  # whoever calls from now on waits for the wrapped server, and no longer for this process
    try:
        await serve(web, listening, config.limits, inherited=inherited)
    finally:
        notify("STOPPING=1")
        beating.cancel()
        await service.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mcp_bridge")
    configuration.add_arguments(parser)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    os.umask(0o077)
    try:
        config = configuration.from_arguments(arguments)
        bearers = config.bearers()
    except configuration.ConfigError as error:
        raise SystemExit(f"mcp_bridge: {error}.") from None
    hide()
    raise_file_limit()
    config.runtime_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    source = ["--config", str(arguments.config)] if arguments.config else ["--manifest", str(arguments.manifest), arguments.service]
    uvloop.run(run(config, source, bearers))


if __name__ == "__main__":
    main()
