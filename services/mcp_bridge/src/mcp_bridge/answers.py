# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers within bounds: too many rows or bytes are cut, and the answer says so. Pure."""

from __future__ import annotations

import orjson

SHORTEST_ROW = 8  # bytes: nothing shorter can hide more rows than the limit


def within(result: dict, max_rows: int, max_bytes: int) -> dict:
    """``result`` of a tools/call with each text cut to that many rows (where it is a JSON list, as server-postgres answers) and bytes."""
    content = result.get("content")
    if not isinstance(content, list):
        return result
    notes: list[str] = []
    kept = [_block(block, max_rows, max_bytes, notes) for block in content]
    if not notes:
        return result
    meta = {**(result.get("_meta") or {}), "mcp-bridge/cut": notes}
    return {**result, "content": [*kept, {"type": "text", "text": f"[CUT: {'; '.join(notes)}. Ask for fewer rows or columns.]"}], "_meta": meta}


def _block(block: object, max_rows: int, max_bytes: int, notes: list[str]) -> object:
    if not isinstance(block, dict) or not isinstance(block.get("text"), str):
        return block
    text: str = block["text"]
    if max_rows and len(text) > max_rows * SHORTEST_ROW and text.startswith("["):
        text = _rows(text, max_rows, notes)
    if max_bytes and len(text) * 4 > max_bytes:  # at most four bytes a character: short ones need no encoding
        encoded = text.encode()
        if len(encoded) > max_bytes:
            notes.append(f"the first {max_bytes} of {len(encoded)} bytes are shown")
            text = encoded[:max_bytes].decode(errors="ignore")
    return block if text is block["text"] else {**block, "text": text}


def _rows(text: str, max_rows: int, notes: list[str]) -> str:
    try:
        rows = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    if len(rows) <= max_rows:
        return text
    notes.append(f"the first {max_rows} of {len(rows)} rows are shown")
    return orjson.dumps(rows[:max_rows], option=orjson.OPT_INDENT_2).decode()
