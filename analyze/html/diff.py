"""The comparison of two traces as a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from sysmon.analyze.diff import text
from sysmon.analyze.diff.figures import Change
from sysmon.analyze.html import cells, page
from sysmon.analyze.html.cells import Cell
from sysmon.analyze.html.page import Head, Table
from sysmon.analyze.html.svg import inline
from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.values import Value
from sysmon.safe_text import shell_command

if TYPE_CHECKING:
    from sysmon.analyze.diff.comparison import Comparison
    from sysmon.analyze.diff.sections import Section as Compared


@dataclass(frozen=True)
class Section:
    """A section with rows: its table, and the meaning of the columns that JSON and CSV have."""

    name: str
    title: str
    doc: str
    table: Table
    meanings: Table


def write_html(
    found: Comparison,
    names: tuple[str, str],
    heading: list[tuple[str, str]],
    graph: str,
    stream: IO[bytes],
    *,
    limit: int,
) -> None:
    """Writes the page that compares the traces with these file names, with at most this many rows per section.

    `graph`: the <svg> of their flame graph; empty: there is none.
    """
    from sysmon.analyze.diff.sections import sections

    told = [(s, *text.table_of(found, s, limit)) for s in sections()]
    page.write(
        "diff.html",
        stream,
        before=names[0],
        after=names[1],
        facts_of=[*heading, *text.headline(found), *(("note", n) for n in found.notes if not text.is_loss(n))],
        notes=[n for n in found.notes if text.is_loss(n)],
        method=text.method(found),
        graph=inline(graph) if graph else "",
        graph_command=shell_command(["sysmon", "diff", *names, "--flamegraph", "changes.svg"]),
        sections=[_section(s, title, table, total, names) for s, title, table, total in told if total],
        same=[(s.name, title, "") for s, title, _, total in told if not total],
    )


def _section(compared: Compared, title: str, found: Result, total: int, names: tuple[str, str]) -> Section:
    rows = [tuple(_cell(value) for value in row) for row in found.rows]
    command = shell_command(["sysmon", "diff", *names, compared.name, "--format", "csv"])
    styles = [cells.style_of(row[i] for row in rows) for i in range(len(found.names))]
    heads = tuple(Head(name, name, "", style) for name, style in zip(found.names, styles, strict=True))
    meanings = tuple(Head(c.name, c.name, c.doc, "") for c in compared.view.columns)
    table = Table(heads, rows, total - len(rows), command)
    return Section(compared.name, title, compared.view.doc, table, Table(meanings, [], 0, ""))


def _cell(value: Value) -> Cell:
    if not isinstance(value, Change):
        return cells.cell("", value, "", 0)
    return Cell(
        cells.UNKNOWN if value.key is None else value, cells.NUMBER, None if value.key is None else repr(value.key)
    )
