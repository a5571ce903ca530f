# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the database take this login now? Asked with a new connection each time, by a driver, since a wrapped server keeps old connections.

The drivers are loaded for the engine that this service has: each has its weight.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

from mcp_bridge import database_tls
from mcp_bridge.config import Config, Users
from mcp_bridge.database import Way
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


def checker(config: Config, way: Way) -> Check:
    """Raises LoginRefusedError, or BridgeError when the database could not be asked."""
    return (_postgres if config.engine == "postgres" else _mongodb)(config.users, config.service, way)


async def _unavailable(error: Exception, way: Way) -> BridgeError:
    if (closed := await way.closed()) is not None:
        log.warning("%s", closed)
        return closed
    # The driver's own words may name hosts and logins, so they are not passed on; neither to the caller nor to the log.
    log.warning("a login could not be tried: %s %s", type(error).__name__, getattr(error, "sqlstate", None) or "")
    return BridgeError(SERVER_UNAVAILABLE, "the database does not answer; try again", "unavailable")


def _postgres(users: Users, service: str, way: Way) -> Check:
    import asyncpg

    async def check(credential: Credential) -> None:
        try:
            verified = database_tls.context(way.target)  # each time: CA and client certificate change while this runs
            connection = await _resolved(
                lambda: asyncpg.connect(
                    host=users.host, port=users.port, database=users.database, user=credential.user, password=credential.password,
                    ssl=verified, timeout=SECONDS, server_settings={"application_name": f"mcp {service} login check"},
                )
            )  # fmt: skip
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InsufficientPrivilegeError) as error:
            if "client certificate" in str(error):
                raise await _unavailable(error, way) from None
            raise LoginRefusedError from None
        except asyncpg.TooManyConnectionsError:
            raise BridgeError(BUSY, "the database has no connection left for this login; wait a moment, then try again", "busy") from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
            raise await _unavailable(error, way) from None
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


def _mongodb(users: Users, service: str, way: Way) -> Check:
    from pymongo import AsyncMongoClient
    from pymongo.errors import OperationFailure, PyMongoError

    milliseconds = int(SECONDS * 1000)
    demands = {name: True for name in ("tlsAllowInvalidHostnames", "tlsAllowInvalidCertificates") if users.parameters.get(name) == "true"}
    demands |= {name: path for name, path in (("tlsCAFile", users.ca), ("tlsCertificateKeyFile", users.client)) if path}

    async def check(credential: Credential) -> None:
        if (closed := await way.closed()) is not None:  # the driver would try for all of its time, and then not say why
            raise closed
        async with AsyncMongoClient(
            users.host, users.port, username=credential.user, password=credential.password, authSource=users.parameters.get("authSource", "admin"),
            authMechanism="SCRAM-SHA-256", tls=True, **demands, directConnection=True, maxPoolSize=1, appname=f"mcp {service} login check",
            serverSelectionTimeoutMS=milliseconds, connectTimeoutMS=milliseconds, socketTimeoutMS=milliseconds,
        ) as client:  # fmt: skip
            try:
                await client[users.database].command("ping")
            except OperationFailure:
                raise LoginRefusedError from None
            except PyMongoError as error:
                raise await _unavailable(error, way) from None

    return check
