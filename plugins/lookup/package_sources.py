# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of one Python package of this collection, for ``mcp.tenancy.locked_install``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: package_sources
version_added: "0.1.0"
short_description: The modules of a Python package on the control node
description:
  - Returns the package's modules as a mapping, path below the package's parent folder to text. One value, so that one task can place them all at once.
author: the mcp.tenancy authors (@mcp-tenancy)
options:
  _terms:
    description: Folders of packages.
    required: true
    type: list
    elements: path
"""

EXAMPLES = r"""
- name: Install a package of the collection
  mcp.tenancy.locked_install:
    kind: python
    name: bridge
    dest: /srv/example/lib
    lock: "{{ lookup('ansible.builtin.file', 'requirements.txt') }}"
    sources: "{{ lookup('mcp.tenancy.package_sources', role_path ~ '/../../services/mcp_bridge/src/mcp_bridge') }}"
    python: [python3.13]
"""

RETURN = r"""
_list:
  description: For each folder, paths and texts.
  type: list
  elements: dict
"""

from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

KINDS = {".py", ".mjs"}


class LookupModule(LookupBase):
    """``lookup('mcp.tenancy.package_sources', FOLDER)``."""

    def run(self, terms: list[str], variables: dict | None = None, **kwargs: object) -> list[dict[str, str]]:
        found = []
        for term in terms:
            package = Path(term).resolve()
            modules = sorted(path for path in package.rglob("*") if path.suffix in KINDS)
            if not modules:
                raise AnsibleError(f"{package} has no Python modules. Next: install the whole collection mcp.tenancy.")
            found.append({str(module.relative_to(package.parent)): module.read_text(encoding="utf-8") for module in modules})
        return found
