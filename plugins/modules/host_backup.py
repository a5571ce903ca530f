#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_backup
version_added: "0.2.0"
short_description: Keep and put back what a deploy cannot make again
description:
  - V(take) keeps the gateway's database (of one moment, while it runs, without measurements), the credentials' document, the clients' file and, of an edge
    with a CA of its own, that CA, in one file on the control node that is encrypted with the team's vault key.
  - V(open) finds a backup and sees that it can be used, before anything is touched.
  - V(place) stops the gateway and puts database, clients' file and CA back. What runs it again is a deploy. Tokens that were revoked since the backup stay
    revoked where the database before is still there, and that one is kept as C(state/replaced.db).
  - Credentials are not put back here but with M(mcp.tenancy.credential_walk), since none may go back to an earlier generation.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  operation:
    description: What to do.
    type: str
    choices: [take, open, place]
    required: true
  team:
    description: The team.
    type: str
    required: true
  paths:
    description: The team's folders on the host, as the filter P(mcp.tenancy.team_paths#filter) gives them.
    type: dict
    required: true
  directory:
    description: The folder on the control node; relative to the inventory.
    type: path
  file:
    description: A backup; relative to O(directory). The host's newest when empty.
    type: str
    default: ""
  shared:
    description: Whether the gateway's database is one that several gateways share. It is not in the backup then, and nothing of it is put back.
    type: bool
    default: false
    version_added: "0.4.0"
  prefix:
    description: What the names of the team's units begin with; empty under the supervisor.
    type: str
    default: ""
  content:
    description: For O(operation=place). Made by the action plugin.
    type: str
  seal_key:
    description: With which secrets are encrypted on their way between host and control node. Made by the action plugin.
    type: str
attributes:
  check_mode:
    support: full
    description: Predicts without changing anything.
  diff_mode:
    support: none
    description: The content is secret.
  idempotent:
    support: none
    description: Each backup is another file. What was put back is put back again.
requirements:
  - cryptography
  - Python 3.11
"""

EXAMPLES = r"""
- name: Take a backup
  mcp.tenancy.host_backup:
    operation: take
    team: team_a
    paths: "{{ team_paths }}"
    directory: backups
"""

RETURN = r"""
file:
  description: The backup on the control node.
  returned: success
  type: str
taken_at:
  description: When it was taken.
  returned: success
  type: str
store:
  description: The credentials' document in it, C(version) and C(document), a ciphertext.
  returned: success
  type: dict
carried:
  description: How many revocations were carried over.
  returned: for O(operation=place)
  type: int
"""

import base64
import os
import zlib
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mcp.tenancy.plugins.module_utils import _atomic_file, _gateway_copy, _supervisor, _systemd
from ansible_collections.mcp.tenancy.plugins.module_utils import _sealed as sealed

PKI = "edge/pki"


def packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 6)).decode()


def unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def take(paths: dict, shared: bool) -> dict[str, str]:
    """Name → content, packed. Names are ours, so that another version can have its things elsewhere."""
    if not shared and not os.path.exists(paths["gateway_database"]):
        raise _gateway_copy.CopyError(f"there is no {paths['gateway_database']}. Next: run deploy.yml, which makes the gateway")
    found = {} if shared else {"database": packed(_gateway_copy.taken(paths["gateway_database"]))}
    for name in ("store", "client_config"):
        if os.path.exists(paths[name]):
            found[name] = packed(Path(paths[name]).read_bytes())
    top = Path(paths["work"]) / PKI
    found |= {f"pki/{path.relative_to(top)}": packed(path.read_bytes()) for path in sorted(top.rglob("*")) if path.is_file() and not path.is_symlink()}
    return found


def stop_gateway(prefix: str, paths: dict) -> None:
    """Its socket too, which would start it again for the first caller."""
    if prefix:
        _systemd.Host(prefix, f"{paths['run']}/.revisions").stop(f"{prefix}gateway")
        return
    layout = _supervisor.Layout(Path(paths["etc"]), Path(paths["run"]), Path(paths["log"]), "")
    if layout.socket.exists() and _supervisor.Control(layout).alive():
        _supervisor.Control(layout).stop_program("gateway")


def place(content: dict[str, str], paths: dict, prefix: str, shared: bool) -> int:
    """Raises CopyError."""
    carried = 0 if shared else place_database(content, paths, prefix)
    if "client_config" in content:
        _atomic_file.write(paths["client_config"], unpacked(content["client_config"]))
    top = Path(paths["work"]) / PKI
    if not top.exists() and top.parent.is_dir():  # one that is there is not older
        _place_authority(top, {name.removeprefix("pki/"): unpacked(text) for name, text in content.items() if name.startswith("pki/")})
    return carried


def place_database(content: dict[str, str], paths: dict, prefix: str) -> int:
    """Raises CopyError."""
    if "database" not in content:
        what = "the backup has no database of the gateway: it was taken while the gateways shared one"
        raise _gateway_copy.CopyError(f"{what}. Next: use another backup, or declare mcp_gateway_database")
    stop_gateway(prefix, paths)
    if os.path.exists(paths["gateway_database"]):
        _gateway_copy.kept(paths["gateway_database"], f"{paths['state']}/replaced.db")
    return _gateway_copy.put_back(paths["gateway_database"], unpacked(content["database"]))


def _place_authority(top: Path, files: dict[str, bytes]) -> None:
    """As the edge's own user has it, which may read it alone. In place by rename, so that half of it is never taken for a CA."""
    owner, aside = top.parent.stat(), top.with_name("pki.new")
    for name, content in files.items():
        path = aside / name
        if aside not in path.resolve().parents:
            raise _gateway_copy.CopyError(f"{name} of the backup leads elsewhere. Next: use another backup")
        _atomic_file.write(path, content)
    if not files:
        return
    for path in (aside, *aside.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    aside.rename(top)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "operation": {"type": "str", "choices": ["take", "open", "place"], "required": True},
            "team": {"type": "str", "required": True},
            "paths": {"type": "dict", "required": True},
            "directory": {"type": "path"},
            "file": {"type": "str", "default": ""},
            "shared": {"type": "bool", "default": False},
            "prefix": {"type": "str", "default": ""},
            "content": {"type": "str"},
            "seal_key": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    if not sealed.HAS_LIBRARY:
        module.fail_json(msg=missing_required_lib("cryptography"), exception=sealed.IMPORT_ERROR)
    wanted = module.params
    try:
        if wanted["operation"] == "take":
            module.exit_json(changed=True, sealed=sealed.seal(wanted["seal_key"], take(wanted["paths"], wanted["shared"])))
        content = {} if module.check_mode else sealed.opened(wanted["seal_key"], wanted["content"])
        carried = 0 if module.check_mode else place(content, wanted["paths"], wanted["prefix"], wanted["shared"])
    except (_gateway_copy.CopyError, _supervisor.SupervisorError, _systemd.SystemdError) as error:
        module.fail_json(msg=f"{error}.")
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}. Next: correct it, then run again.")
    module.exit_json(changed=True, carried=carried)


if __name__ == "__main__":
    main()
