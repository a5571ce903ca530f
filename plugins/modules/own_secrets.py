#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: own_secrets
version_added: "0.4.0"
short_description: The steps of a change of a team's own secrets
description:
  - Writes into the team's C(.env) which of its own secrets are being changed and how far that is. C(own_secrets.yml) has the order; C(deploy.yml) carries
    out what the file says after each step.
  - Runs on the control node only. No value is in any output.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  step:
    description:
      - V(begin) draws the next secret of each kind in O(kinds) that is not under way already (C(NAME_NEXT)).
      - V(switch) puts it in its place; that of before is kept (C(NAME_BEFORE)) for whoever still uses it.
      - V(end) lets go of those of before.
    type: str
    choices: [begin, switch, end]
    required: true
  kinds:
    description: Some of V(bearers), V(admin), V(jwt) and V(encryption), as a list or with commas between. Empty finishes what is under way.
    type: raw
  left_out:
    description: Hosts of the team that are not in this run, or that failed in it. There may be none.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Says what the step would change.
  diff_mode:
    support: full
    description: Shows names, never values.
  idempotent:
    support: full
    description: A step that was done is no change.
"""

EXAMPLES = r"""
- name: Draw the next bearers
  mcp.tenancy.own_secrets:
    step: begin
    kinds: [bearers]
"""

RETURN = r"""
under_way:
  description: The kinds that are not at the end.
  returned: success
  type: list
  elements: str
resumed:
  description: Whether a run before had begun.
  returned: success
  type: bool
following:
  description: The kinds whose next secret is not in its place yet.
  returned: success
  type: list
  elements: str
"""

# The work is done by the action plugin of the same name.
