# SPDX-License-Identifier: GPL-3.0-or-later
"""Never commit a credential: what is about to be committed, or is in a repository, is searched for secrets. docs/guard.md tells how to use it."""
