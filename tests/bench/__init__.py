# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench`: what a wrapper in front of a stdio MCP server costs, measured against the bare server and against other wrappers, in one run."""
