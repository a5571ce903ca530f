#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: team_declaration
version_added: "0.1.0"
short_description: Check a team's declaration and its encrypted C(.env)
description:
  - Finds every mistake in the C(mcp_*) variables of a host and in the operator's C(.env), each with its
    place and the next step, and fails with all of them at once.
  - Runs on the control node only, connects to nothing and touches nothing.
  - The declaration is read from the host's variables, so there are no options.
author: the mcp.tenancy authors (@mcp-tenancy)
extends_documentation_fragment: mcp.tenancy.attributes.shows_names
options: {}
"""

EXAMPLES = r"""
- name: "Check a team's declaration and its encrypted C(.env)"
  mcp.tenancy.team_declaration:
"""

RETURN = r"""
msg:
  description: Every mistake found, one line each, with the host, the place (variable, or file with line), what is wrong and the next step.
  returned: always
  type: str
declaration:
  description: The variables as the host has them, without the environments that are on other hosts.
  returned: success
  type: dict
"""

# The work is done by the action plugin of the same name.
