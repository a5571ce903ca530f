#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: team_env
version_added: "0.1.0"
short_description: Generate the secrets of our own that a team's C(.env) lacks
description:
  - Draws the gateway's secrets once and adds them to the operator's encrypted C(.env) on the control node. What is there is never changed.
  - Runs on the control node only.
  - The declaration is read from the host's variables, so there are no options.
author: the mcp.tenancy authors (@mcp-tenancy)
extends_documentation_fragment: mcp.tenancy.attributes.shows_names
options: {}
"""

EXAMPLES = r"""
- name: "Generate the secrets of our own that a team's C(.env) lacks"
  mcp.tenancy.team_env:
"""

RETURN = r"""
generated:
  description: Names of the secrets that were (or would be) generated.
  returned: success
  type: list
  elements: str
"""

# The work is done by the action plugin of the same name.
