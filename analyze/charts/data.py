"""Rows of a trace as numpy arrays: numbers, with NaN for what is not known, and texts."""

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
"""What a chart reads at most: 24 MB for each of its columns of numbers. A recording of 100 million rows has half."""

UNKNOWN = -1
"""Stands for a pid or a start that is not known."""

IDS = "CAST(COALESCE(pid, -1) AS BIGINT) AS pid, COALESCE(TRY_CAST(start AS BIGINT), -1) AS start"
"""SQL: the two columns that are a process."""


def columns(trace: Trace, query: str, values: dict[str, object] | None = None) -> dict[str, Any]:
    """The rows of a query of sysmon's own, an array for each column; `values` are those of its parameters.

    Floating point columns have NaN for NULL. Columns of integers and texts must not be NULL. Raises BrokenTrace if
    there are more rows than `MOST_ROWS`.
    """
    found = trace.own(f"SELECT * FROM ({query}) LIMIT {MOST_ROWS + 1}", values).fetchnumpy()
    if any(len(array) > MOST_ROWS for array in found.values()):
        raise too_many(trace)
    return {name: _plain(array) for name, array in found.items()}


def too_many(trace: Trace) -> BrokenTrace:
    """What is said of a trace, or a part of one, that has more to draw than fits into memory."""
    return BrokenTrace(
        f"{one_line(str(trace.source.path))}: has more rows than a chart can be made of; "
        "draw a part of it with --since and --until"
    )


def is_text(texts: Any, text: str) -> npt.NDArray[np.bool_]:
    """Which of the texts are this one. numpy would compare without NULs at their end."""
    return np.fromiter((each == text for each in texts.tolist()), bool, len(texts))


def _plain(array: Any) -> Any:
    if isinstance(array, np.ma.MaskedArray):
        return array.filled(np.nan) if array.dtype.kind == "f" else array.filled()
    return array
