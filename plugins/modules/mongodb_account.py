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
options:
  login_host:
    description: The server.
    type: str
    required: true
  login_port:
    description: Its port.
    type: int
    default: 27017
  login_user:
    description: A user with C(userAdmin) at O(auth_source).
    type: str
    required: true
  login_password:
    description: The password of O(login_user).
    type: str
    required: true
  ca:
    description: PEM file of the CA that signed the server's certificate, where the module runs.
    type: path
    required: true
  database:
    description: The database that the account is for.
    type: str
    required: true
  owner:
    description: What the names of both users begin with, C(_a) and C(_b) follow.
    type: str
    required: true
  access:
    description: What the logins may do there.
    type: str
    choices: [read_only, read_write]
    default: read_only
  auth_source:
    description: The database that the users are in.
    type: str
    default: admin
  slots:
    description:
      - Slot C(a) and slot C(b), each to a dictionary of C(password) and C(valid_until) (UTC, C(2026-12-31T00:00:00Z), or none), or to none for a login
        that may not be used. A slot that is not named is left alone.
    type: dict
    required: true
  prove:
    description: Slots whose login is tried afterwards. It must be able to read, and not to write where O(access=read_only).
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Says what would be changed; logins are not tried.
  diff_mode:
    support: none
    description: RV(changes) says in words what was changed.
  idempotent:
    support: full
    description: Accounts that are in order are not touched.
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

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mcp.tenancy.plugins.module_utils import _account_batch


def credential(given: dict) -> dict:
    """The options in the form of the batch."""
    account = {
        "service": given["owner"],
        "engine": "mongodb",
        "host": given["login_host"],
        "port": given["login_port"],
        "database": given["database"],
        "parameters": {"authSource": given["auth_source"], "tls": "true"},
        "owner": given["owner"],
        "logins": {slot: f"{given['owner']}_{slot}" for slot in ("a", "b")},
        "access": given["access"],
    }
    admin = {"user": given["login_user"], "password": given["login_password"]}
    wanted = {slot: login and {"valid_until": None, **login} for slot, login in given["slots"].items()}
    return {"account": account, "admin": admin, "ca": Path(given["ca"]).read_text(), "wanted": wanted, "prove": given["prove"]}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "login_host": {"type": "str", "required": True},
            "login_port": {"type": "int", "default": 27017},
            "login_user": {"type": "str", "required": True},
            "login_password": {"type": "str", "required": True, "no_log": True},
            "ca": {"type": "path", "required": True},
            "database": {"type": "str", "required": True},
            "owner": {"type": "str", "required": True},
            "access": {"type": "str", "choices": ["read_only", "read_write"], "default": "read_only"},
            "auth_source": {"type": "str", "default": "admin"},
            "slots": {"type": "dict", "required": True, "no_log": True},
            "prove": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    unknown = sorted(set(module.params["slots"]) - {"a", "b"})
    if unknown:
        module.fail_json(msg=f"slots has {', '.join(unknown)}. Next: use a and b.")
    wanted = credential(module.params)
    if missing := _account_batch.missing_library([wanted]):
        module.fail_json(msg=missing_required_lib(missing[0]), exception=missing[1])
    (found,) = _account_batch.work([wanted], check=module.check_mode).values()
    for warning in found["warnings"]:
        module.warn(warning)
    if found["error"]:
        module.fail_json(msg=found["error"], changes=found["changed"])
    module.exit_json(changed=bool(found["changed"]), changes=found["changed"])


if __name__ == "__main__":
    main()
