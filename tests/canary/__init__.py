# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets are looked for wherever they must not be (invariant S1), on the control node and on hosts: docs/canary.md.

Everything but :mod:`team_secrets`, :mod:`orders`, :mod:`command` and ``playbook`` is of the standard library alone and knows nothing of this collection:
:mod:`search` and what it imports are piped to a host's Python as one text.
"""
