# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the database take this login now? Asked with a new connection each time, by a driver, since a wrapped server keeps old connections.

The drivers are loaded for the engine that this service has: each has its weight.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable

from mcp_bridge.config import Config, Users
from mcp_bridge.errors import BUSY, LOGIN_REFUSED, SERVER_UNAVAILABLE, BridgeError
from mcp_bridge.users.credential import Credential

log = logging.getLogger("mcp_bridge")
SECONDS = 10.0
NAME_PAUSES = (0.05, 0.2, 1.0)  # seconds before a name is asked for again
Check = Callable[[Credential], Awaitable[None]]


class LoginRefusedError(BridgeError):
    """The database said no to this user and password."""

    def __init__(self) -> None:
        why = "the database refuses this login: user or password are wrong, expired, or have no right to connect. Ask whoever gave it to you"
        super().__init__(LOGIN_REFUSED, why, "login_refused")


def checker(config: Config) -> Check:
    """Raises LoginRefusedError, or BridgeError when the database could not be asked."""
    return _postgres(config.users, config.service) if config.engine == "postgres" else _mongodb(config.users, config.service)


def _unavailable(error: Exception) -> BridgeError:
    # The driver's own words may name hosts and logins, so they are not passed on; neither to the caller nor to the log.
    log.warning("a login could not be tried: %s %s", type(error).__name__, getattr(error, "sqlstate", None) or "")
    return BridgeError(SERVER_UNAVAILABLE, "the database does not answer; try again", "unavailable")


def _postgres(users: Users, service: str) -> Check:
    import asyncpg

    verified = ssl.create_default_context(cafile=users.ca)

    async def check(credential: Credential) -> None:
        try:
            connection = await _resolved(
                lambda: asyncpg.connect(
                    host=users.host, port=users.port, database=users.database, user=credential.user, password=credential.password,
                    ssl=verified, timeout=SECONDS, server_settings={"application_name": f"mcp {service} login check"},
                )
            )  # fmt: skip
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InsufficientPrivilegeError):
            raise LoginRefusedError from None
        except asyncpg.TooManyConnectionsError:
            raise BridgeError(BUSY, "the database has no connection left for this login; wait a moment, then try again", "busy") from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise _unavailable(error) from None
        connection.terminate()

    return check


async def _resolved[T](connect: Callable[[], Awaitable[T]]) -> T:
    """Resolvers fail for a moment now and then, and say so (EAI_AGAIN); pymongo asks again by itself."""
    for pause in NAME_PAUSES:
        try:
            return await connect()
        except socket.gaierror:
            await asyncio.sleep(pause)
    return await connect()


def _mongodb(users: Users, service: str) -> Check:
    from pymongo import AsyncMongoClient
    from pymongo.errors import OperationFailure, PyMongoError

    milliseconds = int(SECONDS * 1000)

    async def check(credential: Credential) -> None:
        async with AsyncMongoClient(
            users.host, users.port, username=credential.user, password=credential.password, authSource=users.parameters.get("authSource", "admin"),
            authMechanism="SCRAM-SHA-256", tls=True, tlsCAFile=users.ca, directConnection=True, maxPoolSize=1, appname=f"mcp {service} login check",
            serverSelectionTimeoutMS=milliseconds, connectTimeoutMS=milliseconds, socketTimeoutMS=milliseconds,
        ) as client:  # fmt: skip
            try:
                await client[users.database].command("ping")
            except OperationFailure:
                raise LoginRefusedError from None
            except PyMongoError as error:
                raise _unavailable(error) from None

    return check
