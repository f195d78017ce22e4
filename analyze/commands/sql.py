"""`sysmon sql`: runs any query on a trace."""

from __future__ import annotations

import re

import click

from sysmon.analyze.commands.options import TEXT, Part, format_option, opened, part_options, trace_argument


@click.command()
@trace_argument
@click.argument("query", type=TEXT)
@format_option("table", "json", "csv", "markdown")
@click.option("--limit", type=click.IntRange(0), help="Show at most this many rows.")
@part_options
def sql(
    trace: str,
    query: str,
    form: str,
    limit: int | None,
    pids: tuple[int, ...],
    comms: tuple[str, ...],
    cgroups: tuple[str, ...],
    command: bool,
    since: str | None,
    until: str | None,
) -> None:
    """Query a trace with SQL.

    Each kind of row has a view, such as execs, exits, forks and syscall_stats; the view processes joins all that is
    known about each process. Every report is a view too, such as report.syscalls. The SQL is DuckDB's, and it can
    read this trace only. Timestamps have nanoseconds: subtract them with epoch_ns(a) - epoch_ns(b), and cast
    them with ts::TIMESTAMPTZ for functions that do not support nanoseconds.

    \b
    Examples:
      sysmon sql trace.parquet "SHOW ALL TABLES"
      sysmon sql trace.parquet "DESCRIBE execs"
      sysmon sql trace.parquet "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'exits'"
      sysmon sql trace.parquet "SELECT path, count(*) AS n FROM execs GROUP BY path ORDER BY n DESC"
      sysmon sql trace.parquet "FROM exits WHERE signal IS NOT NULL" --format csv
    """
    import duckdb

    from sysmon.analyze.text.screen import Screen
    from sysmon.analyze.trace.result import Result
    from sysmon.errors import BadRequest
    from sysmon.safe_text import one_line

    screen = Screen()
    with opened(
        trace, Part(since=since, until=until, pids=pids, comms=comms, cgroups=cgroups, command=command)
    ) as open_trace:
        try:
            screen.rows(Result.of(open_trace.sql(query)), form, limit)
        except (duckdb.OutOfMemoryException, duckdb.IOException):
            raise  # `opened` has a message for it
        except duckdb.Error as e:
            raise BadRequest(_explain(one_line(str(e)))) from e


def _explain(message: str) -> str:
    """DuckDB's message without the query and the list of functions, and with advice that it lacks."""
    said = re.split(r" LINE \d+: | Candidate functions: ", message)[0]
    hint = "; a time has ns: use epoch_ns(ts), or ts::TIMESTAMPTZ to round it" if "TIMESTAMPTZ_NS" in said else ""
    return said.rstrip(".") + hint
