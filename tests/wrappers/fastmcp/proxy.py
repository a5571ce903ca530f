# SPDX-License-Identifier: GPL-3.0-or-later
"""The shortest proxy that fastmcp's documentation shows, pinned to a server that speaks the handshake only, as the database servers do.

Runs in fastmcp's own virtual environment.
"""

from __future__ import annotations

import json
import sys

from fastmcp.client.transports import StdioTransport
from fastmcp.server import create_proxy

told = json.loads(sys.argv[1])
transport = StdioTransport(told["command"][0], told["command"][1:], env=told["environment"])
create_proxy(transport, mode="legacy", name="proxy").run(transport="http", host="127.0.0.1", port=told["port"], show_banner=False)
