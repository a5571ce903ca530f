#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: team_rekey
version_added: "0.4.0"
short_description: Another vault key for a team
description:
  - Makes a new vault key for a team, or takes one, and changes to it what is the team's on the control node and in the store of its credentials.
    M(mcp.tenancy.host_env) with O(mcp.tenancy.host_env#module:rekey=true) does so on each host; the role C(rekey) has the order.
  - The next key lies beside the key's file, with C(.next) after its name, from the first step to the last. Meanwhile everything of this collection reads
    with either key and writes with the next one.
  - Runs as an action plugin on the control node. No key is in any argument, environment or output.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  step:
    description:
      - V(begin) takes the lease of the store, makes the next key unless a run before left one, and encrypts the document with it.
      - V(finish) encrypts what is below the team's inventory, and its C(.env), with the next key, and puts that one in the place of the key before. It does so
        only when O(copies) and O(hosts) say that no host needs the key before.
    type: str
    choices: [begin, finish]
    required: true
  path:
    description: The store's file on its host.
    type: path
    required: true
  new_key_file:
    description: A file with the key to take, 0600. Default is to make one of 256 random bits. A relative path starts at the inventory.
    type: path
  backups:
    description: The folder with the backups of the team's hosts, which are encrypted anew as well. A relative path starts at the inventory.
    type: path
    required: true
  left_out:
    description: Hosts of the team that are not in this run. There may be none.
    type: list
    elements: str
    default: []
  state:
    description: The registered result of O(step=begin).
    type: dict
  copies:
    description: For O(step=begin) what hosts hold of the document, as a list. For O(step=finish) by host, as read after all was written.
    type: raw
  hosts:
    description: Host to the registered result of M(mcp.tenancy.host_env), asked once more.
    type: dict
attributes:
  check_mode:
    support: full
    description: Says which files would be changed, and what is in the way.
  diff_mode:
    support: none
    description: Everything is encrypted.
  idempotent:
    support: none
    description: Each whole run is another key. One that was cut off is finished by the next, with the same key.
"""

EXAMPLES = r"""
- name: Make the next key, and have the credentials' document under it
  mcp.tenancy.team_rekey:
    step: begin
    path: /srv/mcp-tenancy/team_a/etc/credentials.json
    backups: backups
  delegate_to: gw1
  register: rekey_begun
"""

RETURN = r"""
files:
  description: Files of the control node that were encrypted anew, in check mode those that would be; relative to the inventory.
  returned: of O(step=finish), and of O(step=begin) in check mode
  type: list
  elements: str
key_file:
  description: Where the team's key is.
  returned: of O(step=finish)
  type: str
under_way:
  description: Whether a run before had begun, which this one finishes.
  returned: of O(step=begin)
  type: bool
document:
  description: The document's ciphertext.
  returned: of O(step=begin)
  type: str
version:
  description: Its version.
  returned: of O(step=begin)
  type: int
fence:
  description: The fencing number of the lease.
  returned: of O(step=begin)
  type: int
"""

# The work is done by the action plugin of the same name.
