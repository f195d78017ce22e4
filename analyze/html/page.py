"""Pages: the templates, what they may hold, and the tables in them.

A page holds whatever a trace does, and a trace may come from anybody. So every text that a template writes is first
made visible (`safe_text.shown`) and then escaped, without the template's doing; style and script are files of this
package in which nothing is put; and the page's own policy lets no other style or script run and nothing be fetched.

A page of one's own: a template that extends base.html and fills its blocks, `Table.of` for tables, and `write`.
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
"""Rows of a table on a page, unless said otherwise. More is for the command line: a page is read."""

UNIT_ROWS = 1000
"""The largest value of the first of so many rows says in what unit a column is shown."""

TABLE_CHARACTERS = 60_000
"""Text of a table at most, so that a page with every report stays below 5 MB; rows after it are left out."""


@dataclass(frozen=True)
class Head:
    """A column of a table on a page: its name in SQL, its title, what it means, and how it is laid out."""

    name: str
    title: str
    doc: str
    style: str

    @property
    def numeric(self) -> bool:
        """Whether it is compared as a number."""
        return self.style in (cells.NUMBER, cells.TIME)


@dataclass(frozen=True)
class Table:
    """A table for `table(…)` of parts.html."""

    columns: tuple[Head, ...]
    rows: list[tuple[Cell, ...]]
    left_out: int
    """Rows that there are and that are not shown."""
    command: str = ""
    """What shows them all."""

    @property
    def count(self) -> str:
        """How many rows there are, and how many of them are here."""
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

        Times are shown without the day of `started_ns` (UTC).
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
    """Writes a page in UTF-8. What the template names and is not given is an error."""
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
    """What a template writes, before it is escaped: text that acts is shown instead, and NULL is a dash."""
    if isinstance(value, Markup | jinja2.Undefined):
        return value
    return cells.UNKNOWN if value is None else shown(str(value))


def prose(text: str) -> Markup:
    """A text of sysmon's own, with what stands in backticks as code, and no line that begins with a %."""
    parts = [escape(shown(part)) for part in text.replace(" %", "\N{NO-BREAK SPACE}%").split("`")]
    return Markup("").join(Markup(f"<code>{part}</code>") if i % 2 else part for i, part in enumerate(parts))


def _read(name: str) -> Markup:
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def _policy(style: str, script: str) -> str:
    """Content-Security-Policy: this style, this script, images that stand in the page itself, and nothing else."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
