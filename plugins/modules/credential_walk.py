#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: credential_walk
version_added: "0.2.0"
short_description: One step of credentials' walks from one login to the next
description:
  - Reads the credentials' document of a team, decides what follows from what was found, and writes that down before anything else hears of it.
  - The document is decrypted and encrypted on the control node. The store host, which the task is delegated to, keeps the ciphertext.
  - A run that was cut off is continued by the next one, from any control node with the team's key.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  path:
    description: The store's file on the store host.
    type: path
    required: true
  phase:
    description:
      - V(adopt), of a deploy, sees that each service has an entry, takes logins that were given and begins what has none yet.
      - V(begin), of a rotation, takes the lease and stages a new password for each credential that is due.
      - V(leave) begins the end of credentials whose environment is declared with C(state=absent), once no host runs its services.
      - V(restore) takes the document out of O(backups) where no host holds one that is as new.
      - V(accounts), V(hosts) and V(settled) take in what databases and hosts said. V(close) ends the batch and gives the lease back.
    type: str
    choices: [adopt, begin, leave, restore, accounts, hosts, settled, close]
    required: true
  copies:
    description: What hosts hold of the document, registered results of M(mcp.tenancy.credential_store); the newest counts.
    type: list
    elements: dict
  state:
    description: The registered result of the phase before.
    type: dict
  accounts:
    description: The registered result of M(mcp.tenancy.credential_accounts).
    type: dict
  first:
    description: For O(phase=close), the registered result of the first M(mcp.tenancy.credential_accounts) of the batch; what it put right is told.
    type: dict
  hosts:
    description: Of each host C(placed), C(generations) and C(logins), registered results.
    type: dict
  rotate:
    description: V(all), or names of credentials, to be rotated whatever their age. Empty means what is due.
    type: raw
  left_out:
    description: Hosts of the team that are not in this run; a rotation is refused then.
    type: list
    elements: str
  backups:
    description: For O(phase=restore), C(version) and C(document) out of backups, RV(mcp.tenancy.host_backup#module:store) each.
    type: list
    elements: dict
  everything:
    description: For O(phase=leave), end the credentials of all environments that are declared.
    type: bool
    default: false
  person:
    description:
      - For O(phase=begin), what is wanted for one person's stored login, instead of what is due.
      - C(do) is V(add), V(rotate) or V(remove), C(service) the service beside the one that takes it, C(user) the person's address.
        C(login_file), a file on the control node with a connection string, is for a login that somebody else made.
    type: dict
  done:
    description: Credentials that an earlier batch of this run had.
    type: list
    elements: str
attributes:
  check_mode:
    support: full
    description: Says what is due; takes no lease.
  diff_mode:
    support: none
    description: The document is encrypted.
  idempotent:
    support: full
    description: Where nothing is due and nothing is on its way, nothing is written.
"""

EXAMPLES = r"""
- name: Begin what is due
  mcp.tenancy.credential_walk:
    path: /srv/mcp-tenancy/team_a/etc/credentials.json
    phase: begin
  register: walk
"""

RETURN = r"""
document:
  description: The ciphertext of the document as it is now.
  returned: success
  type: str
version:
  description: Its version.
  returned: success
  type: int
fence:
  description: The fencing number of the lease.
  returned: success
  type: int
names:
  description: Credentials of this batch.
  returned: success
  type: list
  elements: str
left:
  description: Credentials that are due and wait for the next batch.
  returned: for O(phase=begin)
  type: list
  elements: str
looked_at:
  description: Credentials whose logins are compared with the document in this batch. All that are ours, unless the run is for certain ones.
  returned: for O(phase=begin)
  type: list
  elements: str
bridges:
  description: Services whose bridges are to use other logins.
  returned: for O(phase=begin)
  type: list
  elements: str
people:
  description: Whom the gateway is asked as, in the form of the option O(mcp.tenancy.gateway_logins#module:services).
  returned: for O(phase=begin)
  type: list
  elements: dict
errors:
  description: Of each credential that is not well, why.
  returned: for O(phase=accounts), O(phase=hosts), O(phase=settled)
  type: dict
wrong:
  description: A sentence for each credential that is not well, with its cause, where it stands and the next step.
  returned: for O(phase=close)
  type: list
  elements: str
outcomes:
  description: What became of each credential of the batch.
  returned: for O(phase=close)
  type: list
  elements: dict
"""

# The work is done by the action plugin of the same name.
