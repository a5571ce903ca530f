# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a value a secret, or does it only stand where one would? Pure."""

from __future__ import annotations

import math
import re
from collections import Counter

#: A template's variable, an ellipsis, stars: somebody wrote that the secret is put in here later.
_TEMPLATE = re.compile(
    r"\{\{|\}\}|\{%|\$\{|\$\(|\{[\w.!\[\]'\"()]*\}|<[^>]*>?|%\(|%[sdr]\b|…|\.\.\.|\*\*\*|^\$+[A-Za-z_]\w*$|^%\w+%$|^\[.*\]$|^@|x{4,}|example", re.IGNORECASE
)
#: Words of which examples are made. Whoever has such a password has told it to everybody already.
_WORDS = re.compile(
    r"pass(?:word|wd|phrase|code)?|secret|token|creds?|credentials?|example|sample|changeme|change|replace|redacted|dummy|fake|guest|foobar|foo|bar|baz|user(?:name)?|"
    r"hunter2|canary|placeholder|hidden|masked|letmein|test(?:ing)?|none|null|undefined|true|false|omit|"
    r"your|here|the|some|this|not|real|old|new|other|wrong|right|admin|root|strong|secure|different|super|with|value|string|key|api|access|personal|client|long|"
    r"database|postgres(?:ql)?|mongo(?:db)?|redis|mysql",
    re.IGNORECASE,
)
#: What fingers find on a keyboard when they are to write something long.
_SEQUENCE = re.compile(r"abcdefgh|12345678|qwertyui|deadbeef|0123456|(.)\1{7}", re.IGNORECASE)


def is_placeholder(value: str) -> bool:
    """Whether nothing is lost when everybody reads this value."""
    value = value.strip("\"'`,; \t")
    if len(value) < 4 or len(set(value)) <= 2 or _TEMPLATE.search(value):
        return True
    if _SEQUENCE.search(value):
        return True
    if not re.search(r"[A-Za-z]", value) and len(value) < 8:
        return True
    rest = re.sub(r"[^A-Za-z0-9]+", "", _WORDS.sub("", value))
    return len(rest) <= 3 and rest != value


def entropy(value: str) -> float:
    """Shannon's, in bits for each character."""
    return -sum(count / len(value) * math.log2(count / len(value)) for count in Counter(value).values()) if value else 0.0


def looks_drawn(value: str) -> bool:
    """Whether a machine drew it: long, letters and digits mixed, and no name, path, address or sentence."""
    if len(value) < 16 or is_placeholder(value) or not (re.search(r"[A-Za-z]", value) and re.search(r"\d", value)):
        return False
    if re.search(r"://|^[~./]|[()\[\]{}\s|\\<>]|^[\w.-]+\.(?:py|ya?ml|json|txt|pem|crt|key|md|rst|j2|cfg|conf|sh|com|org|net|io)\b", value):
        return False
    if re.fullmatch(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", value):
        return False
    if re.fullmatch(r"[0-9A-Fa-f]+", value):
        return len(value) >= 32 and entropy(value) >= 3
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", value) if part]
    words = [part for part in parts if re.fullmatch(r"(?:[a-z]+|[A-Z]+|[A-Z]?[a-z]+(?:[A-Z][a-z]+)*)?\d{0,4}", part)]
    return len(words) < len(parts) and entropy(value) >= 3.3
