# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One value out of the operator's .env, for a module's argument that is not logged."""

from __future__ import annotations

DOCUMENTATION = r"""
name: team_secret
version_added: "0.1.0"
short_description: One value out of a team's encrypted C(.env)
description:
  - Decrypts the team's C(.env) on the control node and returns one value. Use it for options that are C(no_log), nowhere else.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  _terms:
    description: Names of variables in the C(.env).
    required: true
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Register
  mcp.tenancy.gateway_registry:
    url: http://127.0.0.1:4444
    admin_email: mcp-admin@example.com
    jwt_secret_key: "{{ lookup('mcp.tenancy.team_secret', 'JWT_SECRET_KEY') }}"
"""

RETURN = r"""
_list:
  description: The values, in the order asked for.
  type: list
  elements: str
"""

import os

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.mcp.tenancy.plugins.plugin_utils._team_env import TeamEnv, TeamEnvError


class LookupModule(LookupBase):
    """``lookup('mcp.tenancy.team_secret', NAME)``."""

    def run(self, terms: list[str], variables: dict | None = None, **kwargs: object) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        team, path, key_file = (self._templar.template(variables[name]) for name in ("mcp_team", "mcp_env_file", "mcp_vault_key_file"))
        base = variables["inventory_dir"]
        env = TeamEnv(team, os.path.join(base, os.path.expanduser(path)), os.path.join(base, os.path.expanduser(key_file)), self._loader._vault.secrets)
        try:
            values = env.read()
        except TeamEnvError as error:
            raise AnsibleError(str(error)) from None
        missing = [name for name in terms if name not in values]
        if missing:
            raise AnsibleError(f"{path} has no {', '.join(missing)}. Next: run deploy.yml, which generates what is ours.")
        return [values[name] for name in terms]
