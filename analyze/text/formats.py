"""Rows as text: a table for people, Markdown for tickets, JSON and CSV for programs.

JSON and CSV hold every digit. A table and Markdown round, and show NULL as `-`. All four write text that cannot act
on a terminal; see `safe_text`.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, TextIO

from sysmon.analyze.trace.times import iso
from sysmon.analyze.trace.values import Instant, Value
from sysmon.safe_text import ACTING, csv_cell, markdown_cell, shown

if TYPE_CHECKING:
    from sysmon.analyze.trace.result import Result

FORMATS = ("table", "json", "csv", "markdown")

GAP = "  "

PADDED = 60
"""Where nothing is cut, no text widens its column beyond this: the rest of its own row moves instead."""

LEAST_TEXT = 12
"""Text columns are cut down to this many cells, the widest first, before whole columns are left out."""

PAGE_ROWS, PAGE_CHARACTERS = 10_000, 8 << 20
"""Rows whose widest value sets the column widths, and about the most text they have."""

CUT = "…"
"""Ends a line that was cut, where the encoding has it."""

DECIMALS = {"_bytes_per_s": 0, "_bytes_per_min": 0, "_s": 3, "_ms": 3, "_us": 1, "_pct": 2}
"""Decimals of a column with this suffix; the first match counts. Others have six significant digits, or all before the
point, and no exponent.
"""

LARGE, SMALL = 10**6, 10**-4
"""Above and below these, six significant digits would have an exponent."""


AS_THEY_ARE = (int, float, str, bool, type(None))
"""Types that JSON can represent fully."""

COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
"""Made once: json.dumps with options creates an encoder per call, a third of the time of a dump."""


def json_text(value: object, indent: int | None = None) -> str:
    """The value as JSON with everything escaped that acts on a terminal, which changes no value."""
    encoder = COMPACT if indent is None else json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=indent)
    text = encoder.encode(_exact(value))
    return text if text.isascii() and text.isprintable() else ACTING.sub(_json_escape, text)


def _json_escape(match: re.Match[str]) -> str:
    # A newline here is layout: inside a string JSON has escaped it already. DEL is the one that ASCII JSON leaves.
    return match[0] if match[0] == "\n" else "\\u007f" if match[0] == "\x7f" else json.dumps(match[0])[1:-1]


def write_json(result: Result, stream: TextIO, end: str = "\n") -> None:
    """An array of objects, one per line, followed by `end`."""
    stream.write("[")
    for i, record in enumerate(result.records()):
        stream.write((",\n " if i else "\n ") + json_text(record))
    stream.write(f"\n]{end}")


def write_csv(result: Result, stream: TextIO) -> None:
    """RFC 4180 comma-separated values with a header; NULL is an empty cell."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(csv_cell(name) for name in result.names)
    for row in result.rows:
        writer.writerow(_csv_value(v) for v in row)


def write_markdown(result: Result, stream: TextIO) -> None:
    """A GitHub Markdown table, numbers right-aligned."""
    stream.write(f"| {' | '.join(map(markdown_cell, result.names))} |\n")
    stream.write(f"|{'|'.join('--:' if n else ':--' for n in result.numeric)}|\n")
    for row in result.rows:
        cells = (markdown_cell(human(n, v)) for n, v in zip(result.names, row, strict=True))
        stream.write(f"| {' | '.join(cells)} |\n")


def table_lines(
    result: Result,
    limit: int | None = None,
    width: int | None = None,
    cut: str = CUT,
    unseen: list[str] | None = None,
) -> tuple[list[str], int]:
    """Lines of a table, header first, and how many rows the limit left out.

    With a width [terminal cells] no line is longer: texts are cut and end in a character that says so, and columns that
    still do not fit are left out whole, the last first; their names are added to `unseen`. Numbers are never cut.
    """
    lines = [line for page in table_pages(result, limit, width, cut, unseen) for line in page]
    return lines, result.count_rest()


def table_pages(
    result: Result,
    limit: int | None = None,
    width: int | None = None,
    cut: str = CUT,
    unseen: list[str] | None = None,
) -> Iterator[list[str]]:
    """The lines of `table_lines`, a page at a time, so that a long table needs no more memory than a short one.

    A value wider than its column on earlier pages widens the column from there on.
    """
    rows = islice(result.rows, limit)
    widths = [0] * len(result.names)
    heads = [[shown(name)] for name in result.names]
    is_first = True
    while (page := _page(rows)) or is_first:
        is_first = False
        values = zip(*page, strict=True) if page else ([] for _ in result.names)
        columns = [head + _texts(name, of) for head, name, of in zip(heads, result.names, values, strict=True)]
        lines, seen = _aligned(columns, result, widths, width, cut)
        if unseen is not None:
            unseen[:] = result.names[seen:]
        yield lines
        heads = [[] for _ in result.names]


def _page(rows: Iterator[tuple[Value, ...]]) -> list[tuple[Value, ...]]:
    """The next page of rows."""
    page = []
    room = PAGE_CHARACTERS
    for row in islice(rows, PAGE_ROWS):
        page.append(row)
        room -= sum(map(_length, row))
        if room < 0:
            break
    return page


def _length(value: Value) -> int:
    """Approximate number of characters of a value."""
    if isinstance(value, str):
        return len(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(_length, parts))


def _texts(name: str, values: Iterable[Value]) -> list[str]:
    """The cell texts of a column."""
    texts = []
    for value in values:
        kind = type(value)
        if kind is int:
            texts.append(str(value))
        elif kind is float:
            texts.append(_decimal(name, value))  # type: ignore[arg-type]
        else:
            texts.append(shown(value if kind is str else human(name, value)))  # type: ignore[arg-type]
    return texts


def _aligned(
    columns: list[list[str]], result: Result, widths: list[int], width: int | None, cut: str
) -> tuple[list[str], int]:
    """The lines of these columns, and how many of the columns they contain.

    Each column is at least as wide as in `widths`, which is updated.
    """
    from rich.cells import cell_len, set_cell_size

    cells = [[len(text) if text.isascii() else cell_len(text) for text in column] for column in columns]
    widths[:] = [max(before, max(of, default=0)) for before, of in zip(widths, cells, strict=True)]
    whole = [right or kept for right, kept in zip(result.numeric, result.whole or result.numeric, strict=True)]
    if width is None:
        room = [most if kept else min(most, PADDED) for most, kept in zip(widths, whole, strict=True)]
    else:
        room = fitted(widths, whole, width)
    padded = []
    for column, sizes, most, right in zip(columns, cells, room, result.numeric, strict=False):
        if width is not None and max(sizes, default=0) > most:
            column = [
                set_cell_size(text, most - 1) + cut if n > most else text for text, n in zip(column, sizes, strict=True)
            ]
            sizes = [min(n, most) for n in sizes]
        padded.append(_padded(column, sizes, most, right))
    return [GAP.join(row).rstrip() for row in zip(*padded, strict=True)], len(room)


def fitted(widths: list[int], whole: list[bool], width: int) -> list[int]:
    """Column widths such that a line fits: fewer entries than columns if not all fit.

    Columns that must stay whole keep their width; of the others the widest are narrowed.
    """
    for count in range(len(widths), 1, -1):
        gaps = len(GAP) * (count - 1)
        for most in (max(widths, default=0), *range(width, LEAST_TEXT - 1, -1)):
            room = [w if kept else min(w, most) for w, kept in zip(widths[:count], whole, strict=False)]
            if sum(room) + gaps <= width:
                return room
    return [min(w, width) for w in widths[:1]]


def _padded(column: list[str], cells: list[int], most: int, right: bool) -> Iterator[str]:
    """The texts, which take this many cells each, padded with spaces."""
    if right:
        return (" " * (most - n) + text for text, n in zip(column, cells, strict=True))
    return (text + " " * (most - n) for text, n in zip(column, cells, strict=True))


def human(name: str, value: Value) -> str:
    """A value for people, by the unit suffix of the column's name."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case Instant():
            return iso(value, 6).replace("T", " ").rstrip("Z")
        case float():
            return _decimal(name, value)
        case list() | dict():
            return json_text(value)
    return str(value)


def _decimal(name: str, value: float) -> str:
    decimals = _decimals(name)
    if decimals is None and abs(value) >= LARGE - 0.5:
        decimals = 0
    elif decimals is None and 0 < abs(value) < SMALL:
        decimals = 6
    text = f"{value:.6g}" if decimals is None else f"{value:.{decimals}f}"
    return text if text.strip("-0.") else text.lstrip("-")  # -0 is 0


@cache
def _decimals(name: str) -> int | None:
    return next((d for suffix, d in DECIMALS.items() if name.endswith(suffix)), None)


def _csv_value(value: Value) -> str | int | float:
    if type(value) is int or type(value) is float:
        return value
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Instant():
            return str(value)
        case int() | float():
            return value
        case str():
            return csv_cell(value)
    return csv_cell(json_text(value))


def _exact(value: object) -> object:
    """The value with instants as text, which JSON lacks."""
    if type(value) in AS_THEY_ARE:
        return value
    if isinstance(value, Instant):
        return str(value)
    if isinstance(value, dict):
        return {k: v if type(v) in AS_THEY_ARE else _exact(v) for k, v in value.items()}
    return [_exact(v) for v in value] if isinstance(value, list | tuple) else value


def write(result: Result, form: str, stream: TextIO) -> None:
    """Writes the rows as JSON, CSV or Markdown."""
    {"json": write_json, "csv": write_csv, "markdown": write_markdown}[form](result, stream)


def limited(result: Result, limit: int | None) -> Result:
    """The same, cut after this many rows."""
    return replace(result, rows=islice(result.rows, limit), legend="", beyond=0, whole=())


def lines_of(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Names and their texts, in two columns."""
    rows = list(pairs)
    width = max((len(name) for name, _ in rows), default=0)
    return [f"{name:<{width}}{GAP}{shown(text)}".rstrip() for name, text in rows]
