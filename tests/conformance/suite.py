# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs cases against a wrapper, and gives each a wrapper that is in order.

Cases share one that runs, since starting takes seconds; but whatever is not a plain pass may have left something behind, so the next
case then gets a new one.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.conformance import (
    cases_answers,
    cases_cancellation,
    cases_children,
    cases_connections,
    cases_garbage,
    cases_http,
    cases_official,
    cases_size,
    cases_sse,
)
from tests.conformance.target import Target
from tests.conformance.verdict import CASES, PASS, Case, Size, Verdict, failed, not_applicable
from tests.wrappers import NotReadyError, running

ORDER = (cases_answers, cases_official, cases_sse, cases_cancellation, cases_children, cases_garbage, cases_size, cases_connections, cases_http)
STUB = [sys.executable, "-I", "-S", str(Path(__file__).with_name("stub_server.py"))]


class Keeper:
    """The wrapper that cases share; started when one needs it, replaced when it may be damaged."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stack = ExitStack()
        self.target: Target | None = None

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def drop(self) -> None:
        self.target = None
        self.stack.close()

    def start(self, *, environment: dict[str, str] | None = None, call_seconds: float = 30) -> Target:
        self.drop()
        self.target = Target.of(self.stack.enter_context(running(self.name, STUB, environment, call_seconds=call_seconds)))
        return self.target

    def run(self, case: Case, size: Size) -> Verdict:
        try:
            target = (self.target if case.own is None else None) or self.start(**(case.own or {}))
        except NotReadyError as error:
            return failed(f"does not start: {str(error)[-300:]}")
        verdict = judge(case, target, size)
        if verdict.state != PASS or case.own is not None:
            self.drop()
        return verdict


def judge(case: Case, target: Target, size: Size) -> Verdict:
    """The verdict, also when the case itself does not come to one."""
    if case.pids and not target.running:
        return not_applicable("needs to see the processes")
    seconds = size.pick(*case.limit)

    async def limited() -> Verdict:
        try:
            async with asyncio.timeout(seconds):
                return await case.function(target, size)
        except TimeoutError:
            return failed(f"no end in {seconds:.0f} s")
        except (OSError, asyncio.IncompleteReadError) as error:
            return failed(f"connection lost ({error or type(error).__name__})"[:120])

    return asyncio.run(limited())


def chosen(patterns: list[str]) -> list[Case]:
    """In the order of the table; with patterns, those that have one of them in their name."""
    modules = [module.__name__ for module in ORDER]
    cases = sorted(CASES.values(), key=lambda case: modules.index(getattr(case.function, "func", case.function).__module__))
    return [case for case in cases if not patterns or any(pattern in case.name for pattern in patterns)]
