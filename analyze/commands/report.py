"""`sysmon report`: the reports, and the summary that is shown without a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sysmon.analyze.commands.options import Part, format_option, opened, part_options, tell_intervals

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

    from sysmon.analyze.text.screen import Screen
    from sysmon.analyze.trace.result import Result
    from sysmon.analyze.trace.trace import Trace

TABLE_ROWS = 30
"""Rows of a table on a terminal, unless --limit says otherwise: what fits on a screen."""


@click.command()
@click.argument("trace", type=click.Path(), required=False)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--list", "show_list", is_flag=True, help="List the reports; needs no trace.")
@format_option("table", "json", "csv", "markdown")
@click.option(
    "--limit",
    type=click.IntRange(0),
    help=f"Show at most this many rows of each report. Default: {TABLE_ROWS} in a table, otherwise all.",
)
@click.option(
    "--html",
    "html_file",
    type=click.Path(),
    metavar="FILE",
    help="Write one self-contained HTML file: findings, charts, and the first rows of every report, or as many as "
    "--limit allows. - is standard output.",
)
@click.option("--force", is_flag=True, help="Overwrite the FILE of --html.")
@click.option(
    "--by",
    "group_by",
    type=click.Choice(["cgroup", "thread"]),
    help="Show each report per control group, or per thread.",
)
@part_options
def report(
    trace: str | None,
    names: tuple[str, ...],
    show_list: bool,
    form: str,
    limit: int | None,
    html_file: str | None,
    force: bool,
    group_by: str | None,
    pids: tuple[int, ...],
    comms: tuple[str, ...],
    cgroups: tuple[str, ...],
    command: bool,
    since: str | None,
    until: str | None,
) -> None:
    """Show reports about a trace; without a NAME, a summary on one screen.

    This needs no privileges and only the file. Tables draw histograms as bars and latency_timeline as shades; the other
    formats have the numbers.

    \b
    Examples:
      sysmon report trace.parquet
      sysmon report --list
      sysmon report trace.parquet syscalls processes
      sysmon report trace.parquet syscalls_by_process --comm nginx --format csv
      sysmon report trace.parquet processes --since +10 --until +20.5
      sysmon report trace.parquet syscalls --by cgroup
      sysmon report trace.parquet wall_time --by thread
      sysmon report trace.parquet --html trace.html
    """
    from sysmon.analyze.text.screen import Screen

    screen = Screen()
    if show_list:
        _list(screen, form)
        return
    if trace is None:
        raise click.UsageError("give a trace, or --list", click.get_current_context())
    if group_by == "thread":
        names = _of_threads(names)
    _check(names, form)
    if group_by == "cgroup" and (not names or pids or comms or cgroups or command):
        said = "--by cgroup needs a report name, and excludes --pid, --comm, --cgroup and --command"
        raise click.UsageError(said, click.get_current_context())
    if html_file is not None and (names or group_by or form != "table"):
        said = "--html writes every report: leave out names, --format and --by"
        raise click.UsageError(said, click.get_current_context())
    if force and html_file is None:
        raise click.UsageError("--force needs --html", click.get_current_context())
    with opened(
        trace, Part(since=since, until=until, pids=pids, comms=comms, cgroups=cgroups, command=command)
    ) as open_trace:
        if not names:
            tell_intervals(open_trace, open_trace.metadata["kinds"])
        if html_file is not None:
            _html(open_trace, html_file, limit, force=force)
        elif names:
            _reports(screen, open_trace, names, form, limit, grouped=group_by == "cgroup")
        else:
            _summary(screen, open_trace, form)


def _of_threads(names: tuple[str, ...]) -> tuple[str, ...]:
    """The reports of the same by thread. Raises BadRequest for one that there is not."""
    from sysmon.analyze.trace.reports import find_report, reports
    from sysmon.errors import BadRequest

    suffix = "_by_thread"
    known = [r.name.removesuffix(suffix) for r in reports() if r.name.endswith(suffix)]
    for name in names:
        if find_report(name).name.removesuffix(suffix) not in known:
            raise BadRequest(f"{name} is not counted by thread; {', '.join(known)} are")
    if not names:
        raise BadRequest(f"--by thread needs a report name: {', '.join(known)}")
    return tuple(name.removesuffix(suffix) + suffix for name in names)


def _html(trace: Trace, file: str, limit: int | None, *, force: bool) -> None:
    import sys
    from pathlib import Path

    from sysmon.analyze.html.page import TABLE_ROWS
    from sysmon.analyze.html.report import write_html
    from sysmon.analyze.text.describe import size
    from sysmon.bpf.trace_file.atomic import is_one_of, new_file
    from sysmon.errors import CannotWrite
    from sysmon.safe_text import one_line
    from sysmon.streams import binary

    limit = TABLE_ROWS if limit is None else limit
    if file == "-":
        write_html(trace, binary(sys.stdout), limit=limit)
        return
    path = Path(file)
    if force and is_one_of(path, [trace.source.path]):
        raise CannotWrite(f"{one_line(file)} is the trace itself: choose another name")
    with new_file(path, force=force) as stream:
        write_html(trace, stream, limit=limit)
        written = stream.tell()
    click.echo(f"wrote {one_line(file)}: {size(written)}", err=True)


def _check(names: tuple[str, ...], form: str) -> None:
    from sysmon.analyze.trace.reports import find_report
    from sysmon.errors import BadRequest

    for name in names:
        find_report(name)
    if form == "csv" and len(names) != 1:
        raise BadRequest("--format csv writes one report at a time; name one, or use json")


def _list(screen: Screen, form: str) -> None:
    from sysmon.analyze.text import reference
    from sysmon.analyze.trace.reports import reports

    write = {
        "table": reference.reports_text,
        "json": reference.reports_json,
        "csv": reference.reports_csv,
        "markdown": reference.reports_markdown,
    }
    screen.stream.write(write[form](reports()))


def _reports(
    screen: Screen, trace: Trace, names: tuple[str, ...], form: str, limit: int | None, *, grouped: bool = False
) -> None:
    from sysmon.analyze.text import finding_text
    from sysmon.analyze.text.drawing import DRAWINGS, Paper
    from sysmon.analyze.text.formats import limited, write_json
    from sysmon.analyze.trace.missing_kinds import absent, kinds_read
    from sysmon.analyze.trace.reports import find_report
    from sysmon.analyze.trace.result import Result

    if form == "table" and limit is None:
        limit = TABLE_ROWS if screen.is_terminal else None

    def result_of(name: str) -> Result:
        drawing = DRAWINGS.get(name) if form == "table" else None
        if limit is not None and drawing is None and not grouped:
            return Result.of(*trace.first_rows(name, limit))

        def rows_of(part: Trace) -> duckdb.DuckDBPyRelation:
            return part.own(drawing.query) if drawing else part.report(name)

        result = _by_cgroup(trace, rows_of) if grouped else Result.of(rows_of(trace))
        return drawing.draw(result, Paper.of(screen, trace)) if drawing else result

    for name in names:
        if reason := absent(find_report(name), trace.metadata["kinds"]):
            click.echo(f"{name}: {reason}", err=True)
    tell_intervals(trace, {kind for name in names for kind in kinds_read(find_report(name))})
    if form == "json" and len(names) > 1:
        for i, name in enumerate(names):
            screen.stream.write(("," if i else "{") + f'\n"{name}": ')
            write_json(limited(result_of(name), limit), screen.stream, end="")
        screen.stream.write("\n}\n")
        return
    for i, name in enumerate(names):
        if len(names) > 1:
            title = find_report(name).title
            screen.line(f"{chr(10) if i else ''}{'## ' if form == 'markdown' else ''}{name}: {title}")
            screen.line()
        if name == "findings" and form == "table" and screen.width is not None and not grouped:
            finding_text.write(result_of(name), screen, screen.width, limit)
        else:
            screen.rows(result_of(name), form, limit)
    if form == "table":
        _losses(screen, trace)


def _by_cgroup(trace: Trace, rows_of: Callable[[Trace], duckdb.DuckDBPyRelation]) -> Result:
    """The rows of each control group, with the group as the first column."""
    from sysmon.analyze.trace.result import Result

    empty = Result.of(rows_of(trace).limit(0))
    rows = ((group, *row) for group, part in trace.by_cgroup() for row in Result.of(rows_of(part)).rows)
    return Result(("in_cgroup", *empty.names), (False, *empty.numeric), rows)


def _losses(screen: Screen, trace: Trace) -> None:
    from sysmon.analyze.text.screen import ALARM
    from sysmon.analyze.text.summary import losses_line

    lost = losses_line(trace)
    if lost:
        screen.line(f"{lost}; for times see `sysmon report TRACE losses`", ALARM)


def _summary(screen: Screen, trace: Trace, form: str) -> None:
    from sysmon.analyze.text import summary

    if form == "json":
        summary.write_json(trace, screen.stream)
    elif form == "markdown":
        summary.write_markdown(trace, screen)
    else:
        summary.write_screen(trace, screen)
