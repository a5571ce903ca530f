# SPDX-License-Identifier: GPL-3.0-or-later
"""A wrapped server that writes what it should not: nobody may get it, and everybody after it gets what is his."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.conformance.target import Target, asleep, is_echo
from tests.conformance.verdict import Size, Verdict, add, failed, judged

KINDS = {
    "text": "lines that are no JSON",
    "torn": "an answer that breaks off",
    "no_object": "JSON that is no object",
    "unknown_id": "answers with ids that nobody used",
    "odd_id": "answers with ids that are no ids",
    "twice": "a second answer to a call",
    "half": "half a line, a pause, the rest",
    "crlf": "lines that end with CR LF",
    "utf8": "bytes that are no UTF-8",
    "deep": "JSON nested 100,000 deep",
    "request": "requests of its own, with a caller's id",
    "flood": "5,000 notifications",
    "stderr": "4 MB on its error output",
    "long": "a line of 40 MB",
}


async def garbage(target: Target, size: Size, *, kind: str) -> Verdict:
    """One call asks for it; a bystander waits meanwhile; then others come.

    The bystander has an id of its own: whether equal ids are told apart is another case, and would hide what this one asks.
    """
    first, bystander = await target.clients(2)
    waiting = asyncio.create_task(bystander.call("sleep", identifier=76, seconds=0.6, text="bystander"))
    async with bystander.sibling() as witness:
        if not await asleep(witness, "bystander"):
            return failed("the bystander's call did not arrive")
    asked = await first.call("garbage", identifier=77, kind=kind)
    problems = []
    if not (is_echo(asked, kind) or asked.error):
        problems.append(f"the call itself: {asked.what if asked.answer is None else 'wrong answer'}")
    waited = await waiting
    if not (is_echo(waited, "bystander") or waited.error):
        problems.append(f"a bystander: {waited.what if waited.answer is None else 'wrong answer'}")
    for number in range(5):
        async with target.client(patience=5) as later:
            await later.start()
            reply = await later.call("echo", identifier=77 if number % 2 else 78, text=f"later {number}")
            await later.end()
        if not is_echo(reply, f"later {number}"):
            problems.append(f"a later call: {reply.what if reply.answer is None else 'wrong answer'}")
            break
    if bystander.session:  # who has a session goes on in it
        reply = await bystander.call("echo", text="same session", patience=5)
        if not is_echo(reply, "same session"):
            problems.append(f"a later call in the same session: {reply.what}")
    await first.end()
    await bystander.end()
    return judged(not problems, "; ".join(problems))


for _kind, _text in KINDS.items():
    add(f"garbage_{_kind}", f"server writes {_text}", partial(garbage, kind=_kind))
