"""Checks what a Python program passes: a wrong argument is a BadRequest that names it and says what to give.

The commands have click for that. Here every value may be of any type.
"""

from __future__ import annotations

import math
import numbers
import operator
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from sysmon.errors import BadRequest
from sysmon.safe_text import one_line

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

MAX_PID = (1 << 32) - 1

MIN_NS, MAX_NS = -(1 << 63), (1 << 63) - 1
"""What a timestamp can hold."""

LONGEST = 60
"""Characters of a wrong value that are shown."""


def trace_path(name: str, given: Any) -> str | Path | pa.Table:
    """The name of a file, a pattern, or a table."""
    if isinstance(given, pa.Table) or (isinstance(given, str | os.PathLike) and _is_text(os.fspath(given))):
        return given
    raise _wrong(name, given, "a file name such as 'trace.parquet', a pattern, or a table: pq.read_table(file)")


def text(name: str, given: Any, example: str) -> str:
    """A text that UTF-8 can encode."""
    if not isinstance(given, str) or not _is_unicode(given):
        raise _wrong(name, given, f"text, such as {example}")
    return given


def optional_text(name: str, given: Any, example: str) -> str | None:
    """A text, or None."""
    return None if given is None else text(name, given, example)


def texts(name: str, given: Any, example: str) -> tuple[str, ...]:
    """Some texts. A single one is not meant as a list of its characters."""
    return _each(name, given, lambda one: text(name, one, example), f"[{example}]")


def pid(name: str, given: Any) -> int:
    """The number of a process, also one of numpy."""
    number = _whole(given)
    if number is None or not 0 <= number <= MAX_PID:
        raise _wrong(name, given, "the number of a process, such as 1234")
    return number


def pids(name: str, given: Any) -> tuple[int, ...]:
    """The numbers of some processes."""
    return _each(name, given, lambda one: pid(name, one), "[1234]")


def pid_or_pids(name: str, given: Any) -> tuple[int, ...]:
    """One, some or none (None)."""
    if given is None:
        return ()
    return pids(name, given) if isinstance(given, Iterable) else (pid(name, given),)


def instant(name: str, given: Any) -> int | None:
    """An instant [UTC ns since 1970], or None."""
    number = None if given is None else _whole(given)
    if given is not None and (number is None or not MIN_NS <= number <= MAX_NS):
        raise _wrong(name, given, "whole nanoseconds since 1970, such as trace.metadata['started_ns'], or None")
    return number


def percentage(name: str, given: Any) -> float:
    """A number that is not negative [%]."""
    if isinstance(given, bool) or not isinstance(given, numbers.Real) or not 0 <= float(given) < math.inf:
        raise _wrong(name, given, "a percentage, such as 25.0")
    return float(given)


def _each(name: str, given: Any, checked: Callable[[Any], T], example: str) -> tuple[T, ...]:
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise _wrong(name, given, f"a list, such as {example}")
    return tuple(checked(one) for one in given)


def _whole(given: Any) -> int | None:
    """The integer that it is; None if it is none."""
    if isinstance(given, bool):
        return None
    try:
        return operator.index(given)
    except TypeError:
        return None


def _is_text(given: Any) -> bool:
    return isinstance(given, str) and bool(given)


def _is_unicode(given: str) -> bool:
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True


def _wrong(name: str, given: Any, wanted: str) -> BadRequest:
    plain = given is None or isinstance(given, str | bytes | int | float)
    said = one_line(repr(given)) if plain else f"a {type(given).__name__}"
    said = said if len(said) <= LONGEST else f"{said[:LONGEST]}…"
    return BadRequest(f"{name}: {said} is not right; give {wanted}")
