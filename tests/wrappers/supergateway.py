# SPDX-License-Identifier: GPL-3.0-or-later
"""supergateway (npm), stateful: each session has a server of its own. It listens on all interfaces and cannot be told otherwise."""

from __future__ import annotations

import json
import shlex

from tests.wrappers.discovery import node, supergateway_script
from tests.wrappers.environment import bare
from tests.wrappers.spec import Order, Start, Wrapper


def start(order: Order) -> Start:
    argv = [node(), str(supergateway_script()), "--stdio", shlex.join(order.command), "--outputTransport", "streamableHttp", "--stateful"]
    argv += ["--port", str(order.port), "--logLevel", "none"]
    return Start(argv, bare(**order.environment, **{order.canary: "x"}))


def version() -> str:
    return json.loads((supergateway_script().parents[1] / "package.json").read_text())["version"]


WRAPPER = Wrapper("supergateway", start, version, restarts_itself=True)
