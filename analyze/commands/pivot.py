"""`sysmon pivot`: a measure split by any of its dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sysmon.analyze.commands.options import TEXT, Part, format_option, opened, part_options, tell_intervals
from sysmon.analyze.commands.report import TABLE_ROWS

if TYPE_CHECKING:
    from sysmon.analyze.text.screen import Screen
    from sysmon.analyze.trace.pivot import Pivot
    from sysmon.analyze.trace.trace import Trace


@click.command()
@click.argument("trace", type=click.Path(), required=False)
@click.option(
    "--by",
    type=TEXT,
    metavar="NAME,...",
    help="What to split by: a row for each combination. Default: comm and, of state, function, "
    "error, object and syscall, the first that the measure has.",
)
@click.option("--measure", type=TEXT, default="time", show_default=True, help="What to split.")
@click.option(
    "--where",
    type=TEXT,
    metavar="CONDITION",
    help="Only what meets this condition on dimensions, in DuckDB's SQL, without queries in it: \"comm = 'nginx' AND "
    "state <> 'idle'\".",
)
@click.option("--list", "show_list", is_flag=True, help="List measures and their dimensions; needs no trace.")
@click.option("--sql", "show_sql", is_flag=True, help="Print the query instead of its rows, for `sysmon sql`.")
@format_option("table", "json", "csv", "markdown")
@click.option(
    "--limit",
    type=click.IntRange(0),
    help=f"Show at most this many rows. Default: {TABLE_ROWS} in a table on a terminal, otherwise all.",
)
@part_options
def pivot(
    trace: str | None,
    by: str | None,
    measure: str,
    where: str | None,
    show_list: bool,
    show_sql: bool,
    form: str,
    limit: int | None,
    pids: tuple[int, ...],
    comms: tuple[str, ...],
    cgroups: tuple[str, ...],
    command: bool,
    since: str | None,
    until: str | None,
) -> None:
    """Split the time of threads, calls, bytes or errors by any of their dimensions.

    Each row is a combination of what --by names, with its sum and its share of all rows; in a table the last line is
    the total. Thread time has no remainder: a thread is always in one state, and 8 threads that live for a second have
    8 s.

    \b
    Examples:
      sysmon pivot trace.parquet --by comm,syscall,state
      sysmon pivot trace.parquet --by thread,state --pid 1234 --where "state NOT IN ('idle', 'poll')"
      sysmon pivot trace.parquet --by cgroup,error --measure errors
      sysmon pivot --list
    """
    from sysmon.analyze.text.screen import Screen
    from sysmon.analyze.trace.pivot import told

    screen = Screen()
    if show_list:
        _list(screen, form)
        return
    if trace is None:
        raise click.UsageError("give a trace, or --list", click.get_current_context())
    names = None if by is None else [name.strip() for name in by.split(",") if name.strip()]
    with opened(
        trace, Part(since=since, until=until, pids=pids, comms=comms, cgroups=cgroups, command=command)
    ) as open_trace:
        asked = open_trace.pivot_of(names, measure, where)
        if show_sql:
            screen.stream.write(f"{asked.sql}\n")
            return
        with told():
            _show(screen, open_trace, asked, form, limit)


def _show(screen: Screen, trace: Trace, asked: Pivot, form: str, limit: int | None) -> None:
    from sysmon.analyze.text.drawing import Paper, share_bars
    from sysmon.analyze.trace.missing_kinds import absent, kinds_read
    from sysmon.analyze.trace.pivot import SHOWN
    from sysmon.analyze.trace.result import Result

    if reason := absent(asked.fact, trace.metadata["kinds"]):
        click.echo(f"{asked.fact.name}: {reason}", err=True)
    tell_intervals(trace, kinds_read(asked.fact))
    if form != "table":
        screen.rows(Result.of(trace.own(asked.sql)), form, limit)
        return
    ((total,),) = trace.own(asked.total_sql).fetchall()
    result = share_bars(Result.of(trace.own(asked.sql)), Paper.of(screen, trace))
    screen.rows(result, form, TABLE_ROWS if limit is None and screen.is_terminal else limit)
    if total is not None:
        shown = f"{total:,.3f} s" if asked.fact.name in SHOWN else f"{total:,}"
        screen.line(f"total {shown}")


def _list(screen: Screen, form: str) -> None:
    from sysmon.analyze.text.formats import write
    from sysmon.analyze.trace.facts import AMOUNT, facts
    from sysmon.analyze.trace.result import Result

    rows = [
        (fact.name, column.name, column.doc) for fact in facts() for column in fact.columns if column.name != AMOUNT
    ]
    result = Result(("measure", "dimension", "meaning"), (False, False, False), iter(rows))
    if form == "table":
        screen.rows(result, form, None)
    else:
        write(result, form, screen.stream)
