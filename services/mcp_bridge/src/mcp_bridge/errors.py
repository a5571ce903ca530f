# SPDX-License-Identifier: GPL-3.0-or-later
"""What a caller is told when a call cannot be answered: a JSON-RPC error code and one sentence with the next step."""

from __future__ import annotations

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022
#: Of our own, in the range that JSON-RPC leaves to servers.
SERVER_ENDED, SERVER_UNAVAILABLE, TIMED_OUT, BUSY, TOO_LARGE = -32001, -32002, -32003, -32004, -32005
NO_LOGIN, LOGIN_REFUSED = -32007, -32008


class BridgeError(Exception):
    """``code``: of JSON-RPC. ``outcome``: one word for the audit and the metrics. ``data``: for the error object, None for nothing."""

    def __init__(self, code: int, message: str, outcome: str = "error", data: object = None) -> None:
        super().__init__(message)
        self.code, self.outcome, self.data = code, outcome, data

    def body(self) -> dict:
        """The JSON-RPC error object."""
        error = {"code": self.code, "message": str(self)}
        return error if self.data is None else {**error, "data": self.data}


class GoneError(BridgeError):
    """The server has just ended, and this call was never sent to it: whoever makes it may make it again, of the next one."""

    def __init__(self) -> None:
        super().__init__(SERVER_UNAVAILABLE, "the database server is just being replaced; try again", "unavailable")
