"""Rows of a trace as numpy arrays: numbers, with NaN for what is not known, and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from analyze.trace import Trace

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

UNKNOWN = -1
"""Stands for a pid or a start that is not known."""

IDS = "CAST(COALESCE(pid, -1) AS BIGINT) AS pid, COALESCE(TRY_CAST(start AS BIGINT), -1) AS start"
"""SQL: the two columns that are a process."""


def columns(trace: Trace, query: str, values: dict[str, object] | None = None) -> dict[str, Any]:
    """The rows of a query of sysmon's own, an array for each column; `values` are those of its parameters.

    Floating point columns have NaN for NULL. Columns of integers and texts must not be NULL.
    """
    found = trace.own(query, values).fetchnumpy()
    return {name: _plain(array) for name, array in found.items()}


def _plain(array: Any) -> Any:
    if isinstance(array, np.ma.MaskedArray):
        return array.filled(np.nan) if array.dtype.kind == "f" else array.filled()
    return array
