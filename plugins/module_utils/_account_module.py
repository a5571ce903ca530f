# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""One account as a module of its own: what both engines' modules have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mcp.tenancy.plugins.module_utils import _account_batch

SPEC = {
    "login_host": {"type": "str", "required": True},
    "login_user": {"type": "str", "required": True},
    "login_password": {"type": "str", "required": True, "no_log": True},
    "ca": {"type": "path", "required": True},
    "client_certificate": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},  # a path
    "database": {"type": "str", "required": True},
    "owner": {"type": "str", "required": True},
    "access": {"type": "str", "choices": ["read_only", "read_write"], "default": "read_only"},
    "slots": {"type": "dict", "required": True, "no_log": True},
    "prove": {"type": "list", "elements": "str", "default": []},
}


def credential(given: dict, engine: str, parameters: dict, **more: Any) -> dict:
    """The options in the form of the batch; ``more`` is what only one engine's accounts have."""
    account = {
        "service": given["owner"],
        "engine": engine,
        "host": given["login_host"],
        "port": given["login_port"],
        "database": given["database"],
        "parameters": parameters,
        "owner": given["owner"],
        "logins": {slot: f"{given['owner']}_{slot}" for slot in ("a", "b")},
        "access": given["access"],
        **more,
    }
    admin = {"user": given["login_user"], "password": given["login_password"]}
    wanted = {slot: login and {"valid_until": None, **login} for slot, login in given["slots"].items()}
    client = "\n".join(Path(given[name]).read_text() for name in ("client_certificate", "client_key") if given[name])
    return {"account": account, "admin": admin, "ca": Path(given["ca"]).read_text(), "client": client, "wanted": wanted, "prove": given["prove"]}


def work(module: AnsibleModule, wanted: dict) -> None:
    """Do it and leave."""
    unknown = sorted(set(wanted["wanted"]) - {"a", "b"})
    if unknown:
        module.fail_json(msg=f"slots has {', '.join(unknown)}. Next: use a and b.")
    if missing := _account_batch.missing_library([wanted]):
        module.fail_json(msg=missing_required_lib(missing[0]), exception=missing[1])
    (found,) = _account_batch.work([wanted], check=module.check_mode).values()
    for warning in found["warnings"]:
        module.warn(warning)
    if found["error"]:
        module.fail_json(msg=found["error"], changes=found["changed"])
    module.exit_json(changed=bool(found["changed"]), changes=found["changed"])
