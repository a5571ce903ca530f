# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge: one stdio MCP server behind a Streamable HTTP address, for many callers at once, each with their own answers only."""
