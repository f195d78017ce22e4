"""Events as lines, a batch at a time: Arrow puts them together, as Python would take ten times as long.

    22:13:21.300000 open       cc                  102 ENOENT       /usr/local/include/stdio.h

In a narrow terminal the time and names are shortened, then columns are left out; what does not fit is cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sysmon.analyze.follow.columns import cell
from sysmon.safe_text import shown

NOT_PLAIN = r"[^ -~]"
"""A character that may act on a terminal, or take more or less than one cell."""

EVENT, PID, ERROR = 10, 7, 12
"""Widths of columns."""

DAY_NS = 86_400 * 10**9


@dataclass(frozen=True)
class Page:
    """Lines: when each happened and was over [ns since 1970, 0 if unknown], its kind, and whether it stands out."""

    ns: npt.NDArray[np.int64]
    over_ns: npt.NDArray[np.int64]
    kinds: list[str]
    failed: list[bool]
    lines: list[str]

    def part(self, begin: int, end: int | None) -> Page:
        """Lines from one place to another."""
        cut = slice(begin, end)
        return Page(self.ns[cut], self.over_ns[cut], self.kinds[cut], self.failed[cut], self.lines[cut])

    def where(self, wanted: npt.NDArray[np.bool_]) -> Page:
        """Some of the lines."""
        at = np.flatnonzero(wanted).tolist()
        kinds, failed = [self.kinds[i] for i in at], [self.failed[i] for i in at]
        return Page(self.ns[at], self.over_ns[at], kinds, failed, [self.lines[i] for i in at])


@dataclass(frozen=True)
class Layout:
    """How wide the columns are. `width`: of the terminal; None: nothing is cut."""

    width: int | None = None
    cut: str = ">"

    @property
    def time(self) -> int:
        """Characters of the time of day: microseconds, milliseconds or seconds."""
        return 15 if self.width is None or self.width >= 100 else 12 if self.width >= 60 else 8

    @property
    def comm(self) -> int:
        """Of the name."""
        return 15 if self.width is None or self.width >= 80 else 8

    @property
    def has_pid(self) -> bool:
        return self.width is None or self.width >= 60

    @property
    def error(self) -> int:
        """Of the error, where it has a column of its own."""
        return ERROR if self.width is None or self.width >= 80 else 0

    def head(self, day: str) -> str:
        """The head, which begins with the date."""
        pid = f" {'pid':>{PID}}" if self.has_pid else ""
        error = f" {'error':{self.error}}" if self.error else ""
        line = f"{day:{self.time}} {'event':{EVENT}} {'process':{self.comm}}{pid}{error} what"
        return line if self.width is None else line[: self.width]


def text_page(batch: pa.RecordBatch, layout: Layout) -> Page:
    """Lines for people, from the columns of a view of events."""
    names = batch["comm"].fill_null("-")
    parts = [
        _times(batch["ts_ns"], layout.time),
        _each(batch["event"], lambda event: cell(event, EVENT, layout.cut)),
        _each(names, lambda comm: cell(comm, layout.comm, layout.cut)),
    ]
    if layout.has_pid:
        parts.append(pc.utf8_lpad(batch["pid"].cast(pa.string()).fill_null("-"), PID, " "))
    if layout.error:
        parts.append(_each(batch["error"].fill_null(""), lambda error: cell(error, layout.error, layout.cut)))
        parts.append(_safe(batch["what"].fill_null("")))
    else:
        both = (batch["error"].fill_null("").cast(pa.string()), batch["what"].fill_null(""))
        parts.append(_safe(pc.utf8_ltrim_whitespace(pc.binary_join_element_wise(*both, " "))))
    lines = pc.binary_join_element_wise(*parts, " ").to_pylist()
    if layout.width is not None:
        lines = [_cut(line, layout.width, layout.cut) for line in lines]
    return _page(batch, lines)


def json_page(batch: pa.RecordBatch) -> Page:
    """Objects, which the query has made."""
    return _page(batch, batch["record"].to_pylist())


def _page(batch: pa.RecordBatch, lines: list[str]) -> Page:
    ns, over_ns = (batch[name].fill_null(0).to_numpy(zero_copy_only=False) for name in ("ts_ns", "seen_ns"))
    return Page(ns, over_ns, batch["event"].to_pylist(), batch["failed"].to_pylist(), lines)


def _times(ns: pa.Array, length: int) -> pa.Array:
    """Time of day, by its first characters; `-` if it is unknown."""
    of_day = pc.utf8_slice_codeunits(ns.cast(pa.timestamp("ns")).cast(pa.string()), 11, 11 + length)
    return of_day.fill_null(f"{'-':{length}}")


def _each(column: pa.Array, text: Callable[[str], str]) -> pa.Array:
    """A text for each value; there are few different ones."""
    coded = column.cast(pa.string()).dictionary_encode()
    return pa.array([text(value) for value in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def _safe(column: pa.Array) -> pa.Array:
    """The texts with everything escaped that acts on a terminal."""
    suspect = pc.match_substring_regex(column, NOT_PLAIN)
    if not pc.any(suspect).as_py():
        return column
    safe = [shown(text) for text in column.filter(suspect).to_pylist()]
    return pc.replace_with_mask(column, suspect, pa.array(safe, pa.string()))


def _cut(line: str, width: int, cut: str) -> str:
    from rich.cells import cell_len, set_cell_size

    if line.isascii():
        return line if len(line) <= width else line[: width - 1] + cut
    return line if cell_len(line) <= width else str(set_cell_size(line, width - 1)) + cut
