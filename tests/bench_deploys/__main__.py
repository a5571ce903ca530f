# SPDX-License-Identifier: GPL-3.0-or-later
"""Second runs of deploy.yml on real hosts: against one task for each object, and ten hosts against one. Makes and removes its own hosts.

    python -m tests.bench_deploys [--hosts 10] [--repetitions 3]

Needs a Docker engine, as `make molecule` does. No database: finding out that nothing is to be done asks none.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from demo import tls

REPOSITORY = Path(__file__).resolve().parents[2]
MOLECULE = REPOSITORY / ".cache/molecule/bin"
IMAGE, COPY = "mcp-tenancy/test-host:trixie", "mcp-tenancy/bench-copy"
LOGIN = "reader:not-a-secret@db.internal"


def call(*command: str | Path, **options: object) -> subprocess.CompletedProcess:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command[:3]))} … ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return done


@contextlib.contextmanager
def removed_in_the_end(names: list[str]) -> Iterator[None]:
    """Test hosts of these names, the image of one of them, and nothing of an earlier run."""
    try:
        for name in names:
            remove(name)
        yield
    finally:
        for name in names:
            remove(name)
        subprocess.run(["docker", "rmi", COPY], capture_output=True, check=False)


def start(name: str, image: str) -> None:
    """A host with systemd."""
    version2 = call("docker", "info", "--format", "{{.CgroupVersion}}").stdout.strip() == "2"
    cgroups = ["--cgroupns", "private"] if version2 else ["--cgroupns", "host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"]
    settings = [part for name in ("PIP_INDEX_URL", "PIP_TRUSTED_HOST", "npm_config_registry") if os.environ.get(name) for part in ("--env", name)]
    rights = ["--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--security-opt", "apparmor=unconfined"]
    call("docker", "run", "--detach", "--name", name, "--hostname", name, *rights, *cgroups, *settings, image)


def copy(name: str) -> None:
    """An image of a host that is deployed, with everything installed and nothing running, so that each further host costs seconds and not minutes."""
    call("docker", "exec", name, "sh", "-c", "systemctl disable --quiet --now mcp-tenancy-bench-services.target; systemctl stop 'mcp-tenancy-bench-*'")
    call("docker", "commit", name, COPY)


def remove(name: str) -> None:
    subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, check=False)


def inventory(folder: Path, names: list[str]) -> Path:
    """A team with two environments on all of the hosts, made as a person would make it: with init.yml."""
    tls.ensure(folder / "tls")  # a CA as a file; there is no database, which a deploy tells and goes on
    environments = [
        {"name": name, "postgres": f"postgresql://{LOGIN}/{name}", "mongodb": f"mongodb://{LOGIN}/{name}", "members": ["alice@bench.example"]}
        for name in ("dev", "prod")
    ]
    answers = {"init_team": "bench", "init_hosts": names, "init_ca": str(folder / "tls/ca.pem"), "init_environments": environments}
    answers |= {"init_inventories": str(folder), "init_key_file": str(folder / "bench.key")}
    (folder / "answers.json").write_text(json.dumps(answers))
    playbook("init.yml", "-e", f"@{folder}/answers.json")
    made = folder / "bench"
    connection = {"ansible_connection": "community.docker.docker", "ansible_become": False, "ansible_python_interpreter": "/usr/bin/python3"}
    entries = {"mcp_gateways": {"children": {"bench": {"hosts": dict.fromkeys(names, connection)}}}}
    (made / "hosts.yml").write_text(json.dumps(entries))
    variables = made / "group_vars/bench/bench.yml"
    variables.write_text(json.dumps({"mcp_wrapper": "bridge"}))
    return made


def playbook(*arguments: str | Path) -> float:
    """Seconds of one run, Ansible's own start included."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".collections")}
    began = time.monotonic()
    call(MOLECULE / "ansible-playbook", *arguments, cwd=REPOSITORY, env=environment)
    return time.monotonic() - began


def objects(host: str, folder: Path) -> dict:
    """What one_task_per_object.yml compares: copies of the host's own files and units."""
    places = "/etc/systemd/system/mcp-tenancy-bench-* {0}/bin/* {0}/etc/*.* {0}/etc/ca/*".format("/srv/mcp-tenancy/bench")
    listing = call("docker", "exec", host, "sh", "-c", f"ls -d {places}").stdout.split()
    paths = [path for path in listing if not path.endswith((".wants", "vault.key", "client.json", "deployed.json"))]
    (folder / "copies").mkdir(exist_ok=True)
    files = []
    for path in paths:
        source = folder / "copies" / path.strip("/").replace("/", "_")
        call("docker", "cp", f"{host}:{path}", source)
        files.append({"source": str(source), "path": path})
    environments = call("docker", "exec", host, "sh", "-c", "ls -d /srv/mcp-tenancy/bench/lib/*/bin").stdout.split()
    units = [Path(path).name for path in paths if path.startswith("/etc/systemd/system/")]
    return {"bench_host": host, "bench_files": files, "bench_units": units, "bench_environments": [path.removesuffix("/bin") for path in environments]}


def measure(number: int, repetitions: int, folder: Path) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {"one host": [], "one task per object": [], f"{number} hosts": []}
    names = [f"mcp-tenancy-bench-{index}" for index in range(1, number + 1)]
    with removed_in_the_end(names):
        made = inventory(folder, names)
        start(names[0], IMAGE)
        print(f"first run on one host: {playbook('deploy.yml', '-i', made, '--limit', names[0]):.0f} s", flush=True)
        copy(names[0])
        for name in names[1:]:
            start(name, COPY)
        print(f"on {number} hosts, two at a time: {playbook('deploy.yml', '-i', made, '-e', 'mcp_serial=2'):.0f} s", flush=True)
        playbook("deploy.yml", "-i", made)
        (folder / "objects.json").write_text(json.dumps(objects(names[0], folder)))
        for _ in range(repetitions):
            figures["one host"].append(playbook("deploy.yml", "-i", made, "--limit", names[0]))
            figures["one task per object"].append(playbook("tests/bench_deploys/one_task_per_object.yml", "-i", made, "-e", f"@{folder}/objects.json"))
            figures[f"{number} hosts"].append(playbook("deploy.yml", "-i", made))
            print({name: round(times[-1], 1) for name, times in figures.items()}, flush=True)
    return figures


def table(figures: dict[str, list[float]]) -> str:
    one = statistics.median(figures["one host"])
    lines = ["| second run, nothing to do | seconds, median (least–most) | of one host |", "| --- | ---: | ---: |"]
    for name, times in figures.items():
        middle = statistics.median(times)
        lines.append(f"| {name} | {middle:.1f} ({min(times):.1f}–{max(times):.1f}) | {middle / one:.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench_deploys", description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--repetitions", type=int, default=3)
    given = parser.parse_args()
    for command in ("scripts/venv .cache/molecule requirements/molecule.txt", "scripts/link-collection", "tests/hosts/engine", "tests/hosts/build"):
        call(*command.split(), cwd=REPOSITORY)
    folder = Path(tempfile.mkdtemp(prefix="bench-deploys-"))
    try:
        print(table(measure(given.hosts, given.repetitions, folder)))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
