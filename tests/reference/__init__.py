# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/reference, written from what ansible-doc knows: argument specs of the roles, documentation of modules, filters and lookups."""
