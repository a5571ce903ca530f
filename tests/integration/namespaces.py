# SPDX-License-Identifier: GPL-3.0-or-later
"""A second host on this machine: a network namespace, so that loopback ports are its own. Needs root and iproute2.

Nothing leads out of it but the ports that are forwarded, so what is installed there has to be there before.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

HOST = "127.0.0.1"


class Namespace:
    """``shell``: a program that runs commands there as /bin/sh would, for Ansible's ``ansible_shell_executable``."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.shell = name, folder / f"sh-{name}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        subprocess.run([*self.prefix, "ip", "link", "set", "lo", "up"], check=True)
        self.shell.write_text(f'#!/bin/sh\nexec ip netns exec {name} /bin/sh "$@"\n')
        self.shell.chmod(0o755)
        self._listening: list[socket.socket] = []

    @property
    def prefix(self) -> list[str]:
        return ["ip", "netns", "exec", self.name]

    def lead_in(self, port: int) -> None:
        """``port`` of this machine is there under the same number."""
        listening = self._there(lambda: socket.create_server((HOST, port)))
        self._serve(listening, lambda: socket.create_connection((HOST, port)))

    def lead_out(self, port: int) -> int:
        """The port of this machine that leads to ``port`` there."""
        listening = socket.create_server((HOST, 0))
        self._serve(listening, lambda: self._there(lambda: socket.create_connection((HOST, port))))
        return listening.getsockname()[1]

    def close(self) -> None:
        for listening in self._listening:
            listening.close()
        subprocess.run(["ip", "netns", "del", self.name], check=False)

    def _there(self, make: object) -> socket.socket:
        """A socket belongs to the namespace in which it was made; a thread that ends takes its own namespace along."""
        made: list = []

        def run() -> None:
            handle = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            os.setns(handle, os.CLONE_NEWNET)
            os.close(handle)
            with contextlib.suppress(OSError):
                made.append(make())

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if not made:
            raise ConnectionRefusedError(self.name)
        return made[0]

    def _serve(self, listening: socket.socket, connect: object) -> None:
        self._listening.append(listening)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    one, _address = listening.accept()
                    try:
                        other = connect()
                    except OSError:
                        one.close()
                        continue
                    for source, sink in ((one, other), (other, one)):
                        threading.Thread(target=_pump, args=(source, sink), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def namespace(name: str, folder: Path) -> Iterator[Namespace]:
    if os.geteuid() or not shutil.which("ip") or subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("a second host on this machine needs root, iproute2 and network namespaces")
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)  # of a run that was cut off
    found = Namespace(name, folder)
    try:
        yield found
    finally:
        found.close()
