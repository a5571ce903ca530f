# SPDX-License-Identifier: GPL-3.0-or-later
"""What the suite has to know of a wrapper to start it, and what the wrapper promises of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Order:
    """What is to be run, and where: the same for all wrappers."""

    command: list[str]
    environment: dict[str, str]
    port: int
    folder: Path
    call_seconds: float
    canary: str  # name of a variable that the wrapper's own process has and the wrapped server must not see


@dataclass(frozen=True)
class Start:
    """How this wrapper is told the order."""

    argv: list[str]
    env: dict[str, str]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wrapper:
    name: str
    start: Callable[[Order], Start]
    version: Callable[[], str]
    path: str = "/mcp"
    sse_path: str | None = None
    restarts_itself: bool = False  # replaces a dead wrapped server without help, by its own account
    promises_cancellation: bool = False  # a client that goes away cancels its call
    call_seconds: Callable[[float], float | None] = lambda asked: None
    max_request_bytes: int | None = None
    has_door: bool = False  # asks for a credential
    ours: bool = False
