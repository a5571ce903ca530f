# SPDX-License-Identifier: GPL-3.0-or-later
"""All wrappers that the suite can start."""

from __future__ import annotations

from tests.wrappers import bridge, fastmcp_proxy, mcp_proxy, supergateway, translate

WRAPPERS = {one.name: one for one in (bridge.DIRECT, bridge.TRANSLATE, translate.WRAPPER, mcp_proxy.WRAPPER, supergateway.WRAPPER, fastmcp_proxy.WRAPPER)}
