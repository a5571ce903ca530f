# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that end with this one, and how this one hides from its neighbours."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """In a child, before it becomes its program: the kernel kills it when this process ends, however that happens."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def hide() -> None:
    """No core dump, and no look into memory or environment for other processes of the same user."""
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def raise_file_limit() -> None:
    """As many sockets as the hard limit allows."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def spawn(command: list[str], variables: dict[str, str], directory: str, *, sandboxed: bool = False, **pipes: int) -> subprocess.Popen:
    """Start a program in a session of its own, so that a Ctrl-C for the bridge is not one for the server.

    Must run in the main thread: PR_SET_PDEATHSIG follows the thread that forked. A ``sandboxed`` one asks for it by itself (bubblewrap's --die-with-parent),
    and so is spared a copy of this process, for whose 3 ms nobody would be answered.
    """
    os.umask(0o077)
    first = None if sandboxed else die_with_parent
    return subprocess.Popen(command, env=variables, cwd=directory, preexec_fn=first, start_new_session=True, **pipes)
