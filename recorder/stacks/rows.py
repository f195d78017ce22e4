"""Rows that refer to stacks, as arrays: their processes, their distinct stacks, and their sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sysmon.bpf.kind import Kind
from sysmon.bpf.kinds.stacks import NOT_TAKEN, USER_STACK

Records = npt.NDArray[np.void]


def by_process(records: Records) -> dict[tuple[int, int], list[int]]:
    """The stacks in user space of each process, by pid and start."""
    found: dict[tuple[int, int], list[int]] = {}
    which = np.unique(_columns(records[records[USER_STACK.name] > NOT_TAKEN], ("pid", "start", USER_STACK.name)))
    for pid, start, stack in which.tolist():
        found.setdefault((pid, start), []).append(stack)
    return found


def each(records: Records, names: tuple[str, ...], number: Callable[..., int]) -> npt.NDArray[np.uint64]:
    """A number for each row, computed once for rows that agree in these columns."""
    which, place = np.unique(_columns(records, names), return_inverse=True)
    return np.array([number(*values) for values in which.tolist()], np.uint64)[place.ravel()]


def summed(kind: Kind, records: Records) -> Records:
    """One row for rows with the same key: addresses of one function have become one stack."""
    keys = tuple(col.name for col in kind.c_cols("key"))
    _which, first, place = np.unique(_columns(records, keys), return_index=True, return_inverse=True)
    out = records[first].copy()
    for col in kind.c_cols("sum", "max"):
        totals = np.zeros(len(out), records.dtype[col.name])
        combine = np.add if col.role == "sum" else np.maximum
        combine.at(totals, place.ravel(), records[col.name])
        out[col.name] = totals
    return out


def _columns(records: Records, names: tuple[str, ...]) -> npt.NDArray[Any]:
    """These columns alone, without gaps: numpy compares structs with gaps slowly."""
    out = np.empty(len(records), [(name, records.dtype[name]) for name in names])
    for name in names:
        out[name] = records[name]
    return out
