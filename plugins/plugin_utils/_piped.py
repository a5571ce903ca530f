# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""A function of ``module_utils`` as one text for a host's Python: what a module would do without what every module brings along.

A module compiles ``ansible.module_utils.basic`` and what that imports on each call: 0.12 of the 0.2 s of CPU that one which only looks takes.
For modules that change something that is nothing; for the one call that a deploy with nothing to do makes on each host it is most of it.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

MODULE_UTILS = Path(__file__).resolve().parents[1] / "module_utils"
PACKAGE = "ansible_collections.mcp.tenancy.plugins.module_utils"
#: What runs on the host: modules come into being in the order in which they need each other, and none is looked for in a file.
PROGRAM = """\
import json, sys, types
modules = json.loads({modules!r})
package = sys.modules[{package!r}] = types.ModuleType({package!r})
package.__path__ = []
for name, source in modules:
    module = types.ModuleType({package!r} + "." + name)
    sys.modules[module.__name__] = module
    setattr(package, name, module)
    exec(compile(source, name + ".py", "exec"), module.__dict__)
print(json.dumps(module.{function}(**json.loads({arguments!r}))))
"""


class Program:
    """``function`` of ``module_utils/<name>.py``. Made once, where an action plugin is loaded, and so before Ansible makes a process for each host.

    The module and those of ours that it imports may use the standard library only. ValueError when one uses Ansible's. ``folder`` and ``package``: of another
    package than ``module_utils``.
    """

    def __init__(self, name: str, function: str, folder: Path = MODULE_UTILS, package: str = PACKAGE) -> None:
        self._function, self._package = function, package
        self._modules = json.dumps(list(_needed(name, {}, folder, package).items()))

    def text(self, arguments: dict) -> bytes:
        """What prints, as JSON, what the function returns for ``arguments``."""
        return PROGRAM.format(modules=self._modules, package=self._package, function=self._function, arguments=json.dumps(arguments)).encode()


def _needed(name: str, found: dict[str, str], folder: Path, package: str) -> dict[str, str]:
    """Name to source, each after what it imports."""
    source = (folder / f"{name}.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and node.module == package:
            for imported in node.names:
                if imported.name not in found:
                    _needed(imported.name, found, folder, package)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ansible"):
            raise ValueError(f"{name}.py imports {node.module}, which is not on hosts")
    found[name] = source
    return found
