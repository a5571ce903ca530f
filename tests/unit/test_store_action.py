# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose name a lease is taken in."""

from __future__ import annotations

import multiprocessing
import os

from ansible_collections.mcp.tenancy.plugins.plugin_utils._store_action import StopError, StoreAction


def test_a_task_that_outlived_its_run_takes_no_lease_in_the_name_of_who_adopted_it() -> None:
    """As a worker of Ansible whose control process was killed: a child whose parent ends before it asks."""
    context = multiprocessing.get_context("fork")
    there, told = context.Pipe(duplex=False)

    def worker() -> None:
        first = StoreAction._run() == multiprocessing.parent_process().pid
        told.send("began")
        while os.getppid() == multiprocessing.parent_process().pid:
            pass
        try:
            StoreAction._run()
            told.send((first, "taken"))
        except StopError as error:
            told.send((first, str(error)))

    def control() -> None:
        context.Process(target=worker).start()
        assert there.recv() == "began"
        os._exit(0)

    run = context.Process(target=control)
    run.start()
    run.join()
    first, said = there.recv()
    assert first and "has ended, so nothing was done. Next: run again" in said
    assert StoreAction._run() == os.getppid()
