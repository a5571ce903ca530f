#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: team_status
version_added: "0.2.0"
short_description: How a team's services and credentials stand
description:
  - Compares the credentials' document with what the services say and shows a table for people, or JSON.
  - Runs on the control node only.
author: the mcp.tenancy authors (@mcp-tenancy)
extends_documentation_fragment: mcp.tenancy.attributes.only_reads
options:
  stores:
    description: What hosts hold of the document, registered results of M(mcp.tenancy.credential_store).
    type: list
    elements: dict
    required: true
  hosts:
    description: Host to the registered result of M(mcp.tenancy.service_states).
    type: dict
    required: true
  edges:
    description: Host to the registered result of M(mcp.tenancy.edge_probe); empty where a host has no edge.
    type: dict
    default: {}
  databases:
    description: Host to the registered result of M(mcp.tenancy.database_tls).
    type: dict
    default: {}
  format:
    description: How it is shown.
    type: str
    choices: [table, json]
    default: table
"""

EXAMPLES = r"""
- name: Show how the team stands
  mcp.tenancy.team_status:
    stores: ["{{ store }}"]
    hosts:
      gw1: "{{ states }}"
"""

RETURN = r"""
services:
  description: A row for each service on each host.
  returned: success
  type: list
  elements: dict
users:
  description: A row for each login of people that is in use.
  returned: success
  type: list
  elements: dict
databases:
  description: A row for each connection to a database.
  returned: success
  type: list
  elements: dict
own_secrets:
  description: A row for the vault key and for each of our own secrets that can be changed, with its age and whether a change is under way.
  returned: success
  type: list
  elements: dict
well:
  description: Whether nothing needs somebody.
  returned: success
  type: bool
"""

# The work is done by the action plugin of the same name.
