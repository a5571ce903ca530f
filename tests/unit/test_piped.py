# SPDX-License-Identifier: GPL-3.0-or-later
"""The text for a host's Python says what the function says here."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ansible_collections.mcp.tenancy.plugins.module_utils import _record
from ansible_collections.mcp.tenancy.plugins.plugin_utils import _piped


def piped(name: str, function: str, arguments: dict) -> subprocess.CompletedProcess:
    text = _piped.Program(name, function).text(arguments)
    return subprocess.run([sys.executable, "-IS", "-"], input=text, capture_output=True, check=False, cwd="/")


@pytest.mark.parametrize("path", ["/no/such/record", "/no/'quote\" \\and\nline/ü€😀", "{braces}", "/"])
def test_a_host_answers_what_the_function_answers(path) -> None:
    arguments = {"path": path, "inputs": "digest"}
    done = piped("_record", "compare", arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == _record.compare(**arguments)


def test_what_is_not_on_hosts_is_refused_here() -> None:
    with pytest.raises(ValueError, match=r"_account_module\.py imports ansible"):
        _piped.Program("_account_module", "main")


def test_what_goes_wrong_there_is_no_answer() -> None:
    assert piped("_record", "compare", {"no_such_argument": 1}).returncode != 0
