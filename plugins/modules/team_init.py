#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: team_init
version_added: "0.1.0"
short_description: Make a new team's inventory, vault key and encrypted C(.env)
description:
  - The declaration is read off the connection strings. All mistakes in the answers are told at once.
  - Everything is written or nothing; what is there is never overwritten.
  - Runs on the control node only.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  inventories:
    description: The folder in which the team's inventory is made.
    type: path
    required: true
  team:
    description: Name of the team.
    type: str
    required: true
  hosts:
    description: Host names or addresses of the team's gateway hosts.
    type: list
    elements: str
    required: true
  ca:
    description: PEM file of the CA that signed the databases' certificates; it is copied.
    type: path
    required: true
  environments:
    description: Each with C(name), C(postgres) and C(mongodb) (connection strings, either may be missing), and C(members) (e-mail addresses).
    type: list
    elements: dict
    required: true
  runtime:
    description: How the services are kept running.
    type: str
    default: systemd
  key_file:
    description: Where the vault key is made; C(~/.config/mcp-tenancy/TEAM.key) when not set.
    type: path
attributes:
  check_mode:
    support: full
    description: Checks the answers and writes nothing.
  diff_mode:
    support: none
    description: Everything is new.
  idempotent:
    support: none
    description: A team is made once.
"""

EXAMPLES = r"""
- name: Make a team
  mcp.tenancy.team_init:
    inventories: inventories
    team: team_c
    hosts: [gw1.team-c.internal]
    ca: team-c-ca.pem
    environments:
      - name: dev
        postgres: "{{ connection_string }}"
        members: [dora@team-c.example]
  no_log: true
"""

RETURN = r"""
inventory:
  description: The folder that was (or would be) made.
  returned: success
  type: str
key_file:
  description: The team's vault key.
  returned: success
  type: str
"""

# The work is done by the action plugin of the same name.
