#!/usr/bin/python
# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_env
version_added: "0.1.0"
short_description: Keep a host's own encrypted C(.env) in step with the team's
description:
  - Projects the operator's C(.env) of a team to what the services of one host need, in canonical form.
  - Encrypts it with that host's own key and places both on the host. Where the team's key is another one than before, services can be started at every instant.
  - Runs as an action plugin. Plaintexts are compared on the control node, so unchanged content is no change although every encryption differs.
  - The host's key is derived from the team's key and the host's name. A host's root can open its own projection and never the operator's file.
author: the mcp.tenancy authors (@mcp-tenancy)
extends_documentation_fragment: mcp.tenancy.attributes.shows_names
options:
  path:
    description: Where the encrypted C(.env) lies on the host.
    type: path
    required: true
  key_path:
    description: Where the host's vault key lies on the host. Only the user that the task runs as may read it.
    type: path
    required: true
  sealed_as:
    description:
      - Encrypt the vault key with the host's own key (C(systemd-creds)) under this name, so that a copy of the file is of no use elsewhere.
      - Empty places it as it is. Set by the action plugin, from O(manifest).
    type: str
    default: ""
  manifest:
    description: How each service is started, as C(mcp.tenancy.team_manifest) gives it. Needed for RV(revisions).
    type: dict
  credentials:
    description:
      - The document of the team's credentials, as C(mcp.tenancy.credential_walk) gives it (C(document) and C(version)). It says which login each service uses.
    type: dict
  back:
    description: Allow that a service gets an earlier generation of its credential than the host has. For a rotation that goes back, nothing else.
    type: bool
    default: false
  rekey:
    description:
      - Keep what the host has and encrypt it with the host's key of now, where it still is under the one before. O(manifest) and O(credentials) are not needed.
      - At every instant C(mcp-unseal) can open the file, with the key or with the one that is to follow it, which lies beside it for that moment.
    type: bool
    default: false
    version_added: "0.4.0"
  key:
    description: Set by the action plugin.
    type: str
  content:
    description: Set by the action plugin, the ciphertext to place.
    type: str
  instead_of:
    description: Set by the action plugin, the ciphertext that O(content) was made to replace.
    type: str
  write:
    description: Set by the action plugin, C(true) when it means to write.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Place the host's .env
  mcp.tenancy.host_env:
    path: /srv/mcp-tenancy/team_a/etc/.env
    credentials: "{{ credentials }}"
    key_path: /srv/mcp-tenancy/team_a/etc/vault.key
    manifest: "{{ manifest }}"
"""

RETURN = r"""
changed_keys:
  description: Names of the variables that differed.
  returned: success
  type: list
  elements: str
bearers:
  description: Of each service the labels of the bearers that its bridge should accept; they tell nothing about them.
  returned: success
  type: dict
marks:
  description: Of each service the name of the login that it should use now, generation and a random part.
  returned: success
  type: dict
tls:
  description: Of each service the name of what its connections are made with, the CA and the client certificate. A digest of certificates.
  returned: success
  type: dict
revisions:
  description: A label for each service, of its definition and our own secrets; a keyed digest that tells nothing about them.
  returned: success
  type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mcp.tenancy.plugins.module_utils import _atomic_file


def read(path: str) -> bytes | None:
    """The file's content, None when there is no file."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def is_private(path: str) -> bool:
    """Whether only its owner, the one who runs this, may use the file."""
    status = os.stat(path)
    return status.st_mode & 0o7777 == 0o600 and status.st_uid == os.geteuid()


def creds(module: AnsibleModule, verb: str, content: bytes) -> bytes | None:
    """Through ``systemd-creds``, by stdin and stdout only; None when it refuses."""
    name = module.params["sealed_as"]
    options = ["--with-key=host"] if verb == "encrypt" else []
    code, out, error = module.run_command(["systemd-creds", verb, *options, f"--name={name}", "-", "-"], data=content, binary_data=True, encoding=None)
    if code and verb == "encrypt":
        said = error.decode(errors="replace").strip()
        module.fail_json(msg=f"systemd-creds cannot encrypt with this host's key: {said}. Next: see that /var/lib/systemd is writable, then run again.")
    return None if code else out


def is_key(module: AnsibleModule, held: bytes | None, key: bytes) -> bool:
    """Whether the file holds this key. Every encryption differs, so what is compared is what is in it."""
    if held is None:
        return False
    return (creds(module, "decrypt", held) if module.params["sealed_as"] else held) == key


def next_to(key_path: str) -> str:
    """Where the key is that is to follow; ``mcp-unseal`` tries it too."""
    return f"{key_path}.next"


def place(module: AnsibleModule, path: str, content: bytes) -> None:
    """Replace the file by rename; 0600 from the first byte."""
    try:
        _atomic_file.write(path, content)
    except OSError as error:
        module.fail_json(msg=f"{path} cannot be written: {error.strerror}. Next: make room or correct the folder's owner, then run again.")


def replace(module: AnsibleModule, wanted: dict[str, bytes], changed: list[str]) -> None:
    """All that differs. The new key is there before what it opens, and the old one until nothing needs it any more."""
    path, key_path = module.params["path"], module.params["key_path"]
    follows = next_to(key_path)
    if {path, key_path} <= set(changed) and read(key_path) is not None:
        place(module, follows, wanted[key_path])
        place(module, path, wanted[path])
        os.replace(follows, key_path)
        return
    for name in changed:
        if name == follows:
            os.unlink(follows)
        else:
            place(module, name, wanted[name])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "key_path": {"type": "path", "required": True, "no_log": False},
            "sealed_as": {"type": "str", "default": ""},
            "manifest": {"type": "dict"},
            "key": {"type": "str", "no_log": True},
            "credentials": {"type": "dict"},
            "back": {"type": "bool", "default": False},
            "rekey": {"type": "bool", "default": False},
            "content": {"type": "str", "no_log": True},
            "instead_of": {"type": "str"},
            "write": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    path, key_path, key = module.params["path"], module.params["key_path"], module.params["key"]
    if key is None:
        module.fail_json(msg="mcp.tenancy.host_env runs through its action plugin only.")
    wanted, changed = {key_path: key.encode() + b"\n"}, []
    if not is_key(module, read(key_path), wanted[key_path]) or not is_private(key_path):
        changed.append(key_path)
        if module.params["sealed_as"] and module.params["write"]:
            wanted[key_path] = creds(module, "encrypt", wanted[key_path])
    if module.params["content"] is not None:
        wanted[path] = module.params["content"].encode()
        if read(path) != wanted[path] or not is_private(path):
            changed.append(path)
    present = read(path)
    if present is not None and not is_private(path) and path not in changed:
        wanted[path], changed = present, [*changed, path]
    if os.path.lexists(next_to(key_path)):  # of a run that was cut off
        changed.append(next_to(key_path))
    raced = False
    if module.params["write"] and not module.check_mode:
        with _atomic_file.alone(os.path.dirname(path)):
            raced = (read(path) or b"") != (module.params["instead_of"] or "").encode()
            if not raced:
                replace(module, wanted, changed)
    module.exit_json(raced=raced, changed=bool(changed) and not raced, present=present is not None, ciphertext=(present or b"").decode("ascii", "replace"))


if __name__ == "__main__":
    main()
