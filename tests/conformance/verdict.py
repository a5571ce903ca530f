# SPDX-License-Identifier: GPL-3.0-or-later
"""What a case says, and how cases are made known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from tests.conformance.target import Target

PASS, FAIL, NOT_APPLICABLE = "pass", "fail", "n.a."
Value = TypeVar("Value")


@dataclass(frozen=True)
class Verdict:
    state: str
    figure: str = ""

    def __str__(self) -> str:
        return f"{self.state} {self.figure}".strip()


def passed(figure: str = "") -> Verdict:
    return Verdict(PASS, figure)


def failed(figure: str) -> Verdict:
    return Verdict(FAIL, figure)


def not_applicable(reason: str) -> Verdict:
    return Verdict(NOT_APPLICABLE, reason)


def judged(good: bool, figure: str = "") -> Verdict:
    return passed(figure) if good else failed(figure)


@dataclass(frozen=True)
class Size:
    """`short` fits into every test run; `full` gives the figures that are published."""

    short: bool

    def pick(self, short: Value, full: Value) -> Value:
        return short if self.short else full


Function = Callable[["Target", Size], Awaitable[Verdict]]


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    function: Function
    own: dict | None = None  # how its own wrapper is started; None: one that other cases have used is good enough
    pids: bool = False  # looks at processes, so the wrapper has to be ours to start
    limit: tuple[float, float] = (40, 300)  # seconds, short and full, after which the case itself has failed


CASES: dict[str, Case] = {}


def case(title: str, *, own: dict | None = None, pids: bool = False, limit: tuple[float, float] = (40, 300)) -> Callable[[Function], Function]:
    """Makes `case_<name>` known; the name is its id in tests and tables."""

    def register(function: Function) -> Function:
        add(function.__name__.removeprefix("case_"), title, function, own=own, pids=pids, limit=limit)
        return function

    return register


def add(name: str, title: str, function: Function, **options: object) -> None:
    assert name not in CASES, name
    CASES[name] = Case(name, title, function, **options)  # type: ignore[arg-type]


@dataclass
class Tally:
    """Counts of answers: right, another caller's, and none."""

    right: int = 0
    wrong: int = 0
    lost: int = 0
    refused: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.right + self.wrong + self.lost + self.refused

    def __str__(self) -> str:
        parts = [f"{count} {word}" for count, word in ((self.wrong, "wrong"), (self.lost, "lost"), (self.refused, "refused")) if count]
        return f"{', '.join(parts) or '0 wrong'} of {self.total:,}" + (f" (e.g. {self.examples[0]})" if self.examples else "")
