# Copyright: (c) 2026, the mcp.tenancy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to the collection; may change in any release.
"""From the manifest of a host to systemd units. Pure; the counterpart for the rootless supervisor is ``_supervised.py``.

One service has a ``.service`` and a ``.socket`` that is named after its port: a socket that listens elsewhere is another unit, so what runs
can always be told from what should run. Sockets stay open while a service restarts; whoever calls meanwhile waits.
"""

from __future__ import annotations

import hashlib

UNSEAL_SECONDS, STOP_SECONDS, WATCHDOG_SECONDS = 60, 30, 60
#: Seconds from the start to a service that says it is ready; the gateway migrates its database first.
START_SECONDS = {"gateway": 300}
MEMORY = {"gateway": "2G"}
#: What the bridge takes when nothing is declared (services/mcp_bridge, config.py).
USERS_MOST, USERS_MEMORY, DENSE_MEMORY = 30, 512 * 1024**2, 2 * 1024**3

LABEL = "@LABEL@"

#: `systemd-analyze security` rates what is not here. Why something is missing stands beside it.
SANDBOX = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateIPC=yes
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
UMask=0077
LimitCORE=0
LimitNOFILE=65536
TasksMax=512
# PrivateUsers: together with ProtectProc systemd needs CAP_SYS_PTRACE for it, which root of a container has not.
# MemoryDenyWriteExecute: Node.js and the gateway's JSON and regex engines make code while they run.
# PrivateNetwork, IPAddressDeny: databases are on the network, and named by host names.
"""


#: A service whose callers bring their own logins makes a sandbox for each of their processes, and needs for it what the sandbox of its own unit forbids
#: the others: namespaces of its own, and mounts in them. bubblewrap gives all of it up before a wrapped server starts.
FOR_USERS = {
    "ProcSubset=pid": "ProcSubset=all",  # it reads /proc/sys/kernel/overflowuid; inside of the sandbox there is no /proc
    # bubblewrap opens what it binds with openat2, which this setting forbids altogether. Nobody else can enter a folder that the service can write to.
    "RestrictSUIDSGID=yes": "RestrictSUIDSGID=no",
    "RestrictNamespaces=yes": "RestrictNamespaces=user pid mnt ipc uts",
    "SystemCallFilter=@system-service\n": "SystemCallFilter=@system-service @mount\n",
    "SystemCallFilter=~@privileged\n": "SystemCallFilter=~@clock @module @reboot @swap\n",
    "TasksMax=512": "TasksMax=8192",
}


def _sandbox(service: dict) -> str:
    text = SANDBOX
    for line, instead in FOR_USERS.items() if "users" in service.get("bridge", {}) else ():
        text = text.replace(line, instead)
    return text


def prefix(team: str) -> str:
    """What the names of all units of a team begin with. A team's name has no hyphen, so no two teams share one."""
    return f"mcp-tenancy-{team}-"


def units(manifest: dict, revisions: dict[str, str], python: str, paths: dict[str, str]) -> list[dict]:
    """All units of a team, in the form of ``mcp.tenancy.systemd_units``. ``python`` runs ``mcp-unseal`` and ``mcp-exec``."""
    team, found = manifest["team"], []
    target = f"{prefix(team)}services.target"
    rules = firewall_rules(manifest)
    wall = f"{prefix(team)}firewall.service" if rules else ""
    edge = manifest.get("edge")
    if rules:
        label = hashlib.sha256(rules.encode()).hexdigest()[:16]
        content = _firewall(team, target, f"{paths['etc']}/firewall.nft", manifest["runtime_directory"], label)
        found.append({"name": wall, "content": content, "revision": label, "reload": True})
    for name, service in manifest["services"].items():
        unit, port = f"{prefix(team)}{name}", service["listen"]["port"]
        listening = f"{unit}-{port}.socket"
        found.append({"name": listening, "content": _socket(team, name, f"{unit}.service", service["listen"], target)})
        content = _service(manifest, name, {"socket": listening, "target": target, "after": wall}, python, paths)
        # What is in the unit file counts too, so that a change of the sandbox is a restart.
        label = hashlib.sha256(f"{revisions[name]}\0{content}".encode()).hexdigest()[:16]
        found.append({"name": f"{unit}.service", "content": content.replace(LABEL, label), "revision": label})
    if edge:
        found.append(_edge(team, edge, {"target": target, "after": wall}, revisions.get("edge", {}), manifest["runtime_directory"]))
    found.append({"name": target, "content": f"[Unit]\nDescription=MCP services of {team}\n\n[Install]\nWantedBy=multi-user.target\n"})
    return [{"revision": "", "reload": False, **unit} for unit in found]


def _socket(team: str, name: str, service: str, listen: dict, target: str) -> str:
    return f"""\
[Unit]
Description=MCP {name} of {team}, its port
PartOf={target}

[Socket]
ListenStream={listen["host"]}:{listen["port"]}
Service={service}
Backlog=1024
NoDelay=yes
# Calls that wait for a restart must not count as a flood.
TriggerLimitIntervalSec=0

[Install]
WantedBy={target}
"""


def _service(manifest: dict, name: str, entry: dict, python: str, paths: dict[str, str]) -> str:
    service, team = manifest["services"][name], manifest["team"]
    tools = f"{python} -I {paths['bin']}"
    unseal = f"{tools}/mcp-unseal --manifest {paths['manifest']}"
    writable = [service["directory"], f"{paths['log']}/{name}", *([paths["state"]] if name == "gateway" else [])]
    relative = manifest["runtime_directory"].removeprefix("/run/")
    # The gateway has no reload: it reads its settings once.
    reload = f"ExecReload=+{unseal} {name}\nExecReload=/bin/kill -HUP $MAINPID\n" if "bridge" in service else ""
    return f"""\
[Unit]
Description=MCP {name} of {team}
After=network-online.target {entry["socket"]} {entry["after"]}
Wants=network-online.target
Requires={entry["socket"]} {entry["after"]}
PartOf={entry["target"]}
StartLimitIntervalSec=0

[Service]
Type=notify
# As root, outside the sandbox, and gone before the service starts: the only program that reads the vault key.
ExecStartPre=+{unseal} --revision {LABEL} {name}
ExecStart={tools}/mcp-exec --manifest {paths["manifest"]} {name}
{reload}Restart=always
RestartSec=200ms
RestartSteps=8
RestartMaxDelaySec=30s
TimeoutStartSec={START_SECONDS.get(name, UNSEAL_SECONDS + 60)}
TimeoutStopSec={STOP_SECONDS}
WatchdogSec={WATCHDOG_SECONDS}
KillMode=mixed
User={service["user"]}
Group={service["user"]}
RuntimeDirectory={relative}/{name}
RuntimeDirectoryMode=0700
ReadWritePaths={" ".join(writable)}
MemoryMax={_memory(name, service)}
{_sandbox(service)}
[Install]
WantedBy={entry["target"]}
"""


#: Where the edge's sandbox is another one: it makes no code while it runs, and binds nothing but its port.
FOR_EDGE = {
    "CapabilityBoundingSet=\nAmbientCapabilities=\n": "CapabilityBoundingSet={capability}\nAmbientCapabilities={capability}\n",
    "LimitCORE=0\n": "LimitCORE=0\nMemoryDenyWriteExecute=yes\nSocketBindDeny=any\nSocketBindAllow=tcp:{port}\n",
    "# MemoryDenyWriteExecute: Node.js and the gateway's JSON and regex engines make code while they run.\n": "",
    "# PrivateNetwork, IPAddressDeny: databases are on the network, and named by host names.\n": "# PrivateNetwork, IPAddressDeny: it is for the network.\n",
}


def _edge(team: str, edge: dict, entry: dict, revision: dict, runtime_directory: str) -> dict:
    """Caddy reads certificates and configuration anew while it serves; only another program or another unit is a restart."""
    name, labels = f"{prefix(team)}edge.service", f"{runtime_directory}/.revisions"
    sandbox = SANDBOX
    for text, instead in FOR_EDGE.items():
        sandbox = sandbox.replace(text, instead.format(port=edge["port"], capability="CAP_NET_BIND_SERVICE" if edge["port"] < 1024 else ""))
    note = f"+/bin/sh -c 'mkdir -p -m 0700 {labels} && printf %%s {LABEL} >{labels}/edge'"
    content = f"""\
[Unit]
Description=MCP edge of {team}
After=network-online.target {entry["after"]}
Wants=network-online.target
{f"Requires={entry['after']}" if entry["after"] else ""}
PartOf={entry["target"]}
StartLimitIntervalSec=0

[Service]
Type=notify
Environment=HOME={edge["data"]} XDG_DATA_HOME={edge["data"]} XDG_CONFIG_HOME={edge["data"]} GOMEMLIMIT=400MiB
ExecStart={edge["program"]} run --config {edge["config"]}
ExecStartPost={note}
# Through a socket of its own user's; what runs stays when the new configuration cannot be used.
ExecReload={edge["program"]} reload --force --config {edge["config"]} --address unix/{edge["admin"]}
ExecReload={note}
Restart=always
RestartSec=200ms
RestartSteps=8
RestartMaxDelaySec=30s
TimeoutStartSec=60
TimeoutStopSec={STOP_SECONDS}
KillMode=mixed
User={edge["user"]}
Group={edge["user"]}
WorkingDirectory={edge["data"]}
RuntimeDirectory={runtime_directory.removeprefix("/run/")}/edge
RuntimeDirectoryMode=0700
ReadWritePaths={edge["data"]} {edge["log"]}
MemoryMax=512M
{sandbox}
[Install]
WantedBy={entry["target"]}
"""
    start = hashlib.sha256(f"{revision.get('start', '')}\0{content}".encode()).hexdigest()[:16]
    label = f"{start}.{revision.get('config', '')}"
    return {"name": name, "content": content.replace(LABEL, label), "revision": label, "reload": True}


def _memory(name: str, service: dict) -> str:
    """Half of what all processes of users may take together: they share their program's pages, and seldom are all at their bound."""
    users = service.get("bridge", {}).get("users")
    if users is None:
        return MEMORY.get(name, "1G")
    if users.get("dense"):
        return str(1024**3 + int(users.get("memory_bytes", DENSE_MEMORY)))
    return str(1024**3 + int(users.get("most", USERS_MOST)) * int(users.get("memory_bytes", USERS_MEMORY)) // 2)


def firewall_rules(manifest: dict) -> str:
    """nftables: each `translate` is open to the user of its own service only, and nobody opens connections to the edge without end.

    Empty where there is neither.
    """
    lines = []
    for service in manifest["services"].values():
        ports = service.get("bridge", {}).get("translate_ports")
        if ports and service["bridge"]["wrapper"] == "translate":
            lines.append(f'        tcp dport {{ {", ".join(map(str, ports))} }} meta skuid != "{service["user"]}" reject with tcp reset')
    chains = ["    chain output {", "        type filter hook output priority filter; policy accept;", *lines, "    }"] if lines else []
    if "edge" in manifest:
        chains += _connections(manifest["edge"]["port"], manifest["edge"]["connections"])
    if not chains:
        return ""
    table = f"inet mcp_tenancy_{manifest['team']}"
    return "\n".join([f"table {table}", f"delete table {table}", f"table {table} {{", *chains, "}"]) + "\n"


def _connections(port: int, most: int) -> list[str]:
    """New connections of one address (IPv6: one network of 64 bits) in a second. What is too much is dropped, so that a client tries again a little later."""
    chains, rules = [], []
    for family, kind, address in (("4", "ipv4_addr", "ip saddr"), ("6", "ipv6_addr", "ip6 saddr and ffff:ffff:ffff:ffff::")):
        chains += [f"    set edge{family} {{", f"        type {kind}; size 65536; flags dynamic, timeout; timeout 1m;", "    }"]
        limit = f"limit rate over {most}/second burst {2 * most} packets"
        rules.append(f'        iifname != "lo" tcp dport {port} tcp flags & (fin | syn | rst | ack) == syn update @edge{family} {{ {address} {limit} }} drop')
    return [*chains, "    chain input {", "        type filter hook input priority filter; policy accept;", *rules, "    }"]


def _firewall(team: str, target: str, path: str, runtime_directory: str, label: str) -> str:
    labels = f"{runtime_directory}/.revisions"
    load = f"/bin/sh -c '/usr/sbin/nft --file {path} && mkdir -p -m 0700 {labels} && printf %%s {label} >{labels}/firewall'"
    return f"""\
[Unit]
Description=MCP services of {team}: the ports of translate are closed to other users, the edge's port has its bounds
PartOf={target}

[Service]
Type=oneshot
RemainAfterExit=yes
RuntimeDirectory={runtime_directory.removeprefix("/run/")}
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
ExecStart={load}
ExecReload={load}
ExecStop=/usr/sbin/nft delete table inet mcp_tenancy_{team}

[Install]
WantedBy={target}
"""
