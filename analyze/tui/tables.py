"""The rows of a place's sections, read from an open trace whose window is set."""

from __future__ import annotations

from dataclasses import replace

import duckdb

from sysmon.analyze.text.drawing import DRAWINGS, Paper
from sysmon.analyze.trace.missing_kinds import absent, again
from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.trace import Trace
from sysmon.analyze.tui import splitting
from sysmon.analyze.tui.answers import Table, held
from sysmon.analyze.tui.pages import EVENTS, SPLIT, Page, Section, view_of
from sysmon.analyze.tui.places import Place
from sysmon.analyze.tui.shaping import Parameters, columns_of, query, required
from sysmon.analyze.tui.tree import as_tree
from sysmon.errors import BadRequest
from sysmon.safe_text import one_line


def read(trace: Trace, page: Page, place: Place, number: int, paper: tuple[int, bool]) -> Table:
    """The table of one section. `paper`: width of drawings [cells], and whether they may have blocks."""
    section = page.sections[number]
    kinds = trace.metadata["kinds"]
    if section.report == SPLIT:
        return splitting.read(trace, place, number)
    if section.kinds and not set(section.kinds) & set(kinds):
        return Table(said=f"recorded without {section.kinds[0]}: {again(section.kinds[:1])}")
    found = _drawn(trace, section, place, paper) if section.drawn else _rows(trace, page, place, number)
    if not (found.rows or found.said):
        why = absent(view_of(section), kinds) if section.report != EVENTS else ""
        none = "none that fits the filter" if place.filter or found.where else "none in this window"
        return replace(found, said=why or none)
    return found


def _rows(trace: Trace, page: Page, place: Place, number: int) -> Table:
    section, values = page.sections[number], Parameters()
    where = _where(trace, page, number, place.where)
    sql = query(section, place, number, where, values.put, trace.metadata["kinds"])
    try:
        with trace.reading():
            result = Result.of(trace.own(sql, dict(values)))
            rows, total = held(result)
    except (duckdb.ConversionException, duckdb.BinderException, duckdb.OutOfRangeException) as e:
        return Table(said=one_line(str(e)).split(" LINE ")[0], where=place.where)
    if place.tree and {"pid", "ppid", "comm"} <= set(result.names):
        rows = as_tree(result.names, rows)
    return Table(result.names, result.numeric, rows, total, where=place.where if where else "")


def _where(trace: Trace, page: Page, number: int, typed: str) -> str | None:
    """The condition for a section, if it has its columns. Raises BadRequest if no section of the page has them."""
    if not typed:
        return None
    sections = [s for s in page.sections if s.report != SPLIT and not s.drawn]
    for section in (page.sections[number], *sections):
        try:
            checked = trace.condition(typed, columns_of(section), "&")
        except BadRequest as error:
            told = error
        else:
            return checked if section is page.sections[number] else None
    raise told


def _drawn(trace: Trace, section: Section, place: Place, paper: tuple[int, bool]) -> Table:
    """The drawing of a report, of one system call if the place is about one."""
    drawing, (width, blocks) = DRAWINGS[section.report], paper
    values = Parameters()
    conditions = list(required(section, place, values.put))
    sql = f"SELECT * FROM ({drawing.query}) WHERE {' AND '.join(conditions)}" if conditions else drawing.query
    with trace.reading():
        result = drawing.draw(Result.of(trace.own(sql, dict(values))), Paper.of_trace(trace, width, blocks=blocks))
        rows, total = held(result)
    return Table(result.names, result.numeric, rows, total, drawn=True)
