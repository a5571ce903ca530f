# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules for one account have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options and attributes of ``postgresql_account`` and ``mongodb_account``."""

    DOCUMENTATION = r"""
options:
  login_host:
    description: The server.
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
  client_certificate:
    description: PEM file of a client certificate, for a server that demands one, where the module runs. Needs O(client_key), and Linux.
    type: path
    version_added: "0.3.0"
  client_key:
    description: PEM file of its key, without a passphrase.
    type: path
    version_added: "0.3.0"
  database:
    description: The database that the account is for.
    type: str
    required: true
  access:
    description: What the logins may do there.
    type: str
    choices: [read_only, read_write]
    default: read_only
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
