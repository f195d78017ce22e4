"""The rows of a place's sections, read from an open trace whose window is set."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import duckdb

from sysmon.analyze.text.drawing import DRAWINGS, Paper
from sysmon.analyze.trace.missing_kinds import absent
from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.trace import Trace
from sysmon.analyze.tui import splitting
from sysmon.analyze.tui.answers import Table
from sysmon.analyze.tui.pages import EVENTS, SPLIT, Page, Section, view_of
from sysmon.analyze.tui.places import Place
from sysmon.analyze.tui.shaping import Parameters, columns_of, query, required
from sysmon.analyze.tui.tree import as_tree
from sysmon.errors import BadRequest
from sysmon.safe_text import one_line

MOST_ROWS = 1_000
"""Rows that are held of a section; the others are counted."""


def read(trace: Trace, page: Page, place: Place, number: int, paper: tuple[int, bool]) -> Table:
    """The table of one section. `paper`: width of drawings [cells], and whether they may have blocks."""
    section = page.sections[number]
    kinds = trace.metadata["kinds"]
    if section.report == SPLIT:
        return splitting.read(trace, place, number)
    if section.kinds and not set(section.kinds) & set(kinds):
        return Table(said=f"not recorded: record with --with {section.kinds[0]}")
    found = _drawn(trace, section, place, paper) if section.drawn else _rows(trace, section, place, number)
    if not (found.rows or found.said):
        why = absent(view_of(section), kinds) if section.report != EVENTS else ""
        return replace(found, said=why or "none in this window")
    return found


def _rows(trace: Trace, section: Section, place: Place, number: int) -> Table:
    values = Parameters()
    sql = query(section, place, number, checked(trace, section, place.where), values.put, trace.metadata["kinds"])
    try:
        with trace.reading():
            result = Result.of(trace.own(sql, dict(values)))
            rows = list(islice(result.rows, MOST_ROWS))
            total = len(rows) + result.count_rest()
    except (duckdb.ConversionException, duckdb.BinderException, duckdb.OutOfRangeException) as e:
        return Table(said=one_line(str(e)).split(" LINE ")[0])
    if place.tree and {"pid", "ppid", "comm"} <= set(result.names):
        rows = as_tree(result.names, rows)
    return Table(result.names, result.numeric, rows, total)


def checked(trace: Trace, section: Section, where: str) -> str | None:
    """The condition for a section, if it has its columns. Raises BadRequest if no section can have it."""
    if not where:
        return None
    try:
        return trace.condition(where, columns_of(section), "&")
    except BadRequest:
        if section.report == "activity":
            raise
        return None


def _drawn(trace: Trace, section: Section, place: Place, paper: tuple[int, bool]) -> Table:
    """The drawing of a report, of one system call if the place is about one."""
    drawing, (width, blocks) = DRAWINGS[section.report], paper
    values = Parameters()
    conditions = [f"{n} IS NOT DISTINCT FROM {values.put(f'of_{n}', value)}" for n, value in required(section, place)]
    sql = f"SELECT * FROM ({drawing.query}) WHERE {' AND '.join(conditions)}" if conditions else drawing.query
    with trace.reading():
        result = drawing.draw(Result.of(trace.own(sql, dict(values))), Paper.of_trace(trace, width, blocks=blocks))
        rows = list(islice(result.rows, MOST_ROWS))
    return Table(result.names, result.numeric, rows, len(rows), drawn=True)
