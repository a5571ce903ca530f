# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has, as text that can be compared, and the same in the operator's words."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

from operating import INVENTORIES, REPOSITORY, command, recap

GW1, GW2 = "team-a-gw1", "team-a-gw2"
ENTRY, TOOL = "team-a-dev-alice", "team-a-dev-postgres-query"
TARGETS = [(ENTRY, TOOL), ("team-a-dev-alice", "team-a-dev-mongodb-aggregate", "team_a_dev")]

#: Everything that a deploy could leave: files, users, groups, units, rules, processes. Not what a running system changes by itself.
SEEN = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /var/log -o -path /var/lib/systemd -o -path /var/cache -o -path /var/tmp -o -path /tmp \
  -o -path /root/.ansible \) -prune -o ! -name '*.pyc' ! -name __pycache__ ! -path '/etc/*-' ! -path /etc/.pwd.lock -printf 'file %p %y %m %u %g %l\n'
find /run -path '*mcp*' -printf 'run %p\n'
sed 's/^/user /' /etc/passwd; sed 's/^/group /' /etc/group; cut -d: -f1 /etc/shadow | sed 's/^/shadow /'; cut -d: -f1 /etc/gshadow | sed 's/^/gshadow /'
systemctl list-unit-files --plain --no-legend | awk '{print "unit", $1, $2}'
systemctl list-units --all --plain --no-legend 'mcp*' | awk '{print "loaded", $1}'
nft --stateless list ruleset | sed 's/^/rule /'
ps -eo user:40,args | grep -i 'mcp[-_]' | grep -v grep | sed 's/^/process /'
"""


def seen(host: object) -> set[str]:
    """One line for each thing on a host; sizes, times and process numbers are not in it."""
    return set(host.run("sh -c %s", SEEN).stdout.splitlines())


def playbook_killed_at(moment: str, name: str, *arguments: str, checkout: Path = REPOSITORY) -> None:
    """``kill -9`` as soon as Ansible says that it starts a task whose name begins so. What it started on a host goes on for a moment."""
    argv, environment = from_checkout(checkout, name, *arguments)
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(argv, env={**environment, "PYTHONUNBUFFERED": "1"}, cwd=checkout, text=True, start_new_session=True, **pipes) as running:
        assert any(moment in line for line in running.stdout), moment
        os.killpg(running.pid, signal.SIGKILL)


def from_checkout(checkout: Path, name: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """A playbook of another checkout over the same inventories: its command and environment."""
    _argv, environment = command()
    environment |= {"ANSIBLE_COLLECTIONS_PATH": str(checkout / ".collections"), "ANSIBLE_CONFIG": str(checkout / "ansible.cfg")}
    return ["ansible-playbook", name, *(part for path in INVENTORIES for part in ("-i", str(REPOSITORY / path))), *arguments], environment


def changed(done: subprocess.CompletedProcess, host: str = GW1) -> int:
    """How many tasks changed something; fails where one failed."""
    counts = recap(done, host)
    assert counts["failed"] == counts["unreachable"] == 0, done.stdout[-5000:]
    return counts["changed"]


def names(lines: set[str], kind: str) -> set[str]:
    return {line.split()[1] for line in lines if line.startswith(f"{kind} ")}


def roles(database: object, like: str) -> set[str]:
    """Names of roles in PostgreSQL."""
    text = database.check_output("runuser -u postgres -- psql -At -c %s", f"SELECT rolname FROM pg_roles WHERE rolname LIKE '{like}'")
    return {line for line in text.splitlines() if re.match(like.replace("%", ""), line)}
