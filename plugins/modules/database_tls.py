#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: database_tls
version_added: "0.3.0"
short_description: See whether each database shows the certificate that its connections demand
description:
  - Speaks TLS with each database as the services on this host do, and asks one question of its protocol. No login is tried.
  - A server with a certificate of another CA, for another name, or that is not valid now, without TLS, or that does not take the client certificate, is
    refused, with the cause and the next step. All databases are asked at the same time, and all causes are told at once.
  - A server that cannot be reached is a warning and no failure, since that is no matter of TLS and services wait for their database.
  - Runs as an action plugin, which takes databases and files from the team's declaration, warns of connections that are weaker than verify-full and of
    certificates that end soon, and shows a table.
author: the mcp.tenancy authors (@mcp-tenancy)
extends_documentation_fragment: mcp.tenancy.attributes.only_reads
options:
  databases:
    description: Whom to ask. The action plugin makes them from the declaration.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the service whose connection it is.
        type: str
        required: true
      engine:
        description: What the server speaks.
        type: str
        choices: [postgres, mongodb, redis]
        required: true
      host:
        description: The server, by the name that its certificate has to have.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        required: true
      database:
        description: The database.
        type: str
        default: ""
      mode:
        description: What the connection demands, in libpq's words.
        type: str
        choices: [disable, require, verify-ca, verify-full]
        default: verify-full
      ca:
        description: The CA as PEM text.
        type: str
        default: ""
      client:
        description: Client certificate and key as one PEM text. Needs Linux.
        type: str
        default: ""
  show:
    description: When to show the table; V(refused) means when there is something that is not as it should be.
    type: str
    choices: [always, refused, never]
    default: refused
  tolerate:
    description: Tell what is refused in RV(databases) and do not fail.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: See that the databases of this host's services show certificates that can be verified
  mcp.tenancy.database_tls:
"""

RETURN = r"""
databases:
  description:
    - By the name of the service C(place), C(mode), C(cause), C(told), host, port, cause and next step for people, C(until), the day on which the certificate
      ends, and C(days) until then.
    - C(cause) is empty where all is well, else one of C(other_ca), C(other_name), C(expired), C(not_yet_valid), C(no_tls), C(client_certificate),
      C(not_verified), C(ca_file), C(client_file), C(unreachable).
  returned: always
  type: dict
"""

import contextlib
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mcp.tenancy.plugins.module_utils import _database_tls, _memory_file

DATABASE = {
    "name": {"type": "str", "required": True},
    "engine": {"type": "str", "choices": ["postgres", "mongodb", "redis"], "required": True},
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "database": {"type": "str", "default": ""},
    "mode": {"type": "str", "choices": list(_database_tls.MODES), "default": _database_tls.MODES[-1]},
    "ca": {"type": "str", "default": ""},
    "client": {"type": "str", "default": "", "no_log": True},
}


def look(given: dict) -> dict:
    """What is told of one database."""
    with contextlib.ExitStack() as stack:
        ca, client = (stack.enter_context(_memory_file.held(given[name])) for name in ("ca", "client"))
        target = _database_tls.Target(given["engine"], given["host"], given["port"], ca, given["mode"], client, given["database"])
        verdict = _database_tls.look(target)
    told = _database_tls.sentence(target, verdict) if verdict.cause else ""
    return {"place": target.place, "mode": target.mode, "cause": verdict.cause, "told": told, "until": verdict.until, "days": verdict.days}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "databases": {"type": "list", "elements": "dict", "options": DATABASE},
            "show": {"type": "str", "choices": ["always", "refused", "never"], "default": "refused"},
            "tolerate": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    databases = module.params["databases"]
    if databases is None:
        module.fail_json(msg="mcp.tenancy.database_tls without databases runs through its action plugin only.")
    with ThreadPoolExecutor(max_workers=16) as threads:
        found = dict(zip([one["name"] for one in databases], threads.map(look, databases), strict=True))
    wrong = [f"{name}: {one['told']}" for name, one in found.items() if one["cause"] not in ("", _database_tls.UNREACHABLE)]
    if wrong and not module.params["tolerate"]:
        module.fail_json(msg="\n".join(wrong), databases=found)
    module.exit_json(changed=False, databases=found)


if __name__ == "__main__":
    main()
