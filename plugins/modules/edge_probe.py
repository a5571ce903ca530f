#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edge_probe
version_added: "0.3.0"
short_description: Wait until a team's edge answers under its name, over TLS
description:
  - Asks the edge of this host for its health, through its port and under the name that clients use, without asking a name server.
  - Certificates of an own CA or from an ACME server are got after the edge has started, so that the first answers may take a moment.
author: the mcp.tenancy authors (@mcp-tenancy)
extends_documentation_fragment: mcp.tenancy.attributes.only_reads
options:
  name:
    description: The name that clients use.
    type: str
    required: true
  port:
    description: The edge's port.
    type: int
    required: true
  authority:
    description: The root certificate of the edge's own CA, by which what it shows is verified. Empty where it has none.
    type: path
    default: ""
  certificate:
    description: The certificate that was given to the edge, which it has to show. Empty where none was.
    type: path
    default: ""
  unit:
    description: The edge's unit, for the message.
    type: str
    required: true
  timeout:
    description: Seconds to wait.
    type: float
    default: 60
"""

EXAMPLES = r"""
- name: Wait for the edge
  mcp.tenancy.edge_probe:
    name: gw.team-a.internal
    port: 443
    unit: mcp-tenancy-team_a-edge.service
"""

RETURN = r"""
authority:
  description: The text of O(authority).
  returned: success
  type: str
protocol:
  description: The version of TLS that was spoken.
  returned: success
  type: str
"""

import http.client
import socket
import ssl
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule


def context_of(authority: str) -> ssl.SSLContext:
    """Verifies what hangs on ``authority``. Without one it looks at nothing: whether others trust the certificate is theirs to say."""
    if authority:
        return ssl.create_default_context(cafile=authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def asked(params: dict) -> str:
    """The version of TLS. Raises OSError, ValueError or HTTPException with why there is no good answer."""
    with (
        socket.create_connection(("127.0.0.1", params["port"]), timeout=5) as plain,
        context_of(params["authority"]).wrap_socket(plain, server_hostname=params["name"]) as channel,
    ):
        if params["certificate"]:
            wanted = ssl.PEM_cert_to_DER_cert(_first_certificate(Path(params["certificate"]).read_text()))
            if channel.getpeercert(binary_form=True) != wanted:
                raise ValueError("it shows another certificate than the one that was given")
        connection = http.client.HTTPConnection(params["name"], params["port"], timeout=10)
        connection.sock = channel
        connection.request("GET", "/health")
        status = connection.getresponse().status
        if status != 200:
            raise ValueError(f"/health is {status}: the gateway behind it does not answer")
        return channel.version() or ""


def _first_certificate(text: str) -> str:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return text[text.index(begin) : text.index(end) + len(end)]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "authority": {"type": "path", "default": ""},
            "certificate": {"type": "path", "default": ""},
            "unit": {"type": "str", "required": True},
            "timeout": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    params, deadline = module.params, time.monotonic() + module.params["timeout"]
    while True:
        try:
            protocol = asked(params)
            break
        except (OSError, ValueError, http.client.HTTPException) as error:
            if time.monotonic() > deadline:
                where = f"the edge does not answer as https://{params['name']}:{params['port']}"
                module.fail_json(msg=f"{where}: {error}. Next: journalctl -u {params['unit']}; correct the cause, run again.")
            time.sleep(0.3)
    module.exit_json(changed=False, protocol=protocol, authority=Path(params["authority"]).read_text() if params["authority"] else "")


if __name__ == "__main__":
    main()
