# SPDX-License-Identifier: GPL-3.0-or-later
"""Many logins in one process: for many people on small hosts. The programs beside this run in it, with the wrapped servers' own libraries."""
