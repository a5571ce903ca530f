#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_record
version_added: "0.2.0"
short_description: Find out in one call whether a host is as the last whole deploy left it
description:
  - V(write) keeps, at the end of a deploy, a snapshot of everything that the deploy takes care of on the host, and a digest of what it was made from.
  - V(compare) takes the snapshot again. The host is in order when nothing differs, neither there nor in what the deploy would be made from now.
  - What goes into the digest is the declaration, the operator's C(.env), the CA files, O(variables) and the collection's own files. It is keyed with the
    host's key, so that it tells nothing about the secrets in it.
  - Registrations are compared as they are in the gateway's own database. Where they differ the host is not in order, and M(mcp.tenancy.gateway_registry)
    asks, compares and repairs through the gateway.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  operation:
    description: What to do.
    type: str
    choices: [compare, write]
    required: true
  path:
    description: The record on the host. Only its owner may read it.
    type: path
    required: true
  variables:
    description: What else the deploy is made from.
    type: dict
    default: {}
  scope:
    description: What the snapshot is of. Required when O(operation=write); V(compare) uses that of the record.
    type: dict
    suboptions:
      paths:
        description: Files and folders.
        type: list
        elements: path
        required: true
      programs:
        description: Names or paths of programs. Another program behind the name is a difference.
        type: list
        elements: str
        required: true
      packages:
        description: Debian packages.
        type: list
        elements: str
        required: true
      sysusers:
        description: A file of C(systemd-sysusers). A user of it that is missing is a difference.
        type: path
        required: true
      prefix:
        description: What the names of the team's units begin with.
        type: str
        required: true
      revisions_directory:
        description: Where units leave the label of what they started.
        type: path
        required: true
      bridges:
        description: Names and ports of the bridges, which are asked for the login that they use.
        type: dict
        required: true
      gateway:
        description: The gateway.
        type: dict
        required: true
        suboptions:
          port:
            description: Where it listens on loopback. It is asked whether it is ready.
            type: int
            required: true
          database:
            description: The file of its SQLite database. One that cannot be read is a difference.
            type: path
            required: true
  until:
    description: A moment, in seconds since 1970, after which the host is not in order whatever is there. With V(0) there is none.
    type: int
    default: 0
  inputs:
    description: The digest. Made by the action plugin.
    type: str
attributes:
  check_mode:
    support: full
    description: V(write) writes nothing.
  diff_mode:
    support: none
    description: RV(differs) names what differs.
  idempotent:
    support: full
    description: Never says that it changed something. The record is a note of what was seen.
requirements:
  - systemd, and root.
"""

EXAMPLES = r"""
- name: See whether there is anything to do
  mcp.tenancy.host_record:
    operation: compare
    path: /srv/mcp-tenancy/team_a/etc/deployed.json
  register: deployed
"""

RETURN = r"""
in_order:
  description: Whether nothing differs.
  returned: success
  type: bool
differs:
  description: Names of what differs; empty when there is no record.
  returned: success
  type: list
  elements: str
why:
  description: Why the host is not in order, for people.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mcp.tenancy.plugins.module_utils import _record

SCOPE = {
    "paths": {"type": "list", "elements": "path", "required": True},
    "programs": {"type": "list", "elements": "str", "required": True},
    "packages": {"type": "list", "elements": "str", "required": True},
    "sysusers": {"type": "path", "required": True},
    "prefix": {"type": "str", "required": True},
    "revisions_directory": {"type": "path", "required": True},
    "bridges": {"type": "dict", "required": True},
    "gateway": {"type": "dict", "required": True, "options": {"port": {"type": "int", "required": True}, "database": {"type": "path", "required": True}}},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "operation": {"type": "str", "choices": ["compare", "write"], "required": True},
            "path": {"type": "path", "required": True},
            "variables": {"type": "dict", "default": {}},
            "scope": {"type": "dict", "options": SCOPE},
            "until": {"type": "int", "default": 0},
            "inputs": {"type": "str"},
        },
        required_if=[("operation", "write", ["scope"])],
        supports_check_mode=True,
    )
    params = module.params
    if not params["inputs"]:
        module.fail_json(msg="mcp.tenancy.host_record runs through its action plugin only.")
    if params["operation"] == "compare":
        answer = _record.compare(params["path"], params["inputs"])
    elif module.check_mode:
        answer = {"in_order": False, "differs": [], "why": "not recorded in check mode"}
    else:
        answer = _record.write(params["path"], params["inputs"], params["scope"], params["until"])
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
