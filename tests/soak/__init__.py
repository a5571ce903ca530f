# SPDX-License-Identifier: GPL-3.0-or-later
"""`make soak`: the bridge under clients that come and go badly, reloads and kills, for as long as one likes; it must come to the same rest every time."""
