#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: credential_accounts
version_added: "0.2.0"
short_description: Accounts of many credentials in their databases, at once
description:
  - Of each credential an owner role has the grants, and the logins that may be used work with exactly the password that is given. Others cannot log in.
  - What is there is compared first, so a run that finds everything in order changes nothing.
  - With O(document) it runs as an action plugin, which takes everything from the team's declaration, C(.env) and credentials' document.
  - One credential that does not go well stops none of the others; RV(services) says what became of each.
author: the mcp.tenancy authors (@mcp-tenancy)
requirements:
  - psycopg >= 3, for PostgreSQL
  - pymongo, for MongoDB
options:
  credentials:
    description: Whose accounts. The action plugin makes them from O(document).
    type: list
    elements: dict
    suboptions:
      account:
        description: Where the database is, the names of the owner role and the logins, access and limits.
        type: dict
        required: true
      admin:
        description: The login that changes accounts. None for a login that is not ours to change, which is only tried.
        type: dict
        suboptions:
          user:
            description: Its name.
            type: str
            required: true
          password:
            description: Its password.
            type: str
            required: true
      ca:
        description: The CA that signed the server's certificate, as PEM text. Empty where a weaker connection needs none.
        type: str
        required: true
      client:
        description: The client certificate and its key, as one PEM text, for servers that demand one.
        type: str
        default: ""
      wanted:
        description: Slot to C(password) and C(valid_until), or to none for a login that may not be used.
        type: dict
        default: {}
      prove:
        description: Slots whose login is tried.
        type: list
        elements: str
        default: []
  document:
    description: The document of the team's credentials, as M(mcp.tenancy.credential_walk) returns it.
    type: dict
  names:
    description: Credentials of O(document) to look at.
    type: list
    elements: str
  copied:
    description: Of each host the registered result of its copy of the document. No database is told of a login that is not on all of them.
    type: dict
attributes:
  check_mode:
    support: full
    description: Says what would be changed; logins are not tried.
  diff_mode:
    support: none
    description: RV(services) says in words what was changed.
  idempotent:
    support: full
    description: Accounts that are in order are not touched.
"""

EXAMPLES = r"""
- name: Set and try the logins
  mcp.tenancy.credential_accounts:
    document: "{{ walk }}"
    names: [postgres-dev]
  delegate_to: localhost
"""

RETURN = r"""
services:
  description: Of each service C(changed) (words), C(proven) (slots that logged in), C(warnings) (words) and C(error).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mcp.tenancy.plugins.module_utils import _account_batch

#: Only what is secret is not logged: everything that is not logged is also blotted out wherever it occurs in an answer.
CREDENTIAL = {
    "account": {"type": "dict", "required": True},
    "admin": {"type": "dict", "options": {"user": {"type": "str", "required": True}, "password": {"type": "str", "required": True, "no_log": True}}},
    "ca": {"type": "str", "required": True},
    "client": {"type": "str", "default": "", "no_log": True},
    "wanted": {"type": "dict", "default": {}, "no_log": True},
    "prove": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "credentials": {"type": "list", "elements": "dict", "options": CREDENTIAL, "no_log": False},
            "document": {"type": "dict"},
            "names": {"type": "list", "elements": "str"},
            "copied": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    credentials = module.params["credentials"]
    if credentials is None:
        module.fail_json(msg="mcp.tenancy.credential_accounts with a document runs through its action plugin only.")
    if missing := _account_batch.missing_library(credentials):
        module.fail_json(msg=missing_required_lib(missing[0]), exception=missing[1])
    found = _account_batch.work(credentials, check=module.check_mode)
    for service, told in found.items():
        for warning in told["warnings"]:
            module.warn(f"{service}: {warning}")
    module.exit_json(changed=any(told["changed"] for told in found.values()), services=found)


if __name__ == "__main__":
    main()
