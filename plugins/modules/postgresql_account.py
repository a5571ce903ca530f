#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_account
version_added: "0.2.0"
short_description: An owner role and two logins in PostgreSQL that can take turns
description:
  - The owner role has no login and holds all grants. The logins C(OWNER_a) and C(OWNER_b) are its members, so both can always do the same.
  - A login's password, limits, settings, validity and memberships are compared with what they should be and put right.
  - A login that may not be used any more loses its password, and its open sessions are ended.
  - The password reaches the server as a SCRAM verifier that is computed here, so no log of the server has it.
  - The admin needs C(CREATEROLE), the right to grant on the schemas and their objects (their owner, or a member of it), and for PUBLIC's temporary tables
    to be the database's owner. PUBLIC's large objects can be closed by a superuser only; a warning tells what stays open.
author: the mcp.tenancy authors (@mcp-tenancy)
requirements:
  - psycopg >= 3
extends_documentation_fragment:
  - mcp.tenancy.account
options:
  login_port:
    description: Its port.
    type: int
    default: 5432
  login_user:
    description: A login with C(CREATEROLE) that may grant on the schemas.
    type: str
    required: true
  owner:
    description: Name of the owner role; the logins have C(_a) and C(_b) behind it.
    type: str
    required: true
  sslmode:
    description: How the server's certificate is checked.
    type: str
    default: verify-full
  schemas:
    description: Schemas whose tables, views and sequences the logins may use, those of later included.
    type: list
    elements: str
    default: [public]
  connection_limit:
    description: Sessions that each login may have at once.
    type: int
    default: 20
  statement_timeout:
    description: Milliseconds that a statement may take.
    type: int
    default: 60000
"""

EXAMPLES = r"""
- name: A login for the analysts' service
  mcp.tenancy.postgresql_account:
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
    own = {
        "login_port": {"type": "int", "default": 5432},
        "sslmode": {"type": "str", "default": "verify-full"},
        "schemas": {"type": "list", "elements": "str", "default": ["public"]},
        "connection_limit": {"type": "int", "default": 20},
        "statement_timeout": {"type": "int", "default": 60000},
    }
    module = AnsibleModule(argument_spec={**_account_module.SPEC, **own}, supports_check_mode=True, required_together=[("client_certificate", "client_key")])
    given = module.params
    more = {name: given[name] for name in ("schemas", "connection_limit", "statement_timeout")}
    _account_module.work(module, _account_module.credential(given, "postgres", {"sslmode": given["sslmode"]}, **more))


if __name__ == "__main__":
    main()
