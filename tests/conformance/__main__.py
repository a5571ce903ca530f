# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m tests.conformance --wrapper NAME[,NAME] [--short] [--markdown FILE]: which promises hold, for which wrapper."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from tests.conformance.report import markdown, merged, plain
from tests.conformance.suite import Keeper, chosen, judge
from tests.conformance.target import Target
from tests.conformance.verdict import FAIL, Case, Size, Verdict
from tests.wrappers import WRAPPERS

GIVEN = "given"
SHORT_NAMES = {"bridge": "bridge-direct"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--wrapper", help=f"names, with commas between them, or 'all': {', '.join(WRAPPERS)}")
    parser.add_argument("--url", help="Streamable HTTP address of a wrapper that runs already, with tests/conformance/stub_server.py behind it")
    parser.add_argument("--sse-url", help="its SSE address, if it has one")
    parser.add_argument("--token-env", metavar="NAME", help="the environment variable that holds its bearer token")
    parser.add_argument("--short", action="store_true", help="less of each: under a minute for a wrapper that is in order")
    parser.add_argument("--case", action="append", default=[], metavar="PART", help="only cases with this in their name (several are allowed)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there, too")
    parser.add_argument("--results", type=Path, metavar="FILE", help="collect verdicts of several runs there; the table then shows them all")
    parser.add_argument("--list", action="store_true", help="only tell which cases there are")
    given = parser.parse_args()
    if not given.list and bool(given.wrapper) == bool(given.url):
        parser.error("either --wrapper or --url")
    return given


def run_all(name: str, cases: list[Case], size: Size, given: argparse.Namespace) -> dict[str, Verdict]:
    results = {}
    target = None
    if name == GIVEN:
        headers = {"Authorization": f"Bearer {os.environ[given.token_env]}"} if given.token_env else {}
        target = Target(given.url, headers, given.sse_url)
    with Keeper(name) as keeper:
        for case in cases:
            begun = time.monotonic()
            results[case.name] = judge(case, target, size) if target else keeper.run(case, size)
            print(plain(case, name, results[case.name], time.monotonic() - begun), flush=True)
    return results


def main() -> int:
    given = arguments()
    cases, size = chosen(given.case), Size(given.short)
    if given.list:
        print("\n".join(f"{case.name:45} {case.title}" for case in cases))
        return 0
    names = [GIVEN] if given.url else list(WRAPPERS) if given.wrapper == "all" else [SHORT_NAMES.get(name, name) for name in given.wrapper.split(",")]
    unknown = [name for name in names if name not in (*WRAPPERS, GIVEN)]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(WRAPPERS)}", file=sys.stderr)
        return 2
    results, versions = {}, {}
    shown = (results, versions)
    for name in names:
        versions[name] = WRAPPERS[name].version() if name in WRAPPERS else "as it runs"
        results[name] = run_all(name, cases, size, given)
        if given.results:  # after each, so that what was found is not lost with what comes next
            shown = merged(given.results, results, versions)
    table = markdown(chosen([]) if given.results else cases, *shown)
    if given.markdown:
        given.markdown.write_text(table)
    print("\n" + table)
    ours = [name for name in names if name == GIVEN or WRAPPERS[name].ours]
    return int(any(verdict.state == FAIL for name in ours for verdict in results[name].values()))


if __name__ == "__main__":
    sys.exit(main())
