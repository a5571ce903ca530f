# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that put a stdio MCP server behind HTTP, ours and others', each started the same way."""

from tests.wrappers.running import CANARY, NotReadyError, running
from tests.wrappers.table import WRAPPERS

__all__ = ["CANARY", "WRAPPERS", "NotReadyError", "running"]
