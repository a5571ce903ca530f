# SPDX-License-Identifier: GPL-3.0-or-later
"""Callers bring their own database login with each request, and each login has a wrapped server of its own."""
