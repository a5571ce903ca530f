# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages say, taken apart, and what is there to hold it against. Used by the unit tests of the documentation."""
