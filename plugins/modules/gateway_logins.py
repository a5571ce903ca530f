#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_logins
version_added: "0.2.0"
short_description: As which database login each service runs, seen through the gateway
description:
  - Asks each service through the virtual server that clients use, and reads the login off the database's own answer.
author: the mcp.tenancy authors (@mcp-tenancy)
extends_documentation_fragment:
  - mcp.tenancy.gateway
  - mcp.tenancy.attributes.only_reads
options:
  services:
    description: Whom to ask. Each has C(service), C(engine), C(server) (name of the virtual server), C(gateway) (name of the registration) and C(database).
      With C(person) and C(team) the gateway is asked as that member of that team.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: See as whom the services run
  mcp.tenancy.gateway_logins:
    url: http://127.0.0.1:4444
    admin_email: mcp-admin@example.com
    jwt_secret_key: "{{ lookup('mcp.tenancy.team_secret', 'JWT_SECRET_KEY') }}"
    services:
      - {service: postgres-dev, engine: postgres, server: team-a-dev, gateway: team-a-dev-postgres, database: team_a_dev}
"""

RETURN = r"""
logins:
  description: Of each service C(login), empty where the database cannot tell, and C(error), why it was not seen.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mcp.tenancy.plugins.module_utils import _contextforge, _gateway_logins


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_contextforge.CONNECTION,
            "services": {"type": "list", "elements": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    if not _contextforge.HAS_LIBRARIES:
        module.fail_json(msg=missing_required_lib("httpx, PyJWT"), exception=_contextforge.IMPORT_ERROR)
    wanted = module.params
    with _contextforge.client_of(wanted) as client:
        found = _gateway_logins.logins(client, wanted["services"], _contextforge.GatewayError)
    module.exit_json(changed=False, logins=found)


if __name__ == "__main__":
    main()
