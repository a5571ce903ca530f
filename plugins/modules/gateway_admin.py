#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_admin
version_added: "0.4.0"
short_description: The password of an MCP gateway's administrator
description:
  - Sees that the platform admin of an IBM ContextForge gateway logs in with a password, and sets it where not. The gateway reads C(PLATFORM_ADMIN_PASSWORD)
    at its very first start only.
  - The change is made with a token that is signed here, so the password before is not needed, and an account that is locked is no obstacle.
  - A password that is not set yet costs one failed attempt, which the login after it takes back.
  - Runs on the gateway's host with the Python of the gateway's own virtual environment, which has what it needs.
author: the mcp.tenancy authors (@mcp-tenancy)
requirements:
  - httpx
  - PyJWT
options:
  url:
    description: The gateway's own address, best on loopback. A proxy from the environment is not used.
    type: str
    required: true
  admin_email:
    description: The gateway's platform admin.
    type: str
    required: true
  jwt_secret_key:
    description: The key that the gateway signs tokens with.
    type: str
    required: true
  password:
    description: The password.
    type: str
    required: true
attributes:
  check_mode:
    support: partial
    details: Whether a password is the right one is found out by logging in, which a check does not do.
    description: Says that it would be set.
  diff_mode:
    support: none
    description: There is nothing to show that is not a secret.
  idempotent:
    support: full
    description: A password that works is not set again.
"""

EXAMPLES = r"""
- name: Set the administrator's password
  mcp.tenancy.gateway_admin:
    url: http://127.0.0.1:4444
    admin_email: mcp-admin@example.com
    jwt_secret_key: "{{ lookup('mcp.tenancy.team_secret', 'JWT_SECRET_KEY') }}"
    password: "{{ lookup('mcp.tenancy.team_secret', 'PLATFORM_ADMIN_PASSWORD') }}"
"""

RETURN = r""" # """

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mcp.tenancy.plugins.module_utils import _contextforge


def has_password(client: _contextforge.Client, email: str, password: str) -> bool:
    """Whether it had to be set. Raises GatewayError."""
    if client.logs_in(email, password):
        return False
    client.set_password(email, password)
    if not client.logs_in(email, password):
        raise _contextforge.GatewayError("POST", "/v1/auth/email/login", 401, "the password that was just set is refused")
    return True


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "admin_email": {"type": "str", "required": True},
            "jwt_secret_key": {"type": "str", "required": True, "no_log": True},
            "password": {"type": "str", "required": True, "no_log": True},
        },
        supports_check_mode=True,
    )
    if not _contextforge.HAS_LIBRARIES:
        module.fail_json(msg=missing_required_lib("httpx, PyJWT"), exception=_contextforge.IMPORT_ERROR)
    wanted = module.params
    if module.check_mode:
        module.exit_json(changed=True)
    with _contextforge.Client(wanted["url"], wanted["admin_email"], wanted["jwt_secret_key"]) as client:
        try:
            changed = has_password(client, wanted["admin_email"], wanted["password"])
        except _contextforge.GatewayError as error:
            module.fail_json(msg=f"{error}. Next: see the gateway's log, then run again.")
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
