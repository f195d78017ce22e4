"""Pages: templates, what they may contain, and their tables.

A page contains what a trace does, and a trace may come from anyone. So every text in a template is first made visible
(`safe_text.shown`) and then escaped automatically; style and script are files of this package into which nothing is
inserted; and the page's own policy lets no other style or script run and nothing be fetched.

To add a page: a template that extends base.html and fills its blocks, `Table.of` for tables, and `write`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import IO

import jinja2
from markupsafe import Markup, escape

from sysmon.analyze.html import cells
from sysmon.analyze.html.cells import Cell
from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.sqlfile import Column
from sysmon.safe_text import shown
from sysmon.version import version

TEMPLATES = Path(__file__).parent / "templates"

TABLE_ROWS = 300
"""Rows per table on a page by default. More is for the command line: a page is read."""

UNIT_ROWS = 1000
"""A column's unit is chosen by the largest value in this many first rows."""

TABLE_CHARACTERS = 60_000
"""Most text in a table, so that a page with every report stays below 5 MB; later rows are left out."""


@dataclass(frozen=True)
class Head:
    """A column of a table: its SQL name, its title, its meaning, and its layout."""

    name: str
    title: str
    doc: str
    style: str

    @property
    def numeric(self) -> bool:
        """Whether it is sorted as a number."""
        return self.style in (cells.NUMBER, cells.TIME)


@dataclass(frozen=True)
class Table:
    """A table for `table(…)` of parts.html."""

    columns: tuple[Head, ...]
    rows: list[tuple[Cell, ...]]
    left_out: int
    """Rows that are not shown."""
    command: str = ""
    """The command that shows them all."""

    @property
    def count(self) -> str:
        """How many rows there are, and how many are shown."""
        shown = len(self.rows)
        if self.left_out:
            return f"The first {shown:,} of {shown + self.left_out:,} rows; {self.left_out:,} more"
        return "1 row" if shown == 1 else f"{shown:,} rows"

    @staticmethod
    def of(
        result: Result,
        docs: Sequence[Column] = (),
        *,
        started_ns: int,
        limit: int = TABLE_ROWS,
        command: str = "",
    ) -> Table:
        """Reads a result to its end and keeps the first rows.

        Times are shown without the date of `started_ns` (UTC).
        """
        known = {c.name: c.doc for c in docs}
        styles = [cells.NUMBER if numeric else "" for numeric in result.numeric]
        rows: list[tuple[Cell, ...]] = []
        room = TABLE_CHARACTERS
        first = list(islice(result.rows, min(limit, UNIT_ROWS)))
        columns = zip(*first, strict=True) if first else ([] for _ in result.names)
        units = [cells.unit_of(name, column) for name, column in zip(result.names, columns, strict=True)]
        for values in islice(chain(first, result.rows), limit):
            row = tuple(
                cells.cell(name, value, style, started_ns, unit)
                for name, value, style, unit in zip(result.names, values, styles, units, strict=True)
            )
            rows.append(row)
            room -= sum(len(c.text) for c in row)
            if room < 0:
                break
        left_out = result.count_rest() + max(0, len(first) - len(rows))
        heads = tuple(
            Head(name, cells.title(name), known.get(name, ""), style or cells.style_of([r[i] for r in rows]))
            for i, (name, style) in enumerate(zip(result.names, styles, strict=True))
        )
        return Table(heads, rows, left_out, command)


def write(template: str, stream: IO[bytes], **values: object) -> None:
    """Writes a page in UTF-8. A value that the template names and does not get is an error."""
    parts = _environment().get_template(template).stream(**values)
    parts.enable_buffering(1000)
    parts.dump(stream, encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    style, script = _read("style.css"), _read("script.js")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=visible,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = prose
    environment.globals.update(style=style, script=script, policy=_policy(style, script), version=version())
    return environment


def visible(value: object) -> object:
    """What a template writes, before it is escaped: control characters made visible, NULL as a dash."""
    if isinstance(value, Markup | jinja2.Undefined):
        return value
    return cells.UNKNOWN if value is None else shown(str(value))


def prose(text: str) -> Markup:
    """Our own text, with what is in backticks as code, and without lines that begin with %."""
    parts = [escape(shown(part)) for part in text.replace(" %", "\N{NO-BREAK SPACE}%").split("`")]
    return Markup("").join(Markup(f"<code>{part}</code>") if i % 2 else part for i, part in enumerate(parts))


def _read(name: str) -> Markup:
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def _policy(style: str, script: str) -> str:
    """Content-Security-Policy: this style, this script, images embedded in the page, and nothing else."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
