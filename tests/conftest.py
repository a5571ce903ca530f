# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the collection importable as ansible_collections.mcp.tenancy, whichever way pytest was started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
subprocess.run([REPOSITORY / "scripts" / "link-collection"], check=True)
sys.path[:0] = [str(REPOSITORY / ".collections"), str(REPOSITORY)]
