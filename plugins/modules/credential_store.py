#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: credential_store
version_added: "0.2.0"
short_description: The encrypted document of a team's credentials, on its store host
description:
  - Reads, replaces and copies the document that holds the slots, the active slot, the generation and the journal of each credential of a team.
  - The document is encrypted with the team's key on the control node. This module never sees that key, nor what is in the document.
  - A write is compare-and-swap on the version, under a lease with a holder, an expiry and a fencing number.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  path:
    description: The store's file.
    type: path
    required: true
  operation:
    description:
      - V(read) gives what is there. V(acquire) takes the lease and gives what is there. V(write) replaces the document. V(release) gives the lease back.
      - V(copy) keeps another host's document unless a newer one is here.
    type: str
    choices: [read, acquire, write, release, copy]
    default: read
  holder:
    description: Who takes the lease; for O(operation=acquire).
    type: str
    default: ""
  instead_of:
    description: A holder that is known to be gone; for O(operation=acquire).
    type: str
    default: ""
  seconds:
    description: How long the lease lasts from now.
    type: float
    default: 300
  document:
    description: The ciphertext to keep; for O(operation=write) and O(operation=copy).
    type: str
    default: ""
  version:
    description: The version of O(document).
    type: int
    default: 0
  base:
    description: The version that O(document) replaces; for O(operation=write).
    type: int
    default: 0
  fence:
    description: The fencing number of the lease; for O(operation=write) and O(operation=release).
    type: int
    default: 0
attributes:
  check_mode:
    support: full
    description: Reads, and says whether a copy would be kept. Leases are not taken.
  diff_mode:
    support: none
    description: The document is encrypted.
  idempotent:
    support: full
    description: The same document kept twice is no change.
"""

EXAMPLES = r"""
- name: Keep a copy of the credentials' document
  mcp.tenancy.credential_store:
    path: /srv/mcp-tenancy/team_a/etc/credentials.json
    operation: copy
    document: "{{ walk.document }}"
    version: "{{ walk.version }}"
"""

RETURN = r"""
version:
  description: The document's version, 0 where there is none.
  returned: success
  type: int
document:
  description: The ciphertext.
  returned: success
  type: str
fence:
  description: The fencing number of the newest lease.
  returned: success
  type: int
lease:
  description: Who has the lease (C(holder)) and until when (C(expires), seconds since the epoch); none if nobody has.
  returned: success
  type: dict
holder:
  description: Who has the lease that this run wanted.
  returned: when the lease is somebody else's
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mcp.tenancy.plugins.module_utils import _store_file


def operate(store: _store_file.FileStore, wanted: dict, check: bool) -> bool:
    """Whether something was (or would be) changed. Raises StoreError."""
    operation = wanted["operation"]
    if operation == "copy":
        return store.copy(wanted["document"], wanted["version"], check=check)
    if check or operation == "read":
        return False
    if operation == "acquire":
        store.acquire(wanted["holder"], wanted["seconds"], wanted["instead_of"])
    elif operation == "write":
        store.write(wanted["document"], wanted["version"], wanted["base"], wanted["fence"], wanted["seconds"])
    else:
        store.release(wanted["fence"])
    return operation == "write"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "operation": {"type": "str", "choices": ["read", "acquire", "write", "release", "copy"], "default": "read"},
            "holder": {"type": "str", "default": ""},
            "instead_of": {"type": "str", "default": ""},
            "seconds": {"type": "float", "default": 300},
            "document": {"type": "str", "default": ""},
            "version": {"type": "int", "default": 0},
            "base": {"type": "int", "default": 0},
            "fence": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    store = _store_file.FileStore(module.params["path"])
    try:
        changed = operate(store, module.params, module.check_mode)
        module.exit_json(changed=changed, **store.read())
    except _store_file.StoreError as error:
        module.fail_json(msg=f"{error}.", holder=error.holder)


if __name__ == "__main__":
    main()
