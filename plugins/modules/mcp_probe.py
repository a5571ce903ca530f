#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: mcp_probe
version_added: "0.1.0"
short_description: Use MCP servers once, as a client would
description:
  - Connects over Streamable HTTP with the official MCP SDK, lists the tools and calls one. Only this shows that a server works; a health page does not.
  - All servers are asked at the same time.
  - Runs with a Python that has the SDK, such as that of the gateway's virtual environment.
author: the mcp.tenancy authors (@mcp-tenancy)
requirements:
  - mcp >= 2.0
options:
  servers:
    description: Whom to ask.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What messages call it.
        type: str
        required: true
      url:
        description: Its MCP endpoint.
        type: str
        required: true
      token:
        description: A bearer token to show.
        type: str
  headers:
    description: Further request headers.
    type: dict
  tool:
    description: The tool to call. Left out, tools are only listed.
    type: str
  arguments:
    description: The tool's arguments.
    type: dict
    default: {}
  timeout:
    description: Seconds for one whole try.
    type: int
    default: 30
  retries:
    description: How many times to try again, for a server that is about to be ready. A tool that answers with an error is tried again too.
    type: int
    default: 0
  delay:
    description: Seconds between two tries.
    type: int
    default: 2
  mode:
    description:
      - V(auto) asks for the newest protocol version and falls back; V(legacy) begins with C(initialize), as the gateway does.
      - A wrapped server on stdio may stay with the kind of client that it saw first, so what is behind C(translate) is probed as V(legacy).
    type: str
    choices: [auto, legacy]
    default: auto
  answer_limit:
    description: How many characters of the tool's answer to return.
    type: int
    default: 2000
attributes:
  check_mode:
    support: full
    description: Works as always, a tool that writes included.
  diff_mode:
    support: none
    description: Changes nothing of its own.
  idempotent:
    support: full
    description: Never reports a change.
"""

EXAMPLES = r"""
- name: Ask the database who we are
  mcp.tenancy.mcp_probe:
    servers:
      - name: team_a dev
        url: http://127.0.0.1:4444/servers/{{ server_id }}/mcp
        token: "{{ token }}"
    tool: team-a-dev-postgres-query
    arguments:
      sql: SELECT current_user
    retries: 10
"""

RETURN = r"""
servers:
  description:
    - What was seen of each server that was reached, by name. C(tools), names of all tools that it shows. C(answer), the text of the tool's answer,
      cut at O(answer_limit). C(is_error), whether the tool answered with an error; then the module fails. C(seconds), how long each step took
      (C(connect), C(list), C(call)). C(protocol_version), the MCP version that both sides agreed on. C(tries), how many tries it took.
  returned: always
  type: dict
"""

from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mcp.tenancy.plugins.module_utils import _mcp_session as session


class ToolFailed(session.ProbeError):
    """The tool itself answered with an error; ``seen`` is what the round trip gave."""

    def __init__(self, tool: str, seen: dict) -> None:
        super().__init__(f"tool {tool} answered with an error: {seen['answer'] or 'no words'}")
        self.seen = seen


def attempt(server: dict, params: dict) -> dict:
    """One try. Raises ProbeError, ToolFailed among them."""
    headers = session.headers_of(server["token"], params["headers"])
    seen = session.probe(server["url"], headers, params["tool"], params["arguments"], params["timeout"], params["answer_limit"], params["mode"])
    if seen["is_error"]:
        raise ToolFailed(params["tool"], seen)
    return seen


def ask(server: dict, params: dict) -> tuple[dict, str]:
    """What was seen of one server, and what is wrong with it."""
    try:
        seen, tries = session.until_it_works(lambda: attempt(server, params), params["retries"], params["delay"])
    except session.ProbeError as error:
        tried = f" ({params['retries'] + 1} tries)" if params["retries"] else ""
        return getattr(error, "seen", {}), f"{server['name']} at {server['url']} does not work{tried}: {error}"
    return {**seen, "tries": tries}, ""


def main() -> None:
    server = {"name": {"type": "str", "required": True}, "url": {"type": "str", "required": True}, "token": {"type": "str", "no_log": True}}
    module = AnsibleModule(
        argument_spec={
            "servers": {"type": "list", "elements": "dict", "required": True, "options": server},
            "headers": {"type": "dict", "no_log": True},
            "tool": {"type": "str"},
            "arguments": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 30},
            "retries": {"type": "int", "default": 0},
            "delay": {"type": "int", "default": 2},
            "mode": {"type": "str", "choices": ["auto", "legacy"], "default": "auto"},
            "answer_limit": {"type": "int", "default": 2000},
        },
        supports_check_mode=True,
    )
    if not session.HAS_LIBRARIES:
        module.fail_json(msg=missing_required_lib("mcp>=2.0"), exception=session.IMPORT_ERROR)
    servers = module.params["servers"]
    with ThreadPoolExecutor(max_workers=8) as threads:
        told = list(threads.map(lambda server: ask(server, module.params), servers))
    seen = {server["name"]: found for server, (found, _wrong) in zip(servers, told, strict=True)}
    wrong = [text for _found, text in told if text]
    if wrong:
        module.fail_json(msg="; ".join(wrong), servers=seen)
    module.exit_json(changed=False, servers=seen)


if __name__ == "__main__":
    main()
