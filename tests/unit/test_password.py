# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

from ansible_collections.mcp.tenancy.plugins.module_utils import _password


def test_no_drawn_password_breaks_a_rule_of_the_gateway() -> None:
    for _ in range(2000):
        password = _password.draw(24)
        assert not re.search(r"[A-Za-z]{3}|[0-9]{3}", password), "so nothing in it can be a sequence or a name"
        assert all(re.search(kind, password) for kind in ("[a-z]", "[A-Z]", "[0-9]", "[-_+]"))


def test_drawn_passwords_differ() -> None:
    assert len({_password.draw(24) for _ in range(1000)}) == 1000
