# SPDX-License-Identifier: GPL-3.0-or-later
"""A MongoDB-protocol server for the demo and the tests: mongoeco behind TLS, with users, enforced roles and data on disk.

mongoeco 4.11.0 lacks what this adds (docs/upstream.md): int64 cursor ids, ``saslSupportedMechs``, user commands, roles, TLS. It uses names
that are private to that version, which is why the version is pinned.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import datetime
import hashlib
import logging
import signal
import ssl
from pathlib import Path

from bson import Int64
from bson.binary import Binary
from mongoeco.engines.sqlite import SQLiteEngine
from mongoeco.errors import OperationFailure
from mongoeco.wire import handshake, protocol, proxy
from mongoeco.wire.auth import WireAuthenticationService, WireAuthUser
from mongoeco.wire.executor import WireCommandExecutor

from demo import mongodb_users
from demo.die_with_parent import ask_kernel

LOG = logging.getLogger("mongodb")
UNAUTHORIZED, FAILED, NOT_FOUND, EXISTS = (13, "Unauthorized"), (18, "AuthenticationFailed"), (11, "UserNotFound"), (51003, "Location51003")
BAD_VALUE, ROLE_NOT_FOUND = (2, "BadValue"), (31, "RoleNotFound")

_encode, _decode, _hello = proxy.encode_op_msg_response, protocol.decode_op_msg, handshake.WireHandshakeService.build_hello_response


def encode(document: dict, **keywords: object) -> bytes:
    """Cursor ids as int64: the Node.js driver takes nothing else."""
    cursor = document.get("cursor") if isinstance(document, dict) else None
    if isinstance(cursor, dict) and "id" in cursor:
        document = {**document, "cursor": {**cursor, "id": Int64(cursor["id"])}}
    return _encode(document, **keywords)


def decode(header: object, payload: bytes) -> object:
    """And back."""
    message = _decode(header, payload)

    def plain(number: object) -> int:
        return int(getattr(number, "value", number))

    if "getMore" in message.body:
        message.body["getMore"] = plain(message.body["getMore"])
    if "killCursors" in message.body:
        message.body["cursors"] = [plain(number) for number in message.body["cursors"]]
    return message


def hello(self: handshake.WireHandshakeService, *, command_name: str, body: dict, connection: object) -> dict:
    """Lets drivers choose SCRAM-SHA-256 by themselves."""
    answer = _hello(self, command_name=command_name, body=body, connection=connection)
    if "saslSupportedMechs" in body:
        answer["saslSupportedMechs"] = ["SCRAM-SHA-256"]
    return answer


proxy.encode_op_msg_response, proxy.decode_op_msg, handshake.WireHandshakeService.build_hello_response = encode, decode, hello


class Authentication(WireAuthenticationService):
    """SCRAM-SHA-256 against stored keys; no other mechanism."""

    enabled = True

    def __init__(self, users: mongodb_users.Users) -> None:
        super().__init__(())
        self._store = users

    def authenticate(self, body: dict, *, connection: object) -> dict:
        raise OperationFailure("Authentication failed.", code=FAILED[0])

    def _find_user(self, *, username: str, database: str, mechanism: str) -> WireAuthUser:
        found = self._store.get(username, database)
        if found is None or mechanism != "SCRAM-SHA-256":
            LOG.warning("login failed: no such user or mechanism")
            raise OperationFailure("Authentication failed.", code=FAILED[0])
        return WireAuthUser(username, None, database, ("SCRAM-SHA-256",), tuple(found["roles"]))

    def sasl_continue(self, body: dict, *, connection: object) -> dict:
        conversation = connection.auth_conversations.pop(body.get("conversationId"), None)
        keys = conversation and self._store.keys(conversation.username, conversation.database)
        final = bytes(body.get("payload", b"")).decode(errors="replace")
        signature = keys and mongodb_users.verify(keys, conversation.client_first_bare, conversation.server_first_message, final)
        if not signature:
            LOG.warning("login failed")
            raise OperationFailure("Authentication failed.", code=FAILED[0])
        connection.authenticate(username=conversation.username, db=conversation.database, mechanism="SCRAM-SHA-256", roles=conversation.roles)
        payload = Binary(b"v=" + base64.b64encode(signature))
        return {"conversationId": body["conversationId"], "done": True, "payload": payload, "ok": 1.0}


class Server(proxy.AsyncMongoEcoProxyServer):
    """mongoeco's server with TLS in front and a check before each command."""

    def __init__(self, users: mongodb_users.Users, tls: ssl.SSLContext | None, **keywords: object) -> None:
        super().__init__(**keywords)
        self._users, self._tls = users, tls
        self._auth = Authentication(users)
        self._executor = WireCommandExecutor(self._client, self._cursor_store, self._session_store, surface=self._surface, auth=self._auth)

    async def start(self) -> None:
        await self._client._engine.connect()
        self._engine_connected = True
        self._server = await asyncio.start_server(self._accept_connection, self._host, self._port, ssl=self._tls)

    async def _dispatch_wire_request(self, header: object, payload: bytes, *, connection: object) -> bytes | None:
        if header.op_code != protocol.OP_MSG:  # the first hello of older drivers, nothing else
            query = protocol.decode_op_query(header, payload).query
            if next(iter(query), "") not in ("hello", "ismaster", "isMaster"):
                return None
            return await super()._dispatch_wire_request(header, payload, connection=connection)
        body = decode(header, payload).body
        answer = self._answer(body, connection)
        if answer is None:
            return await super()._dispatch_wire_request(header, payload, connection=connection)
        return encode(answer, request_id=next(self._request_ids), response_to=header.request_id)

    def _answer(self, body: dict, connection: object) -> dict | None:
        """An answer of our own: a refusal, a user command, what mongoeco lacks. None: mongoeco answers."""
        command, database = next(iter(body), ""), body.get("$db", "admin")
        user, roles = self._login(connection)
        if command == "connectionStatus":
            users = [{"user": user.rpartition("@")[0], "db": user.rpartition("@")[2]}] if user else []
            return {"authInfo": {"authenticatedUsers": users, "authenticatedUserRoles": roles}, "ok": 1.0}
        if command in mongodb_users.WITHOUT_LOGIN:
            return None
        if user is None:
            return failure(UNAUTHORIZED, f"command {command} requires authentication")
        if command in ("createUser", "updateUser", "dropUser", "usersInfo", "killAllSessions"):
            return self._user_command(command, database, body, roles)
        if command == "aggregate" and "$listLocalSessions" in (body.get("pipeline") or [{}])[0]:
            return sessions(user, body)
        if command == "listDatabases" and not any(role["role"] == "root" for role in roles):
            names = sorted({role["db"] for role in roles})
            return {"databases": [{"name": name, "sizeOnDisk": 0, "empty": False} for name in names], "totalSize": 0, "ok": 1.0}
        why = mongodb_users.refusal(roles, command, database, body)
        if why:
            return failure(UNAUTHORIZED, why)
        return None

    def _login(self, connection: object) -> tuple[str | None, list[dict]]:
        """Who it is, and the roles that the user has now: a dropped user has nothing any more, in open connections too."""
        for login in connection.authenticated_users:
            found = self._users.get(login["user"], login["db"])
            if found:
                return f"{login['user']}@{login['db']}", found["roles"]
        return None, []

    def _user_command(self, command: str, database: str, body: dict, roles: list[dict]) -> dict:
        if command == "killAllSessions":
            return {"ok": 1.0} if mongodb_users.is_root(roles) else failure(UNAUTHORIZED, f"not authorized on {database} to execute command {command}")
        if not mongodb_users.may_change_users(roles, database):
            return failure(UNAUTHORIZED, f"not authorized on {database} to execute command {command}")
        if command == "usersInfo":
            wanted = body["usersInfo"]
            name = wanted["user"] if isinstance(wanted, dict) else wanted
            found = self._users.get(name, database) if isinstance(name, str) else None
            return {"users": [mongodb_users.shown(name, database, found)] if found else [], "ok": 1.0}
        name, known = body[command], self._users.get(body[command], database) is not None
        if command == "createUser" and known:
            return failure(EXISTS, f'User "{name}@{database}" already exists')
        if command != "createUser" and not known:
            return failure(NOT_FOUND, f'Could not find user "{name}" for db "{database}"')
        if command == "dropUser":
            self._users.drop(name, database)
            return {"ok": 1.0}
        given = [role if isinstance(role, dict) else {"role": role, "db": database} for role in body["roles"]] if "roles" in body else None
        if why := mongodb_users.malformed(command, body, given):
            return failure(BAD_VALUE, why)
        if unknown := mongodb_users.unknown_role(given):
            return failure(ROLE_NOT_FOUND, f"Could not find role: {unknown}")
        self._users.put(name, database, body.get("pwd"), given, body.get("customData"))
        return {"ok": 1.0}


def failure(code: tuple[int, str], message: str) -> dict:
    return {"ok": 0.0, "code": code[0], "codeName": code[1], "errmsg": message}


def sessions(user: str, body: dict) -> dict:
    """``$listLocalSessions`` without ``allUsers``: the caller's own, with its login, as mongod answers."""
    identity = {"id": body.get("lsid", {}).get("id"), "uid": Binary(hashlib.sha256(user.encode()).digest())}
    entry = {"_id": identity, "lastUse": datetime.datetime.now(datetime.UTC), "user": user}
    return {"cursor": {"id": 0, "ns": f"{body.get('$db')}.$cmd.aggregate", "firstBatch": [entry]}, "ok": 1.0}


def tls_context(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    """None without a certificate: only tests want that. With a CA for clients, whoever shows no certificate of it is not let in."""
    if arguments.tls_cert is None:
        return None
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(arguments.tls_cert, arguments.tls_key)
    if arguments.tls_client_ca is not None:
        tls.load_verify_locations(arguments.tls_client_ca)
        tls.verify_mode = ssl.CERT_REQUIRED
    return tls


async def serve(arguments: argparse.Namespace) -> None:
    tls = tls_context(arguments)
    arguments.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = SQLiteEngine(str(arguments.data / "data.sqlite"))
    server = Server(mongodb_users.Users(arguments.data / "users.json"), tls, engine=engine, host=arguments.host, port=arguments.port)
    await server.start()
    LOG.info("listening on %s:%d", arguments.host, arguments.port)
    if tls is not None:  # a renewed certificate, as mongod's rotateCertificates: for connections from now on
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: tls.load_cert_chain(arguments.tls_cert, arguments.tls_key))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.mongodb_server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tls-cert", type=Path)
    parser.add_argument("--tls-key", type=Path)
    parser.add_argument("--tls-client-ca", type=Path)
    ask_kernel(signal.SIGTERM)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
