#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: team_import
version_added: "0.4.0"
short_description: Make a team's inventory out of a clear C(.env), a compose file and C(gateways.txt)
description:
  - Reads a folder, shows a table of what it understood and what not, and writes a new team's inventory, vault key and encrypted C(.env) with O(consent).
  - What can be read in two ways is not taken, and told with file, line and what to do. No value is ever shown.
  - The files of the folder are only read. What is there already of a team is never overwritten.
  - Runs on the control node only.
author: the mcp.tenancy authors (@mcp-tenancy)
requirements:
  - python-dotenv
  - httpx and PyJWT, for O(gateway)
options:
  from:
    description:
      - The folder. Read are C(.env), C(.env.ENVIRONMENT), C(ENVIRONMENT.env), C(ENVIRONMENT/.env), compose files, and C(gateways.txt)
        (in the folder, in C(scripts) or in C(config)).
    type: path
    required: true
  team:
    description: Name of the new team.
    type: str
    required: true
  inventories:
    description: The folder in which the team's inventory is made.
    type: path
    required: true
  consent:
    description: Write what the table says. Without it nothing is written.
    type: bool
    default: false
  seen:
    description: RV(seen) of the call that showed the table. Where something of it was changed since, nothing is written, and the table is not shown again.
    type: str
  hosts:
    description: Host names or addresses of the team's gateway hosts; V(localhost) is this machine.
    type: list
    elements: str
    default: []
  ca:
    description: PEM file of the CA that signed the databases' certificates; it is copied. When not set, the one file of certificates in the folder.
    type: path
  members:
    description: E-mail addresses of the members of each environment. When not set, C(PLATFORM_ADMIN_EMAIL) of the C(.env).
    type: list
    elements: str
    default: []
  environment:
    description: The environment of what names none, such as C(POSTGRES_CONNECTION_STRING).
    type: str
    default: main
  upstreams:
    description: The environment that gets the servers of C(gateways.txt) that are no databases. They are left behind when not set.
    type: str
  gateway:
    description:
      - Address of an existing gateway whose registrations are to be taken as well. It is only asked, with a token made from C(JWT_SECRET_KEY) and
        C(PLATFORM_ADMIN_EMAIL) of the folder's C(.env). Over HTTP only at this machine.
    type: str
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
    description: Reads, shows and checks, and writes nothing.
  diff_mode:
    support: none
    description: Everything is new.
  idempotent:
    support: none
    description: A team is made once.
"""

EXAMPLES = r"""
- name: What would become of it
  mcp.tenancy.team_import:
    from: ~/mcp-gateway
    team: team_a
    inventories: inventories
    hosts: [gw1.team-a.internal]
    ca: team-a-ca.pem
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
missing:
  description: Options that have to be given before anything can be written.
  returned: success
  type: list
  elements: str
rows:
  description: The table. C(verdict) is V(taken), V(unclear) or V(left).
  returned: success
  type: list
  elements: dict
  contains:
    where:
      description: File and line.
      type: str
    what:
      description: The variable, service or gateway that stands there.
      type: str
    verdict:
      description: What became of it.
      type: str
    how:
      description: As what it is taken, why it is left, or what to do.
      type: str
seen:
  description: Names, sizes and times of the files that were read, and what the gateway has registered.
  returned: success
  type: str
"""

# The work is done by the action plugin of the same name.
