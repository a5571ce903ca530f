# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""A mistake in what people declared, as they are told of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is (a variable's path, or ``file:line``), what is wrong, what to do next."""

    place: str
    message: str
    next_step: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}. Next: {self.next_step}."
