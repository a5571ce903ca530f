# SPDX-License-Identifier: GPL-3.0-or-later
"""The routing core and the line splitter: whose answer goes where, in bounded memory."""

from __future__ import annotations

import asyncio
import random

import pytest

from mcp_bridge.calls import Calls
from mcp_bridge.errors import BridgeError
from mcp_bridge.lines import Lines, TooLong


def test_b1_each_answer_goes_to_the_call_that_it_belongs_to_in_whatever_order() -> None:
    async def run() -> None:
        calls = Calls()
        opened = [calls.open() for _ in range(1000)]
        shuffled = random.sample(opened, len(opened))
        assert all(calls.settle({"id": identity, "result": identity}) for identity, _answer in shuffled)
        assert [(await answer)["result"] for _identity, answer in opened] == [identity for identity, _answer in opened]
        assert len(calls) == 0

    asyncio.run(run())


def test_b1_ids_never_return_not_even_in_another_generation() -> None:
    async def run() -> None:
        first, second = Calls(), Calls()
        ids = [calls.open()[0] for _ in range(100) for calls in (first, second)]
        assert len(set(ids)) == len(ids)
        late, _answer = first.open()
        first.close(late)
        assert not second.settle({"id": late, "result": "late"})

    asyncio.run(run())


@pytest.mark.parametrize("identity", [None, "1", 1.0, True, [1], {"id": 1}, -1])
def test_an_answer_with_an_id_that_nobody_was_given_reaches_nobody(identity: object) -> None:
    async def run() -> None:
        calls = Calls()
        _identity, answer = calls.open()
        assert not calls.settle({"id": identity, "result": 1})
        assert not answer.done()

    asyncio.run(run())


def test_a_second_answer_to_one_call_reaches_nobody() -> None:
    async def run() -> None:
        calls = Calls()
        identity, answer = calls.open()
        assert calls.settle({"id": identity, "result": 1}) and not calls.settle({"id": identity, "result": 2})
        assert (await answer)["result"] == 1

    asyncio.run(run())


def test_b2_when_the_server_ends_every_call_in_flight_is_told() -> None:
    async def run() -> None:
        calls = Calls()
        answers = [calls.open()[1] for _ in range(5)]
        calls.fail(BridgeError(-32001, "gone"))
        for answer in answers:
            with pytest.raises(BridgeError, match="gone"):
                await answer
        assert len(calls) == 0

    asyncio.run(run())


def test_lines_are_whole_however_the_stream_is_cut() -> None:
    text = b'{"a":1}\r\n\n{"b":"\xc3\xa9"}\n' * 50
    for size in (1, 2, 7, 1000):
        lines, found = Lines(100), []
        for start in range(0, len(text), size):
            found += lines.feed(text[start : start + size])
        assert found == [b'{"a":1}', b'{"b":"\xc3\xa9"}'] * 50


def test_b3_a_line_without_end_takes_no_memory_and_its_call_is_found_by_the_id_at_its_end() -> None:
    lines = Lines(1000)
    for _ in range(10_000):
        assert lines.feed(b"x" * 1000) == []
        assert sum(map(len, lines._parts)) <= 2000
    (long, short) = lines.feed(b'"},"jsonrpc":"2.0","id":42}\n{}\n')
    assert isinstance(long, TooLong) and long.identity == 42 and long.length > 10_000_000
    assert short == b"{}"


def test_a_long_line_without_an_id_at_its_end_belongs_to_nobody() -> None:
    (long,) = Lines(10).feed(b'{"id":7,"result":"' + b"y" * 100 + b'"}\n')
    assert isinstance(long, TooLong) and long.identity is None
