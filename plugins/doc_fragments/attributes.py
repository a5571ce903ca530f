# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several modules promise about check mode, diff mode and a second run."""

from __future__ import annotations


class ModuleDocFragment:
    """Named by what such a module does: ``mcp.tenancy.attributes.only_reads``."""

    ONLY_READS = r"""
attributes:
  check_mode:
    support: full
    description: Only reads.
  diff_mode:
    support: none
    description: Changes nothing.
  idempotent:
    support: full
    description: Only reads.
"""

    SHOWS_NAMES = r"""
attributes:
  check_mode:
    support: full
    description: Predicts without changing anything.
  diff_mode:
    support: full
    description: Shows names, never values.
  idempotent:
    support: full
    description: A second run changes nothing.
"""
