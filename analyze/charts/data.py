"""Rows of a trace as numpy arrays: numbers, with NaN for unknown, and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sysmon.errors import BrokenTrace
from sysmon.safe_text import one_line

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_ROWS = 3_000_000
"""Most rows that a chart reads: 24 MB per column of numbers. A recording of 100 million rows has half of that."""

UNKNOWN = -1
"""Stands for an unknown pid or start."""


def ids_of(table: str) -> str:
    """SQL: the two columns of a table that identify a process."""
    return f"CAST(COALESCE({table}pid, -1) AS BIGINT) AS pid, COALESCE(TRY_CAST({table}start AS BIGINT), -1) AS start"


IDS = ids_of("")
"""The same where only one table has them."""


def columns(trace: Trace, query: str, values: dict[str, object] | None = None) -> dict[str, Any]:
    """The rows of an internal query, one array per column; `values` are its parameters.

    Floating-point columns have NaN for NULL. Integer and text columns must not be NULL. Raises BrokenTrace if there are
    more rows than `MOST_ROWS`.
    """
    found = trace.own(f"SELECT * FROM ({query}) LIMIT {MOST_ROWS + 1}", values).fetchnumpy()
    if any(len(array) > MOST_ROWS for array in found.values()):
        raise too_many(trace)
    return {name: _plain(array) for name, array in found.items()}


def too_many(trace: Trace) -> BrokenTrace:
    """The error for a trace, or part of one, with more to draw than fits into memory."""
    return BrokenTrace(
        f"{one_line(str(trace.source.path))}: has more rows than a chart can show; "
        "draw a part of it with --since and --until"
    )


def is_text(texts: Any, text: str) -> npt.NDArray[np.bool_]:
    """Mask of the texts equal to this one. numpy would ignore NULs at their end."""
    return np.fromiter((each == text for each in texts.tolist()), bool, len(texts))


def _plain(array: Any) -> Any:
    if isinstance(array, np.ma.MaskedArray):
        return array.filled(np.nan) if array.dtype.kind == "f" else array.filled()
    return array
