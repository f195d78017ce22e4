"""What the user says of a recording: `--label KEY=VALUE`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from sysmon.errors import BadRequest
from sysmon.safe_text import one_line

KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)

MOST, MOST_BYTES = 64, 200
"""Of labels, and of the value of each, in UTF-8."""


def labels(texts: Iterable[str]) -> dict[str, str]:
    """The labels by key. Raises BadRequest."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = os.fsencode(text).decode("utf-8", "backslashreplace").partition("=")
        if problem := _problem(key, equals, value, found):
            raise BadRequest(f"--label {one_line(text)}: {problem}")
        found[key] = value
    if len(found) > MOST:
        raise BadRequest(f"--label: {len(found)} labels are more than a trace has, at most {MOST}")
    return found


def _problem(key: str, equals: str, value: str, found: dict[str, str]) -> str:
    """What is wrong with one; empty: nothing."""
    if not equals:
        return "write it as KEY=VALUE, such as version=1.2"
    if not KEY.fullmatch(key):
        return "the key has 1 to 64 letters, digits, `_`, `.` or `-`"
    if len(value.encode()) > MOST_BYTES:
        return f"the value is longer than {MOST_BYTES} bytes"
    return "the key was given before" if key in found else ""
