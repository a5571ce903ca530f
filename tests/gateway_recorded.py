# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's application, which writes down what it is asked: a line of method, path and status for each request, into the file named by RECORD.
RECORD_OF names the module of another one, as that with our filters in front.

Runs in the gateway's own process (tests/gateway_alone.py). The gateway switches uvicorn's own access log off.
"""

from __future__ import annotations

import importlib
import os

gateway = importlib.import_module(os.environ.get("RECORD_OF", "mcpgateway.main")).app
RECORD = os.open(os.environ["RECORD"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


async def app(scope: dict, receive: object, send: object) -> None:
    async def noted(message: dict) -> None:
        if message["type"] == "http.response.start":
            os.write(RECORD, f"{scope['method']} {scope['path']} {message['status']}\n".encode())
        await send(message)

    await gateway(scope, receive, noted if scope["type"] == "http" else send)
