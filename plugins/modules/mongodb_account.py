#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: mongodb_account
version_added: "0.2.0"
short_description: Two users in MongoDB that can take turns
description:
  - The users C(OWNER_a) and C(OWNER_b) have the same built-in role at one database, C(read) or C(readWrite), so both can always do the same.
  - A user's password and roles are compared with what they should be and put right. Whether a password is right is found out by logging in.
  - A user that may not be used any more is dropped; its open connections lose every right at once.
  - MongoDB takes no verifier for SCRAM-SHA-256, so the password goes to it, over verified TLS only.
  - The admin needs the role C(userAdmin) at the database that the users are in (O(auth_source)).
author: the mcp.tenancy authors (@mcp-tenancy)
requirements:
  - pymongo
extends_documentation_fragment:
  - mcp.tenancy.account
options:
  login_port:
    description: Its port.
    type: int
    default: 27017
  login_user:
    description: A user with C(userAdmin) at O(auth_source).
    type: str
    required: true
  owner:
    description: What the names of both users begin with, C(_a) and C(_b) follow.
    type: str
    required: true
  auth_source:
    description: The database that the users are in.
    type: str
    default: admin
"""

EXAMPLES = r"""
- name: A login for the analysts' service
  mcp.tenancy.mongodb_account:
    login_host: db.internal
    login_user: credential_admin
    login_password: "{{ admin_password }}"
    ca: files/ca.pem
    database: shop
    owner: mcp_shop
    slots:
      a:
        password: "{{ password }}"
        valid_until: "2026-12-31T00:00:00Z"
      b:
    prove: [a]
"""

RETURN = r"""
changes:
  description: What was (or would be) changed, in words.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mcp.tenancy.plugins.module_utils import _account_module


def main() -> None:
    own = {"login_port": {"type": "int", "default": 27017}, "auth_source": {"type": "str", "default": "admin"}}
    module = AnsibleModule(argument_spec={**_account_module.SPEC, **own}, supports_check_mode=True, required_together=[("client_certificate", "client_key")])
    parameters = {"authSource": module.params["auth_source"], "tls": "true"}
    _account_module.work(module, _account_module.credential(module.params, "mongodb", parameters))


if __name__ == "__main__":
    main()
