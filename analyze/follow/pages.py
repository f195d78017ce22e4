"""A line for each event, in order of time; of a recording that still runs also those that come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from sysmon.analyze.follow.arrivals import Arrivals
from sysmon.analyze.follow.kinds import ALL, chosen, events_query
from sysmon.analyze.follow.lines import Layout, Page, json_page, text_page
from sysmon.analyze.follow.options import Options, grows, pause
from sysmon.analyze.follow.output import Output, Skipped
from sysmon.analyze.follow.slices import slices

if TYPE_CHECKING:
    from sysmon.analyze.text.screen import Screen
    from sysmon.analyze.trace.trace import Trace

BATCH_ROWS = 20_480
"""Rows that are made lines of at a time."""

COLUMNS = "ts_ns, seen_ns, event, pid, start, comm, failed, error, what, latency_ns"

TEXT = f"SELECT {COLUMNS}"

JSON = """SELECT ts_ns, seen_ns, event, pid, failed, what, CAST(to_json(struct_pack(
    ts := strftime(make_timestamp_ns(ts_ns), '%Y-%m-%dT%H:%M:%S.') || format('{:09d}Z', ts_ns % 1000000000),
    event := event,
    pid := pid,
    start := start,
    comm := comm,
    failed := failed,
    error := error,
    what := what,
    latency_ns := latency_ns
)) AS VARCHAR) AS record"""

ORDER = "ORDER BY {}, event, pid, start, what"


def events(trace: Trace, kinds: str, screen: Screen, options: Options) -> None:
    """Shows each event of these kinds, a list with commas or 'all', in the trace's window. Raises BadRequest."""
    found, why = chosen(kinds or ALL, trace.metadata["kinds"])
    if why:
        click.echo(f"events: {why}", err=True)
    output = Output(screen, options)
    if found:
        for page in pages(trace, found, output.layout, options.form):
            if not output.show(page):
                return


def pages(trace: Trace, kinds: Sequence[str], layout: Layout, form: str) -> Iterator[Page | Skipped]:
    """The lines, and what is left out in front of them."""
    since, until = trace.since_ns, trace.until_ns
    running, arrivals = grows(trace), Arrivals(trace, kinds)
    for window in list(slices(trace, kinds)):
        trace.move(*window)
        for page in _read(trace, kinds, layout, form, "", {}):
            if running:
                arrivals.shown(page)
            yield page
    while running and not (until is not None and trace.metadata["ended_ns"] > until):
        pause()
        arrived = arrivals.look(since, until)
        running = grows(trace)
        if arrived is None:
            continue
        if arrived.skipped:
            yield Skipped(arrived.skipped)
        for page in _read(trace, arrived.kinds, layout, form, "WHERE seen_ns >= $seen", {"seen": arrived.seen_ns}):
            if (fresh := arrivals.fresh(page)).lines:
                yield fresh


def _read(
    trace: Trace, kinds: Sequence[str], layout: Layout, form: str, where: str, values: dict[str, object]
) -> Iterator[Page]:
    order = ORDER.format("seen_ns" if where else "ts_ns")
    query = f"{JSON if form == 'json' else TEXT} FROM ({events_query(kinds)}) {where} {order}"
    with trace.reading():
        for batch in trace.own(query, values).to_arrow_reader(BATCH_ROWS):
            yield json_page(batch) if form == "json" else text_page(batch, layout)
