# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module reaches a gateway."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module of the action group ``gateway``; ``_contextforge.CONNECTION`` is the same for the code."""

    DOCUMENTATION = r"""
requirements:
  - httpx
  - PyJWT
options:
  url:
    description: The gateway's own address, best on loopback. A proxy from the environment is not used.
    type: str
    required: true
  admin_email:
    description: The gateway's platform admin. The token for it is made here, lives for minutes and is not stored.
    type: str
    required: true
  jwt_secret_key:
    description: The gateway's C(JWT_SECRET_KEY). C(DERIVE_KEY_PER_ENVIRONMENT) must be off.
    type: str
    required: true
  environment:
    description: The gateway's C(ENVIRONMENT); it refuses a token of any other.
    type: str
    default: production
  timeout:
    description: Seconds to wait for one answer. To register an upstream the gateway connects to it first.
    type: int
    default: 60
attributes:
  action_group:
    support: full
    membership: [mcp.tenancy.gateway]
    description: Use C(group/mcp.tenancy.gateway) in C(module_defaults) to say once how a gateway is reached.
"""
